"""Logs and bounces attached in Slack: heard of by mention, message, shortcut and form, and had from Slack alone."""

from __future__ import annotations

import re
from typing import Any

import pytest

from handlers.ports import File, Unreadable
from handlers.slack.files import AWAY, ELSEWHERE, OUT_OF_SIGHT, WITHOUT_SCOPE, address_of, server_for
from handlers.slack.requests import Errand
from tests.handlers.slack.conftest import Workspace
from tests.support.slack_payloads import as_json, direct, event, mention, payload, shortcut, submitted

LOG = b"550 5.7.1 Service unavailable; client [192.0.2.66] blocked using zen.spamhaus.org\n"
SERVER = "https://files.slack.com"
MOST = 10 * 2**20


async def attached(workspace: Workspace) -> list[File]:
    """The files of what was asked last, once it was answered."""
    await workspace.work()
    return list(workspace.commands.asked[-1].files)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("<@UBOT>", "bounce"),
        ("<@UBOT> bounce", "bounce"),
        ("<@UBOT> what does this say?", "bounce what does this say?"),
        ("<@UBOT> headers", "headers"),
        ("<@UBOT> 192.0.2.66", "192.0.2.66"),
        ("<@UBOT> watches", "watches"),
    ],
)
async def test_a_file_with_a_mention_is_read_unless_something_else_was_asked(
    text: str, command: str, workspace: Workspace
) -> None:
    file = workspace.fake.keep(workspace.url, "F1", LOG)
    await workspace.send(*as_json(event(mention(text, files=[file]))))
    [read] = await attached(workspace)
    assert workspace.commands.asked[0].text == command
    assert await read.read(MOST) == LOG


async def test_a_file_sent_to_the_bot_alone_is_a_bounce(workspace: Workspace) -> None:
    file = workspace.fake.keep(workspace.url, "F1", LOG)
    await workspace.send(*as_json(event(direct("", subtype="file_share", files=[file]))))
    [read] = await attached(workspace)
    assert (workspace.commands.asked[0].text, await read.read(MOST)) == ("bounce", LOG)


async def test_the_shortcut_reads_the_message_and_its_files_and_answers_below_it(workspace: Workspace) -> None:
    file = workspace.fake.keep(workspace.url, "F1", LOG)
    said = {
        "ts": "1.2",
        "text": "see &lt;<mailto:a@example.com|a@example.com>&gt;\n<https://list.example/?ip=192.0.2.66>",
    }
    gone = {"id": "F0", "mode": "tombstone"}
    pressed = shortcut(said | {"files": [gone, file]}, workspace.response_url, "explain_bounce")
    await workspace.send(*payload(pressed))
    assert [job["thread"] for job in workspace.jobs] == ["1.2"]
    [read] = await attached(workspace)
    assert workspace.commands.asked[0].text == "bounce see <a@example.com>\nhttps://list.example/?ip=192.0.2.66"
    assert await read.read(MOST) == LOG


async def test_a_file_in_a_form_is_read(workspace: Workspace) -> None:
    await workspace.type("bounce")
    await workspace.slack.drain()
    file = workspace.fake.keep(workspace.url, "F1", LOG)
    await workspace.send(*payload(submitted(workspace.fake.forms[0]["view"], {"file": [file]})))
    [read] = await attached(workspace)
    assert await read.read(MOST) == LOG


def test_the_files_of_an_errand_go_through_the_queue_as_ids() -> None:
    errand = Errand("1.1", "T1", "C1", "U1", "bounce", asked=1.0, files=("F1", "F2"))
    assert Errand.of(errand.job()) == errand
    assert "opens" not in errand.job()


# Had from Slack, or not at all


async def refusal(workspace: Workspace, id: str = "F1", most: int = MOST) -> str:
    await workspace.send(*as_json(event(mention("<@UBOT>", files=[{"id": id}]))))
    [file] = await attached(workspace)
    with pytest.raises(Unreadable) as refused:
        await file.read(most)
    return str(refused.value)


@pytest.mark.parametrize(
    ("mishap", "sentence"),
    [
        (("files.info", "missing_scope"), WITHOUT_SCOPE),
        (("files.info", "file_not_found"), OUT_OF_SIGHT),
        (("file", 302), OUT_OF_SIGHT),
        (("file", 404), OUT_OF_SIGHT),
        (("file", 500), AWAY),
        (("file", "cut"), AWAY),
    ],
)
async def test_what_goes_wrong_is_one_sentence(
    mishap: tuple[str, int | str], sentence: str, workspace: Workspace
) -> None:
    workspace.fake.keep(workspace.url, "F1", LOG)
    workspace.fake.mishaps.append(mishap)
    assert await refusal(workspace) == sentence


async def test_a_file_nobody_knows_is_out_of_sight(workspace: Workspace) -> None:
    assert await refusal(workspace, "F9") == OUT_OF_SIGHT


@pytest.mark.parametrize("told", [len(LOG), 10], ids=["as it is", "as it pretends to be"])
async def test_no_more_is_read_than_may_be(told: int, workspace: Workspace) -> None:
    workspace.fake.keep(workspace.url, "F1", LOG, size=told)
    assert "larger than" in await refusal(workspace, most=50)


@pytest.mark.parametrize(
    "url",
    [
        "http://files.slack.com/a",
        "https://files.slack.com:444/a",
        "https://files.slack.com@evil.example/a",
        "https://user@files.slack.com/a",
        "https://files.slack.com.evil.example/a",
        "https://evil.example/files.slack.com",
        "https://FILES.slack.com/a",
        "https://docs.example/log",
        "//files.slack.com/a",
        "file:///etc/passwd",
        "",
    ],
)
def test_the_token_goes_to_the_file_server_and_nowhere_else(url: str) -> None:
    with pytest.raises(Unreadable, match=re.escape(ELSEWHERE)):
        address_of({"url_private_download": url, "url_private": ""}, SERVER)


@pytest.mark.parametrize("told", [{"url_private": f"{SERVER}/a"}, {"url_private_download": f"{SERVER}/a"}])
def test_the_file_server_is_where_files_are(told: dict[str, Any]) -> None:
    assert address_of(told, SERVER) == f"{SERVER}/a"


@pytest.mark.parametrize(
    ("api", "server"),
    [
        ("https://slack.com/api/", SERVER),
        ("https://www.slack.com/api/", SERVER),
        ("https://slack-gov.com/api/", "https://files.slack-gov.com"),
        ("http://127.0.0.1:4003/api/", "http://127.0.0.1:4003"),
    ],
)
def test_each_slack_has_its_file_server(api: str, server: str) -> None:
    assert server_for(api) == server
