"""Over real HTTP: what the door does with requests that Slack did not sign, or not now, or not once."""

import json
import time
from collections.abc import Callable

import pytest

from handlers.slack.http_endpoint import MOST_OCTETS
from tests.handlers.slack.conftest import Workspace
from tests.support.slack_payloads import FORM, as_json, form, signature, signed, slash

BODY, _ = form(slash("203.0.113.5", "http://127.0.0.1:1/actions/x"))
Headers = dict[str, str | bytes]


def changed(**headers: str | bytes | Callable[[str], str] | None) -> Callable[[], Headers]:
    """Good headers with some replaced or changed; one that is None is left out."""

    def make() -> Headers:
        good: Headers = dict(signed(BODY))
        for short, value in headers.items():
            name = {"stamp": "X-Slack-Request-Timestamp", "proof": "X-Slack-Signature"}[short]
            was = str(good.pop(name))
            if value is not None:
                good[name] = value(was) if callable(value) else value
        return good

    return make


def at(seconds_from_now: float) -> Callable[[], Headers]:
    return lambda: dict(signed(BODY, at=time.time() + seconds_from_now))


def wrong_secret() -> Headers:
    stamp = str(int(time.time()))
    return changed(stamp=stamp, proof=signature(stamp, BODY, secret="another"))()


REFUSED = {
    "no signature": changed(proof=None),
    "no timestamp": changed(stamp=None),
    "neither": changed(proof=None, stamp=None),
    "empty signature": changed(proof=""),
    "another secret": wrong_secret,
    "another version": changed(proof=lambda good: good.replace("v0", "v1")),
    "half a signature": changed(proof=lambda good: good[:40]),
    "signature not ASCII": changed(proof="v0=é".encode()),
    "too old": at(-302),
    "from the future": at(7),
    "timestamp not a number": changed(stamp="now"),
    "timestamp with a sign": changed(stamp="-1"),
    "timestamp a fraction": changed(stamp="1700000000.5"),
    "timestamp in other digits": changed(stamp="١٧٠٠٠٠٠٠٠٠".encode()),
    "timestamp endless": changed(stamp="9" * 5_000),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_slack_did_not_sign_now_is_refused(case: str, workspace: Workspace) -> None:
    answer = await workspace.http.post("/slack/events", content=BODY, headers=REFUSED[case]())
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid request"})
    assert workspace.jobs == []


async def test_a_good_request_is_let_in(workspace: Workspace) -> None:
    answer = await workspace.http.post("/slack/events", content=BODY, headers=signed(BODY))
    assert answer.status_code == 200
    await workspace.slack.handed_over()
    assert len(workspace.jobs) == 1


async def test_a_body_changed_on_the_way_is_refused(workspace: Workspace) -> None:
    answer = await workspace.http.post("/slack/events", content=BODY.replace("203", "204"), headers=signed(BODY))
    assert answer.status_code == 401
    assert workspace.jobs == []


async def test_a_replay_runs_once(workspace: Workspace) -> None:
    headers = signed(BODY)
    answers = [await workspace.http.post("/slack/events", content=BODY, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 401, 401]
    await workspace.slack.handed_over()
    assert len(workspace.jobs) == 1


async def test_a_header_given_twice_is_refused(workspace: Workspace) -> None:
    headers = [*signed(BODY).items(), ("X-Slack-Signature", "v0=00")]
    answer = await workspace.http.post("/slack/events", content=BODY, headers=headers)
    assert answer.status_code == 401


async def test_a_huge_body_is_refused(workspace: Workspace) -> None:
    body = "a" * (MOST_OCTETS + 1)
    answer = await workspace.http.post("/slack/events", content=body, headers=signed(body))
    assert answer.status_code == 413


async def test_the_largest_body_is_let_in(workspace: Workspace) -> None:
    body = BODY + "&text=" + "a" * (MOST_OCTETS - len(BODY) - 6)
    answer = await workspace.http.post("/slack/events", content=body, headers=signed(body))
    assert len(body) == MOST_OCTETS
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"\xff\xfe", FORM, 401),
        (b"{half", "application/json", 400),
        (b"payload=not+json", FORM, 400),
        (b"", FORM, 200),
        (b"a=b", FORM, 200),
        (b"[]", "application/json", 400),
    ],
)
async def test_a_signed_body_that_is_no_request_breaks_nothing(
    body: bytes, kind: str, status: int, workspace: Workspace
) -> None:
    answer = await workspace.http.post("/slack/events", content=body, headers=signed(body, kind))
    assert answer.status_code == status
    assert workspace.jobs == []


async def test_the_certificate_check_needs_no_signature(workspace: Workspace) -> None:
    answer = await workspace.http.post("/slack/events", data={"ssl_check": "1", "token": "x"})
    assert (answer.status_code, answer.text) == (200, "")


async def test_the_challenge_of_a_new_request_url_is_answered(workspace: Workspace) -> None:
    answer = await workspace.send(*as_json({"type": "url_verification", "token": "x", "challenge": "3eZb"}))
    assert answer.status_code == 200
    assert json.loads(answer.text) == {"challenge": "3eZb"}


async def test_only_post_is_a_request(workspace: Workspace) -> None:
    assert (await workspace.http.get("/slack/events")).status_code == 405
