"""Files attached to mentions, messages, shortcuts and forms, downloaded from Slack only."""

from __future__ import annotations

import re
from typing import Any

import pytest

from handlers.commands import VERBS
from handlers.ports import File, FileUnreadable
from handlers.slack.files import (
    EXTERNAL_FILE,
    FILE_NOT_VISIBLE,
    FILE_UNAVAILABLE,
    MISSING_SCOPE,
    download_url,
    file_server_for,
)
from handlers.slack.requests import SlackRequest
from handlers.verbs import Command
from tests.handlers.slack.conftest import Workspace
from tests.support.slack_payloads import (
    direct_message,
    event_callback,
    interaction_body,
    json_body,
    mention,
    shortcut,
    view_submission,
)

LOG = b"550 5.7.1 Service unavailable; client [192.0.2.66] blocked using zen.spamhaus.org\n"
SERVER = "https://files.slack.com"
MAX_BYTES = 10 * 2**20


async def requested_files(workspace: Workspace) -> list[File]:
    """The files of the last request, after it was answered."""
    await workspace.run_job()
    return list(workspace.commands.requests[-1].files)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("<@UBOT>", "bounce"),
        ("<@UBOT> bounce", "bounce"),
        ("<@UBOT> what does this say?", "bounce"),
        ("<@UBOT> headers", "headers"),
        ("<@UBOT> 192.0.2.66", "192.0.2.66"),
        ("<@UBOT> watches", "watches"),
    ],
)
async def test_mention_with_file_reads_it_as_bounce(text: str, command: str, workspace: Workspace) -> None:
    file = workspace.fake.add_file(workspace.url, "F1", LOG)
    await workspace.send(*json_body(event_callback(mention(text, files=[file]))))
    [read] = await requested_files(workspace)
    assert workspace.commands.requests[0].command == VERBS.parse(command)
    assert await read.read(MAX_BYTES) == LOG


async def test_direct_message_with_file_is_bounce(workspace: Workspace) -> None:
    file = workspace.fake.add_file(workspace.url, "F1", LOG)
    await workspace.send(*json_body(event_callback(direct_message("", subtype="file_share", files=[file]))))
    [read] = await requested_files(workspace)
    assert (workspace.commands.requests[0].command, await read.read(MAX_BYTES)) == (VERBS.parse("bounce"), LOG)


async def test_bounce_shortcut_reads_message_and_files(workspace: Workspace) -> None:
    file = workspace.fake.add_file(workspace.url, "F1", LOG)
    message = {
        "ts": "1.2",
        "text": "see &lt;<mailto:a@example.com|a@example.com>&gt;\n<https://list.example/?ip=192.0.2.66>",
    }
    deleted = {"id": "F0", "mode": "tombstone"}
    action = shortcut(message | {"files": [deleted, file]}, workspace.response_url, "explain_bounce")
    await workspace.send(*interaction_body(action))
    assert [job["thread"] for job in workspace.jobs] == ["1.2"]
    [read] = await requested_files(workspace)
    pasted = "see <a@example.com>\nhttps://list.example/?ip=192.0.2.66"
    assert workspace.commands.requests[0].command == Command("bounce", pasted)
    assert await read.read(MAX_BYTES) == LOG


async def test_form_file_is_read(workspace: Workspace) -> None:
    await workspace.type_command("bounce")
    await workspace.slack.drain()
    file = workspace.fake.add_file(workspace.url, "F1", LOG)
    await workspace.send(*interaction_body(view_submission(workspace.fake.opened_forms[0]["view"], {"file": [file]})))
    [read] = await requested_files(workspace)
    assert await read.read(MAX_BYTES) == LOG


def test_request_files_are_queued_as_ids() -> None:
    request = SlackRequest("1.1", "T1", "C1", "U1", VERBS.parse("bounce"), requested_at=1.0, files=("F1", "F2"))
    assert SlackRequest.from_job(request.to_job(VERBS), VERBS) == request
    assert "opens" not in request.to_job(VERBS)


# Downloading


async def refusal_text(workspace: Workspace, id: str = "F1", max_bytes: int = MAX_BYTES) -> str:
    await workspace.send(*json_body(event_callback(mention("<@UBOT>", files=[{"id": id}]))))
    [file] = await requested_files(workspace)
    with pytest.raises(FileUnreadable) as error:
        await file.read(max_bytes)
    return str(error.value)


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (("files.info", "missing_scope"), MISSING_SCOPE),
        (("files.info", "file_not_found"), FILE_NOT_VISIBLE),
        (("file", 302), FILE_NOT_VISIBLE),
        (("file", 404), FILE_NOT_VISIBLE),
        (("file", 500), FILE_UNAVAILABLE),
        (("file", "cut"), FILE_UNAVAILABLE),
    ],
)
async def test_file_read_failure_is_one_sentence(
    failure: tuple[str, int | str], sentence: str, workspace: Workspace
) -> None:
    workspace.fake.add_file(workspace.url, "F1", LOG)
    workspace.fake.failures.append(failure)
    assert await refusal_text(workspace) == sentence


async def test_unknown_file_is_not_visible(workspace: Workspace) -> None:
    assert await refusal_text(workspace, "F9") == FILE_NOT_VISIBLE


@pytest.mark.parametrize("declared_size", [len(LOG), 10], ids=["true size", "declared smaller"])
async def test_file_over_limit_is_refused(declared_size: int, workspace: Workspace) -> None:
    workspace.fake.add_file(workspace.url, "F1", LOG, size=declared_size)
    assert "larger than" in await refusal_text(workspace, max_bytes=50)


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
def test_file_url_outside_file_server_is_refused(url: str) -> None:
    with pytest.raises(FileUnreadable, match=re.escape(EXTERNAL_FILE)):
        download_url({"url_private_download": url, "url_private": ""}, SERVER)


@pytest.mark.parametrize("file_info", [{"url_private": f"{SERVER}/a"}, {"url_private_download": f"{SERVER}/a"}])
def test_file_url_on_file_server_is_accepted(file_info: dict[str, Any]) -> None:
    assert download_url(file_info, SERVER) == f"{SERVER}/a"


@pytest.mark.parametrize(
    ("api", "server"),
    [
        ("https://slack.com/api/", SERVER),
        ("https://www.slack.com/api/", SERVER),
        ("https://slack-gov.com/api/", "https://files.slack-gov.com"),
        ("http://127.0.0.1:4003/api/", "http://127.0.0.1:4003"),
    ],
)
def test_file_server_follows_api_host(api: str, server: str) -> None:
    assert file_server_for(api) == server
