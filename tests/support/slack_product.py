"""The whole bot in Slack: `mailcheck serve` as a process, a real DNS server, a Slack that is strict."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.handlers.slack.conftest import serving
from tests.support.dns_server import DnsServer, serve
from tests.support.dns_world import World, Zone
from tests.support.fake_slack import TOKEN, FakeSlack
from tests.support.slack_payloads import SECRET, form, signed, slash

MAILCHECK = Path(sys.executable).with_name("mailcheck")


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
async def product(state: Path, world: Zone | World, **settings: str) -> AsyncIterator[Product]:
    """`mailcheck serve` as a process; `settings` are more of its environment. Without REDIS_URL it brings its own store.

    It ends well, and neither a secret nor a traceback is in its log.
    """
    slack = FakeSlack()
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{door.getsockname()[1]}"
    async with serve(world) as dns, serving(slack.app) as slack_url:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(state),
            "MAILCHECK_STATE_DIR": str(state),
            "MAILCHECK_NAMESERVERS": dns.address,
            "MAILCHECK_SPECIAL_ADDRESSES": "allow",
            "MAILCHECK_HTTP": address,
            "SLACK_BOT_TOKEN": TOKEN,
            "SLACK_SIGNING_SECRET": SECRET,
            "SLACK_API_URL": f"{slack_url}/api/",
            **settings,
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
    assert process.returncode == 0, said
    assert "Traceback" not in said, said
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
