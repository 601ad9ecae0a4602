"""Charts in Slack: upload, retry while Slack processes the file, fallback to text."""

from __future__ import annotations

import pytest

from handlers.ports import Channel
from tests.handlers.slack.conftest import CHART_CARD, Workspace
from tests.support.fake_slack import Message

POST, EPHEMERAL, URL = "chat.postMessage", "chat.postEphemeral", "response_url"
GET, COMPLETE = "files.getUploadURLExternal", "files.completeUploadExternal"
CHANNEL = Channel("slack", "T1", "C1")


def images(message: Message) -> list[Message]:
    return [block for block in message.get("blocks", ()) if block["type"] == "image"]


def has_text_chart(message: Message) -> bool:
    return "rich_text_preformatted" in str(message)


async def test_chart_answer_uploads_and_shows_file(workspace: Workspace) -> None:
    await workspace.type_command("history 203.0.113.5")
    await workspace.run_job()
    [(method, message)] = workspace.fake.sent
    assert method == POST
    assert images(message) == [{"type": "image", "slack_file": {"id": "F1"}, "alt_text": "Listed for 6h."}]
    assert list(workspace.fake.uploads.complete) == ["F1"]
    assert not has_text_chart(message)


async def test_private_chart_answer_is_ephemeral(workspace: Workspace) -> None:
    await workspace.type_command("private history 203.0.113.5")
    await workspace.run_job()
    [(method, message)] = workspace.fake.sent
    assert (method, message["user"], len(images(message))) == (EPHEMERAL, "U1", 1)


async def test_chart_file_still_processing_is_retried(workspace: Workspace) -> None:
    workspace.fake.failures += [(POST, "invalid_blocks"), (POST, "invalid_blocks")]
    await workspace.type_command("history 203.0.113.5")
    await workspace.run_job()
    [(_, message)] = workspace.fake.sent
    assert images(message)
    assert workspace.slept == [1.0, 2.0]
    assert len(workspace.fake.uploads.complete) == 1


@pytest.mark.parametrize(
    "failures",
    [
        [(GET, "missing_scope")],
        [(GET, 503)],
        [(COMPLETE, "internal_error")],
        [(POST, "invalid_blocks")] * 4,
        [(POST, "not_in_channel")],
    ],
)
async def test_chart_upload_failure_falls_back_to_text(
    failures: list[tuple[str, int | str]], workspace: Workspace
) -> None:
    workspace.fake.failures += failures
    await workspace.type_command("history 203.0.113.5")
    await workspace.run_job()
    [(method, message)] = workspace.fake.sent
    assert method == URL
    assert not images(message)
    assert has_text_chart(message)
    assert workspace.fake.failures == []


async def test_post_with_chart_shows_image(workspace: Workspace) -> None:
    await workspace.slack.post(CHANNEL, CHART_CARD, key="digest")
    [(_, message)] = workspace.fake.sent
    assert images(message)


async def test_post_with_rejected_image_falls_back_to_text(workspace: Workspace) -> None:
    workspace.fake.failures.append((POST, "invalid_blocks"))
    await workspace.slack.post(CHANNEL, CHART_CARD, key="digest")
    [(_, message)] = workspace.fake.sent
    assert not images(message)
    assert has_text_chart(message)
