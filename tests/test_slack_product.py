"""Slack and the whole bot: `mailcheck serve` as a process, a real Valkey, a real DNS server, a Slack that is strict."""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.dns_server import DnsServer, serve
from tests.handlers.slack.conftest import serving
from tests.handlers.slack.fake_slack import TOKEN, FakeSlack
from tests.handlers.slack.sent import SECRET, form, payload, press, signed, slash
from tests.handlers.slack.validator import faults
from tests.mail_world import LISTED, mail_world
from tests.redis_server import RedisServer

MAILCHECK = Path(sys.executable).with_name("mailcheck")
ACKS = 100


@dataclass
class Product:
    """The running bot, and what a person in Slack can do with it."""

    bot: httpx.AsyncClient
    slack: FakeSlack
    slack_url: str
    dns: DnsServer
    turn: int = 0

    async def send(self, body: str, kind: str) -> httpx.Response:
        return await self.bot.post("/slack/events", content=body, headers=signed(body, kind))

    async def type(self, text: str, user: str = "U1", channel: str = "C1") -> httpx.Response:
        self.turn += 1
        typed = slash(text, f"{self.slack_url}/actions/{self.turn}", f"{self.turn}.1")
        return await self.send(*form(typed | {"user_id": user, "channel_id": channel}))

    async def acks(self, number: int, idle: bool = False) -> list[float]:
        """Milliseconds from command to acknowledgement, one after the other; `idle` waits for each answer in between."""
        took = []
        for turn in range(number):
            begun = time.perf_counter()
            answer = await self.type("192.0.2.25 example.com", f"U{turn}", f"C{turn}")
            took.append((time.perf_counter() - begun) * 1e3)
            assert answer.status_code == 200
            if idle:
                await self.slack.until(lambda said, so_far=turn: len(said) > so_far)
        return sorted(took)


@asynccontextmanager
async def product(redis: RedisServer, state: Path) -> AsyncIterator[Product]:
    slack = FakeSlack()
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{door.getsockname()[1]}"
    async with serve(mail_world()) as dns, serving(slack.app) as slack_url:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(state),
            "REDIS_URL": redis.url,
            "MAILCHECK_STATE_DIR": str(state),
            "MAILCHECK_NAMESERVERS": dns.address,
            "MAILCHECK_SPECIAL_ADDRESSES": "allow",
            "MAILCHECK_HTTP": address,
            "SLACK_BOT_TOKEN": TOKEN,
            "SLACK_SIGNING_SECRET": SECRET,
            "SLACK_API_URL": f"{slack_url}/api/",
        }
        log = (state / "log").open("w")
        process = await asyncio.create_subprocess_exec(
            MAILCHECK, "serve", env=environment, stdin=asyncio.subprocess.DEVNULL, stderr=log
        )
        try:
            async with httpx.AsyncClient(base_url=f"http://{address}", timeout=5) as bot:
                await until_ready(bot)
                yield Product(bot, slack, slack_url, dns)
        finally:
            process.terminate()
            await process.wait()
            log.close()
    said = (state / "log").read_text()
    assert TOKEN not in said
    assert SECRET not in said
    assert "/actions/" not in said


async def until_ready(bot: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                if (await bot.get("/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


def percentile(took: list[float], part: float) -> float:
    return took[min(len(took) - 1, int(len(took) * part))]


async def test_a_command_is_acknowledged_answered_and_asked_again(
    redis: Any, redis_server: RedisServer, tmp_path: Path
) -> None:
    async with product(redis_server, tmp_path) as here:
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
    async with product(redis_server, tmp_path) as here:
        ack = await here.type(text)
        assert faults(ack.json(), "acknowledgement") == []
        assert ack.json()["response_type"] == "ephemeral"
        assert here.dns.asked == [(".", "NS")]


async def test_an_acknowledgement_waits_for_nothing(redis: Any, redis_server: RedisServer, tmp_path: Path) -> None:
    async with product(redis_server, tmp_path) as here:
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
