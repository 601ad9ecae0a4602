"""Which way an answer takes when the first one is closed."""

import logging
import time
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from handlers.message import Card
from handlers.slack.requests import Errand
from handlers.slack.responder import Pace
from tests.handlers.slack.conftest import ANSWER, Workspace, open_workspace
from tests.support.fake_slack import MOST_USES, TOKEN
from tests.support.slack_payloads import SECRET, as_json, event, mention

ERRAND = Errand("1.1", "T1", "C1", "U1", "203.0.113.5 example.com", asked=0.0)
URL, POST, ONLY_YOU = "response_url", "chat.postMessage", "chat.postEphemeral"
HALF_AN_HOUR = 1_800.0


@pytest.mark.parametrize(
    ("mishaps", "ways", "slept"),
    [
        ([], [URL], []),
        ([(URL, "used_url")], [POST], []),
        ([(URL, "expired_url")], [POST], []),
        ([(URL, 429)], [URL], [7.0]),
        ([(URL, 503)], [URL], [7.0]),
        ([(URL, 503), (URL, 503)], [POST], [7.0]),
        ([(URL, "invalid_blocks")], [URL], []),
        ([(URL, "used_url"), (POST, "invalid_blocks")], [POST], []),
        ([(URL, "used_url"), (POST, "not_in_channel")], [], []),
        ([(URL, "used_url"), (POST, 503)], [], []),
    ],
)
async def test_an_answer_takes_the_best_way_still_open(
    mishaps: list[tuple[str, int | str]], ways: list[str], slept: list[float], workspace: Workspace
) -> None:
    workspace.fake.mishaps += mishaps
    await workspace.type(ERRAND.text)
    await workspace.work()
    assert [way for way, _ in workspace.fake.said] == ways
    assert workspace.slept == slept
    assert workspace.fake.mishaps == []
    assert sum(workspace.fake.uses.values()) < MOST_USES


async def test_what_slack_refuses_to_draw_is_said_in_words(workspace: Workspace) -> None:
    workspace.fake.mishaps.append((URL, "invalid_blocks"))
    await workspace.type(ERRAND.text)
    await workspace.work()
    [(_, said)] = workspace.fake.said
    assert "blocks" not in said
    assert "Ask Example List to remove 203.0.113.5." in said["text"]


async def test_an_old_response_url_is_not_tried() -> None:
    async with open_workspace(pace=Pace(now=lambda: HALF_AN_HOUR - 30)) as workspace:
        old = replace(ERRAND, response_url=workspace.response_url)
        await workspace.slack.deliver(old.job())
        assert [way for way, _ in workspace.fake.said] == [POST]
        assert workspace.fake.uses == {}


async def test_a_private_answer_stays_private_on_every_way(workspace: Workspace) -> None:
    workspace.fake.mishaps.append((URL, "used_url"))
    await workspace.type(f"private {ERRAND.text}")
    await workspace.work()
    [(way, said)] = workspace.fake.said
    assert (way, said["user"]) == (ONLY_YOU, "U1")


@pytest.mark.parametrize(
    "errand",
    [
        ERRAND,
        replace(
            ERRAND, private=True, thread="1.2", response_url="https://slack.example/x", replaces=True, posts_first=True
        ),
    ],
)
def test_an_errand_comes_back_from_the_queue_as_it_went(errand: Errand) -> None:
    job = errand.job()
    assert all(isinstance(value, str) for value in job.values())
    assert Errand.of(job) == errand


def test_an_errand_does_not_show_its_secrets() -> None:
    shown = repr(replace(ERRAND, response_url="https://slack.example/secret"))
    assert "secret" not in shown
    assert ERRAND.text not in shown


async def test_logs_hold_no_token_no_response_url_and_no_message(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with capture_logs() as ours:
        async with open_workspace() as workspace:
            secrets = [TOKEN, SECRET, workspace.response_url, "abcdef", "203.0.113.5"]
            workspace.fake.mishaps += [(URL, 503), (URL, "used_url"), (POST, "internal_error"), (POST, "fatal_error")]
            await workspace.type(ERRAND.text)
            await workspace.work()
            await workspace.type("broken")
            await workspace.work()
            await workspace.http.post(
                "/slack/events", content=f"text={ERRAND.text}", headers={"X-Slack-Signature": "v0=0"}
            )
            await workspace.send(*as_json(event({"type": "reaction_added", "item": ERRAND.text})))
            await workspace.send(*as_json(event(mention(ERRAND.text))))
            await workspace.work()
    written = caplog.text + "".join(str({k: v for k, v in line.items() if k != "exc_info"}) for line in ours)
    assert len(ours) >= 5
    assert [secret for secret in secrets if secret in written] == []


async def test_progress_leaves_uses_of_the_response_url_for_the_answer(workspace: Workspace) -> None:
    """Five uses, one of them kept back: two may tell how far it is, one says the answer, one says it again when told to wait."""
    reply = workspace.slack._reply(
        replace(ERRAND, asked=time.time(), response_url=workspace.response_url, replaces=True)
    )
    for number in range(10):
        await reply.progress(Card("Checking …", footnote=f"{number} of 10 addresses looked at"))
    assert len(workspace.fake.said) == 2
    workspace.fake.mishaps += [(URL, 429)]
    await reply.say(ANSWER)
    assert [way for way, _ in workspace.fake.said] == [URL] * 3
    assert sum(workspace.fake.uses.values()) < MOST_USES


async def test_progress_of_a_mention_is_one_message_edited_until_it_is_the_answer(workspace: Workspace) -> None:
    reply = workspace.slack._reply(replace(ERRAND, thread="1.0", posts_first=True))
    for number in range(3):
        await reply.progress(Card("Checking …", footnote=f"{number} of 10 addresses looked at"))
    await reply.say(ANSWER)
    assert [way for way, _ in workspace.fake.said] == [POST, "chat.update", "chat.update", "chat.update"]
    [message] = workspace.fake.stored["C1"]
    assert "on Example List" in str(message["blocks"])
