"""Files sent to the bot in Teams: downloaded from SharePoint without a token, or refused."""

from __future__ import annotations

import logging

import pytest

from handlers.commands import VERBS
from handlers.ports import File, FileUnreadable
from handlers.teams.cloud import Cloud
from handlers.teams.files import FILE_WITHHELD, LINK_EXPIRED, NOT_SHAREPOINT, UNAVAILABLE, TeamsFile
from handlers.teams.requests import FILE, TeamsRequest, from_message
from tests.handlers.teams.conftest import Tenant
from tests.support.fake_microsoft import DOWN
from tests.support.teams_activities import Activity, in_channel, in_group, mention, message

LOG = b"550 5.7.1 Service unavailable; client [192.0.2.66] blocked using zen.spamhaus.org\n"
MOST = 10 * 2**20
SERVICE = "https://smba.trafficmanager.net/emea/"
SECRET = "tempauth=v1.a-secret"
DRIVE = "https://example-my.sharepoint.com"
KEPT_BACK = [{"contentType": "text/html", "content": '<div>see <attachment id="1"></attachment></div>'}]


def attachment(address: str) -> Activity:
    content = {"downloadUrl": address, "uniqueId": "1", "fileType": "log"}
    return {"contentType": FILE, "contentUrl": f"{DRIVE}/a.log", "name": "a.log", "content": content}


def request_of(sent: Activity) -> TeamsRequest:
    errand = from_message(sent, VERBS)
    assert errand is not None
    return errand


async def attached(tenant: Tenant, *addresses: str) -> list[File]:
    """The files of a message to the bot alone, as the verb has them behind the queue."""
    sent = message("bounce", tenant.service, attachments=[attachment(address) for address in addresses])
    assert (await tenant.send(sent)).status_code == 200
    await tenant.run_job()
    return list(tenant.commands.requests[-1].files)


async def refusal(tenant: Tenant, address: str, most: int = MOST) -> str:
    [file] = await attached(tenant, address)
    with pytest.raises(FileUnreadable) as refused:
        await file.read(most)
    return str(refused.value)


def stored(tenant: Tenant, octets: bytes = LOG) -> str:
    """The address of a file that Microsoft keeps."""
    tenant.microsoft.files["a.log"] = octets
    return f"{tenant.service.removesuffix('/service/')}/personal/a.log?{SECRET}"


# Heard of


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("", "bounce"),
        (None, "bounce"),
        ("bounce", "bounce"),
        ("headers", "headers"),
        ("what does this say?", "bounce"),
        ("192.0.2.66", "192.0.2.66"),
        ("watches", "watches"),
    ],
)
def test_personal_file_without_command_is_a_bounce_log(typed: str | None, command: str) -> None:
    address = f"{DRIVE}/a.log?{SECRET}"
    errand = request_of(message("", SERVICE, attachments=[attachment(address)]) | {"text": typed})
    assert (errand.command, errand.files) == (VERBS.parse(command), (address,))


@pytest.mark.parametrize("place", [in_channel("17"), in_group()], ids=["channel", "group"])
@pytest.mark.parametrize(
    ("typed", "command", "files"),
    [
        ("bounce", "bounce", ("",)),
        ("headers", "headers", ("",)),
        ("", "bounce", ("",)),
        ("what does this say?", "bounce", ("",)),
        ("bounce 550 5.7.1 no", "bounce 550 5.7.1 no", ()),
    ],
)
def test_withheld_file_is_reported_unless_text_was_pasted(
    typed: str, command: str, files: tuple[str, ...], place: Activity
) -> None:
    errand = request_of(mention(typed, SERVICE, attachments=KEPT_BACK, **place))
    assert (errand.command, errand.files) == (VERBS.parse(command), files)


@pytest.mark.parametrize(
    "attachments", [None, "x", [None], [{"contentType": "text/html", "content": "<p>bounce</p>"}], [{"content": []}]]
)
def test_odd_attachments_are_ignored(attachments: object) -> None:
    assert request_of(message("bounce", SERVICE, attachments=attachments)).files == ()


