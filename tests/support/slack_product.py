"""End-to-end harness: `mailcheck serve` as a process, a DNS server, and a strict fake Slack."""

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

from tests.handlers.slack.conftest import serve_app
from tests.support.dns_server import DnsServer, serve
from tests.support.dns_world import World, Zone
from tests.support.fake_slack import TOKEN, FakeSlack
from tests.support.slack_payloads import SECRET, form_body, signed_headers, slash_command

MAILCHECK = Path(sys.executable).with_name("mailcheck")


@dataclass
class Product:
    """The running bot with the actions of a Slack user."""

    bot: httpx.AsyncClient
    slack: FakeSlack
    slack_url: str
    dns: DnsServer
    requests: int = 0

    async def send(self, body: str, kind: str) -> httpx.Response:
        return await self.bot.post("/slack/events", content=body, headers=signed_headers(body, kind))

    async def type(self, text: str, user: str = "U1", channel: str = "C1") -> httpx.Response:
        self.requests += 1
        response_url = f"{self.slack_url}/actions/{self.requests}"
        command = slash_command(text, response_url, f"{self.requests}.1")
        return await self.send(*form_body(command | {"user_id": user, "channel_id": channel}))

    async def measure_acks(self, count: int) -> list[float]:
        """Sorted acknowledgement times of successive commands, in milliseconds."""
        times_ms = []
        for number in range(count):
            started = time.perf_counter()
            response = await self.type("192.0.2.25 example.com", f"U{number}", f"C{number}")
            times_ms.append((time.perf_counter() - started) * 1e3)
            assert response.status_code == 200
        return sorted(times_ms)


@asynccontextmanager
async def product(state: Path, world: Zone | World, **settings: str) -> AsyncIterator[Product]:
    """Run `mailcheck serve`; `settings` extend its environment. No REDIS_URL: embedded store.

    Afterwards, check the exit status and that its log has neither secrets nor tracebacks.
    """
    slack = FakeSlack()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{sock.getsockname()[1]}"
    async with serve(world) as dns, serve_app(slack.app) as slack_url:
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
        log_file = (state / "log").open("w")
        process = await asyncio.create_subprocess_exec(
            MAILCHECK, "serve", env=environment, stdin=asyncio.subprocess.DEVNULL, stderr=log_file
        )
        try:
            async with httpx.AsyncClient(base_url=f"http://{address}", timeout=5) as bot:
                await until_ready(bot)
                yield Product(bot, slack, slack_url, dns)
        finally:
            process.terminate()
            await process.wait()
            log_file.close()
    log = (state / "log").read_text()
    assert process.returncode == 0, log
    assert "Traceback" not in log, log
    assert TOKEN not in log
    assert SECRET not in log
    assert "/actions/" not in log


async def until_ready(bot: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                if (await bot.get("/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
