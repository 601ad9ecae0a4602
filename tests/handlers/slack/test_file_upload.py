"""A picture in Slack: uploaded once, shown as soon as Slack has looked at it, and drawn in characters where that is no way."""

from __future__ import annotations

import pytest

from handlers.ports import Room
from tests.handlers.slack.conftest import PICTURED, Workspace
from tests.support.fake_slack import Message

POST, ONLY_YOU, URL = "chat.postMessage", "chat.postEphemeral", "response_url"
GET, COMPLETE = "files.getUploadURLExternal", "files.completeUploadExternal"
ROOM = Room("slack", "T1", "C1")


def images(said: Message) -> list[Message]:
    return [block for block in said.get("blocks", ()) if block["type"] == "image"]


def drawn_in_characters(said: Message) -> bool:
    return "rich_text_preformatted" in str(said)


async def test_a_picture_is_a_file_that_the_message_shows(workspace: Workspace) -> None:
    await workspace.type("history 203.0.113.5")
    await workspace.work()
    [(way, said)] = workspace.fake.said
    assert way == POST
    assert images(said) == [{"type": "image", "slack_file": {"id": "F1"}, "alt_text": "Listed for 6h."}]
    assert list(workspace.fake.uploaded.complete) == ["F1"]
    assert not drawn_in_characters(said)


async def test_a_private_picture_is_seen_by_one(workspace: Workspace) -> None:
    await workspace.type("private history 203.0.113.5")
    await workspace.work()
    [(way, said)] = workspace.fake.said
    assert (way, said["user"], len(images(said))) == (ONLY_YOU, "U1", 1)


async def test_a_file_that_slack_has_not_looked_at_yet_is_waited_for(workspace: Workspace) -> None:
    workspace.fake.mishaps += [(POST, "invalid_blocks"), (POST, "invalid_blocks")]
    await workspace.type("history 203.0.113.5")
    await workspace.work()
    [(_, said)] = workspace.fake.said
    assert images(said)
    assert workspace.slept == [1.0, 2.0]
    assert len(workspace.fake.uploaded.complete) == 1


@pytest.mark.parametrize(
    "mishaps",
    [
        [(GET, "missing_scope")],
        [(GET, 503)],
        [(COMPLETE, "internal_error")],
        [(POST, "invalid_blocks")] * 4,
        [(POST, "not_in_channel")],
    ],
)
async def test_without_its_picture_an_answer_is_drawn_in_characters(
    mishaps: list[tuple[str, int | str]], workspace: Workspace
) -> None:
    workspace.fake.mishaps += mishaps
    await workspace.type("history 203.0.113.5")
    await workspace.work()
    [(way, said)] = workspace.fake.said
    assert way == URL
    assert not images(said)
    assert drawn_in_characters(said)
    assert workspace.fake.mishaps == []


async def test_what_is_said_unasked_has_its_picture_too(workspace: Workspace) -> None:
    await workspace.slack.post(ROOM, PICTURED, key="digest")
    [(_, said)] = workspace.fake.said
    assert images(said)


async def test_what_is_said_unasked_is_not_lost_with_its_picture(workspace: Workspace) -> None:
    workspace.fake.mishaps.append((POST, "invalid_blocks"))
    await workspace.slack.post(ROOM, PICTURED, key="digest")
    [(_, said)] = workspace.fake.said
    assert not images(said)
    assert drawn_in_characters(said)