def test_download_url_is_queued_but_never_shown() -> None:
    address = f"{DRIVE}/a b.log?{SECRET}"
    errand = request_of(message("bounce", SERVICE, attachments=[attachment(address), attachment("")]))
    assert TeamsRequest.from_job(errand.to_job(VERBS), VERBS).files == errand.files == (address, "")
    assert SECRET not in f"{errand!r} {TeamsFile(address, Cloud())!r}"


def test_job_of_previous_version_has_no_files() -> None:
    job = request_of(message("bounce", SERVICE)).to_job(VERBS)
    del job["files"]
    assert TeamsRequest.from_job(job, VERBS).files == ()


# Had from SharePoint, or not at all


async def test_download_sends_no_token(tenant: Tenant) -> None:
    [file] = await attached(tenant, stored(tenant))
    assert await file.read(MOST) == LOG
    assert tenant.microsoft.bearers == []


async def test_withheld_file_is_one_sentence(tenant: Tenant) -> None:
    await tenant.send(mention("bounce", tenant.service, attachments=KEPT_BACK, **in_channel("17")))
    await tenant.run_job()
    [file] = tenant.commands.requests[-1].files
    with pytest.raises(FileUnreadable, match=FILE_WITHHELD):
        await file.read(MOST)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [(302, LINK_EXPIRED), (401, LINK_EXPIRED), (404, LINK_EXPIRED), (429, UNAVAILABLE), (503, UNAVAILABLE)],
)
async def test_download_error_is_one_sentence_without_url_in_log(
    status: int, sentence: str, tenant: Tenant, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.WARNING)  # as handlers.logging_config sets it for httpx, which would tell each address
    tenant.microsoft.file_status = status
    assert await refusal(tenant, stored(tenant)) == sentence
    assert SECRET not in caplog.text + "".join(capsys.readouterr())


async def test_unreachable_file_host_is_one_sentence(tenant: Tenant) -> None:
    assert await refusal(tenant, f"{DOWN}/personal/a.log?{SECRET}") == UNAVAILABLE


async def test_download_stops_at_max_bytes(tenant: Tenant) -> None:
    assert "larger than 1 MB" in await refusal(tenant, stored(tenant, bytes(64 * 2**20)), most=2**20)
    assert tenant.microsoft.sent_pieces < 1_024  # of as many


@pytest.mark.parametrize("address", ["http://169.254.169.254/latest", f"{DRIVE}/a.log"])
async def test_file_outside_sharepoint_is_not_fetched(address: str, tenant: Tenant) -> None:
    assert await refusal(tenant, address) == NOT_SHAREPOINT  # the tests' Microsoft is on loopback


@pytest.mark.parametrize(
    "address",
    [
        "http://example.sharepoint.com/a",
        "https://sharepoint.com/a",
        "https://.sharepoint.com/a",
        "https://examplesharepoint.com/a",
        "https://example.sharepoint.com.evil.example/a",
        "https://example.sharepoint.com@evil.example/a",
        "https://evil.example#.sharepoint.com/a",
        "https://evil.example/.sharepoint.com/a",
        "https://evil.example\\.sharepoint.com/a",
        "https://evil.example?.sharepoint.com/a",
        "https://user@example.sharepoint.com/a",
        "https://example.sharepoint.com:444/a",
        "https://example.sharepoint.com\\@evil.example/a",
        "https://example.sharepoint.com./a",
        "https://a.b.sharepoint.com/a",
        "https://example.\u017fharepoint.com/a",
        "https://example.sharepoint.com/a b",
        "https://example.sharepoint.com/a\r\nX: y",
        "https://example.sharepoint.com/a\n",
        "https://example.sharepoint.com",
        "https://example.sharepoint.com/" + "a" * 9_000,
        " https://example.sharepoint.com/a",
        "//example.sharepoint.com/a",
        "file:///etc/passwd",
        "",
    ],
)
def test_forged_file_url_is_rejected(address: str) -> None:
    assert not Cloud().is_file_url(address)


@pytest.mark.parametrize(
    "address", [f"{DRIVE}/personal/a/_layouts/15/download.aspx?UniqueId=1&{SECRET}", "https://Example.SharePoint.com/a"]
)
def test_sharepoint_file_url_is_accepted(address: str) -> None:
    assert Cloud().is_file_url(address)
