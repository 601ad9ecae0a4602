"""The events endpoint over real HTTP: signature, age, replay and size."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from handlers.slack.http_endpoint import MAX_BODY_BYTES
from tests.handlers.slack.conftest import Workspace
from tests.support.slack_payloads import (
    FORM_TYPE,
    event_callback,
    form_body,
    interaction_body,
    json_body,
    mention,
    shortcut,
    signature,
    signed_headers,
    slash_command,
)

BODY, _ = form_body(slash_command("203.0.113.5", "http://127.0.0.1:1/actions/x"))
Headers = dict[str, str | bytes]


def headers_with(**headers: str | bytes | Callable[[str], str] | None) -> Callable[[], Headers]:
    """Valid headers with some replaced or changed; None leaves one out."""

    def make() -> Headers:
        good: Headers = dict(signed_headers(BODY))
        for key, value in headers.items():
            name = {"stamp": "X-Slack-Request-Timestamp", "proof": "X-Slack-Signature"}[key]
            original = str(good.pop(name))
            if value is not None:
                good[name] = value(original) if callable(value) else value
        return good

    return make


def headers_signed_at(seconds_from_now: float) -> Callable[[], Headers]:
    return lambda: dict(signed_headers(BODY, timestamp_s=time.time() + seconds_from_now))


def headers_with_wrong_secret() -> Headers:
    timestamp = str(int(time.time()))
    return headers_with(stamp=timestamp, proof=signature(timestamp, BODY, secret="another"))()


REFUSED = {
    "no signature": headers_with(proof=None),
    "no timestamp": headers_with(stamp=None),
    "neither": headers_with(proof=None, stamp=None),
    "empty signature": headers_with(proof=""),
    "wrong secret": headers_with_wrong_secret,
    "wrong version": headers_with(proof=lambda good: good.replace("v0", "v1")),
    "half a signature": headers_with(proof=lambda good: good[:40]),
    "signature not ASCII": headers_with(proof="v0=é".encode()),
    "too old": headers_signed_at(-302),
    "from the future": headers_signed_at(7),
    "timestamp not a number": headers_with(stamp="now"),
    "signed timestamp": headers_with(stamp="-1"),
    "fractional timestamp": headers_with(stamp="1700000000.5"),
    "non-ASCII digits": headers_with(stamp="١٧٠٠٠٠٠٠٠٠".encode()),
    "oversized timestamp": headers_with(stamp="9" * 5_000),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_request_with_bad_signature_is_refused(case: str, workspace: Workspace) -> None:
    answer = await workspace.http.post("/slack/events", content=BODY, headers=REFUSED[case]())
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid request"})
    assert workspace.jobs == []


async def test_signed_request_enqueues_job(workspace: Workspace) -> None:
    answer = await workspace.http.post("/slack/events", content=BODY, headers=signed_headers(BODY))
    assert answer.status_code == 200
    await workspace.slack.dispatcher.wait_enqueued()
    assert len(workspace.jobs) == 1


async def test_tampered_body_is_refused(workspace: Workspace) -> None:
    answer = await workspace.http.post(
        "/slack/events", content=BODY.replace("203", "204"), headers=signed_headers(BODY)
    )
    assert answer.status_code == 401
    assert workspace.jobs == []


async def test_replayed_request_runs_once(workspace: Workspace) -> None:
    headers = signed_headers(BODY)
    answers = [await workspace.http.post("/slack/events", content=BODY, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 401, 401]
    await workspace.slack.dispatcher.wait_enqueued()
    assert len(workspace.jobs) == 1


async def test_duplicate_signature_header_is_refused(workspace: Workspace) -> None:
    headers = [*signed_headers(BODY).items(), ("X-Slack-Signature", "v0=00")]
    answer = await workspace.http.post("/slack/events", content=BODY, headers=headers)
    assert answer.status_code == 401


async def test_oversized_body_is_refused(workspace: Workspace) -> None:
    body = "a" * (MAX_BODY_BYTES + 1)
    answer = await workspace.http.post("/slack/events", content=body, headers=signed_headers(body))
    assert answer.status_code == 413


async def test_maximum_size_body_is_accepted(workspace: Workspace) -> None:
    body = BODY + "&text=" + "a" * (MAX_BODY_BYTES - len(BODY) - 6)
    answer = await workspace.http.post("/slack/events", content=body, headers=signed_headers(body))
    assert len(body) == MAX_BODY_BYTES
    assert answer.status_code == 200


LONG_TEXTS = {"ASCII": "a" * 40_000, "emoji": "\U0001f600" * 40_000, "percent signs": "%" * 40_000}


def _in_blocks(text: str) -> dict[str, Any]:
    elements = [{"type": "text", "text": text}]
    section = {"type": "rich_text_section", "elements": elements}
    return {"text": text, "blocks": [{"type": "rich_text", "block_id": "b", "elements": [section]}]}


@pytest.mark.parametrize("text", LONG_TEXTS.values(), ids=LONG_TEXTS)
@pytest.mark.parametrize("way", ["mention", "slash command", "shortcut"])
async def test_longest_text_that_slack_sends_is_accepted(text: str, way: str, workspace: Workspace) -> None:
    bodies: dict[str, Callable[[], tuple[str, str]]] = {
        "mention": lambda: json_body(event_callback(mention("") | _in_blocks(text))),
        "slash command": lambda: form_body(slash_command(text, "http://127.0.0.1:1/actions/x")),
        "shortcut": lambda: interaction_body(
            shortcut(_in_blocks(text) | {"ts": "1.2"}, "http://127.0.0.1:1/actions/x", "explain_bounce")
        ),
    }
    body, kind = bodies[way]()
    answer = await workspace.http.post("/slack/events", content=body, headers=signed_headers(body, kind))
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"\xff\xfe", FORM_TYPE, 401),
        (b"{half", "application/json", 400),
        (b"payload=not+json", FORM_TYPE, 400),
        (b"", FORM_TYPE, 200),
        (b"a=b", FORM_TYPE, 200),
        (b"[]", "application/json", 400),
    ],
)
async def test_signed_malformed_body_returns_client_error(
    body: bytes, kind: str, status: int, workspace: Workspace
) -> None:
    answer = await workspace.http.post("/slack/events", content=body, headers=signed_headers(body, kind))
    assert answer.status_code == status
    assert workspace.jobs == []


async def test_ssl_check_needs_no_signature(workspace: Workspace) -> None:
    answer = await workspace.http.post("/slack/events", data={"ssl_check": "1", "token": "x"})
    assert (answer.status_code, answer.text) == (200, "")


async def test_url_verification_returns_challenge(workspace: Workspace) -> None:
    answer = await workspace.send(*json_body({"type": "url_verification", "token": "x", "challenge": "3eZb"}))
    assert answer.status_code == 200
    assert json.loads(answer.text) == {"challenge": "3eZb"}


async def test_get_request_is_not_allowed(workspace: Workspace) -> None:
    assert (await workspace.http.get("/slack/events")).status_code == 405
