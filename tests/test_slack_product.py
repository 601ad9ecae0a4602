"""Slack and the whole bot: `mailcheck serve` as a process, a real Valkey, a real DNS server, a Slack that is strict."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest

from tests.support.mail_world import LISTED, mail_world
from tests.support.redis_server import RedisServer
from tests.support.slack_payloads import payload, press
from tests.support.slack_product import product
from tests.support.slack_validator import faults

ACKS = 100


def percentile(took: list[float], part: float) -> float:
    return took[min(len(took) - 1, int(len(took) * part))]


async def test_a_command_is_acknowledged_answered_and_asked_again(
    redis: Any, redis_server: RedisServer, tmp_path: Path
) -> None:
    async with product(tmp_path, mail_world(), REDIS_URL=redis_server.url) as here:
        ack = await here.type(f"{LISTED} example.com")
        assert faults(ack.json(), "acknowledgement") == []
        assert ack.json()["text"] == f"Checking {LISTED} · example.com against 60 blocklists …"
        (answer,) = await here.slack.until(lambda said: len(said) == 1, within=15)
        assert answer["response_type"] == "in_channel"
        assert f"{LISTED} · example.com: on Spamhaus ZEN and 1 more blocklist" in answer["text"]

        elements = answer["attachments"][-1]["blocks"][-1]["elements"]
        form_button, again = elements[0], elements[-1]
        assert form_button["url"] == f"https://check.spamhaus.org/results/?query={LISTED}"
        asked = len(here.dns.asked)
        await here.send(*payload(press(again, f"{here.slack_url}/actions/again")))
        await here.slack.until(lambda said: len(said) == 2, within=15)
        assert len(here.dns.asked) > asked
        assert here.slack.refused == []


@pytest.mark.parametrize("text", ["1.2.3", "watch 192.0.2.1", "help", "0.0.0.0/0"])
async def test_what_needs_no_work_is_said_at_once_to_the_person_alone(
    text: str, redis: Any, redis_server: RedisServer, tmp_path: Path
) -> None:
    async with product(tmp_path, mail_world(), REDIS_URL=redis_server.url) as here:
        ack = await here.type(text)
        assert faults(ack.json(), "acknowledgement") == []
        assert ack.json()["response_type"] == "ephemeral"
        assert here.dns.asked == [(".", "NS")]


async def test_an_acknowledgement_waits_for_nothing(redis: Any, redis_server: RedisServer, tmp_path: Path) -> None:
    async with product(tmp_path, mail_world(), REDIS_URL=redis_server.url) as here:
        idle = await here.acks(ACKS, idle=True)
        busy = await here.acks(ACKS)
        await here.slack.until(lambda said: len(said) == 2 * ACKS, within=60)
        here.dns.faults.update(dict.fromkeys(mail_world(), "silence"))
        with redis_server.hung():
            stopped = await here.acks(ACKS)
        for name, took in (("idle", idle), ("busy", busy), ("Redis stopped, DNS dead", stopped)):
            print(f"ack {name}: p50 {statistics.median(took):.1f} ms, p99 {percentile(took, 0.99):.1f} ms")
        assert percentile(stopped, 0.99) < 300
        assert here.slack.refused == []
