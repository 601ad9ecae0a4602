"""The killed processes: the bot, its workers, and the embedded server that they share."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from redis.exceptions import RedisError

from bot.storage.embedded_valkey import EmbeddedValkey
from bot.storage.redis_client import open_client
from tests.support.fake_slack import TOKEN
from tests.support.slack_payloads import SECRET
from tests.support.unused_port import unused_port

MAILCHECK = Path(sys.executable).with_name("mailcheck")
START_TIMEOUT_S = 60.0
TIMINGS = {"MAILCHECK_CONFIRM_AFTER": "1s", "MAILCHECK_GROUP_FOR": "1s", "MAILCHECK_CLEAR_AFTER": "2s"}


def environment(state: Path, poll_interval_s: int, dns: str, slack_url: str) -> dict[str, str]:
    return TIMINGS | {
        "MAILCHECK_WATCH_EVERY": f"{poll_interval_s}s",
        "PATH": os.environ["PATH"],
        "HOME": str(state),
        "MAILCHECK_STATE_DIR": str(state),
        "MAILCHECK_NAMESERVERS": dns,
        "MAILCHECK_BLOCKLISTS": str(state / "lists.toml"),
        "MAILCHECK_SPECIAL_ADDRESSES": "allow",
        "SLACK_BOT_TOKEN": TOKEN,
        "SLACK_SIGNING_SECRET": SECRET,
        "SLACK_API_URL": f"{slack_url}/api/",
    }


@dataclass(slots=True)
class BotProcess:
    """A `mailcheck serve` process."""

    role: str
    environment: Mapping[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self.port = unused_port()
        with self.log.open("a") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(MAILCHECK, "serve", "--role", self.role),
                env={**self.environment, "MAILCHECK_HTTP": f"127.0.0.1:{self.port}"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def wait_ready(self) -> None:
        """Wait until it responds. Raises RuntimeError if the process exited by itself."""
        async with asyncio.timeout(START_TIMEOUT_S), httpx.AsyncClient(timeout=2) as http:
            while True:
                assert self.process
                if self.process.returncode is not None:
                    raise RuntimeError(f"{self.role} ended by itself; see {self.log}")
                try:
                    await http.get(f"{self.url}/healthz")
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
                else:
                    return

    async def kill_and_restart(self) -> None:
        await self.stop(signal.SIGKILL)
        await self.start()

    async def stop(self, stop_signal: signal.Signals) -> None:
        if self.process and self.process.returncode is None:
            self.process.send_signal(stop_signal)
            await self.process.wait()


async def kill_server(state: Path) -> bool:
    """SIGKILL the embedded server, which its owner restarts. False if none responds."""
    redis = open_client(EmbeddedValkey(state).url, 1.0)
    try:
        process_id = int((await redis.info("server"))["process_id"])
    except (RedisError, OSError):
        return False
    finally:
        await redis.aclose()
    os.kill(process_id, signal.SIGKILL)
    return True
