"""The running bot: its HTTP side, its prompt, its end, and what keeps it from starting."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from bot.storage.redis_client import client
from tests.support.dns_server import serve
from tests.support.mail_world import LISTED, mail_world
from tests.support.redis_server import RedisServer

MAILCHECK = Path(sys.executable).with_name("mailcheck")


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


@asynccontextmanager
async def running(
    state: Path, stdin: int = asyncio.subprocess.DEVNULL, **more: str
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    async with serve(mail_world()) as server:
        address = f"127.0.0.1:{free_port()}"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(state),
            "MAILCHECK_STATE_DIR": str(state / "state"),
            "MAILCHECK_NAMESERVERS": server.address,
            "MAILCHECK_SPECIAL_ADDRESSES": "allow",
            "MAILCHECK_HTTP": address,
        }
        process = await asyncio.create_subprocess_exec(
            MAILCHECK,
            "serve",
            env=environment | more,
            stdin=stdin,
            stdout=stdin if stdin != asyncio.subprocess.DEVNULL else asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield f"http://{address}", process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def answers(url: str) -> httpx.Response:
    async with asyncio.timeout(30), httpx.AsyncClient(timeout=3) as client:
        while True:
            try:
                return await client.get(url)
            except httpx.TransportError:
                await asyncio.sleep(0.05)


async def test_without_a_terminal_it_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    async with running(tmp_path) as (url, process):
        assert (await answers(f"{url}/healthz")).json() == {"ok": True, "alive": True}
        assert (await answers(f"{url}/readyz")).json() == {"ok": True, "store": True, "dns": True}
        assert "mailcheck_checks_total" in (await answers(f"{url}/metrics")).text
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0
        assert process.stdout
        assert f"mailcheck is at {url}" in (await process.stdout.read()).decode()
        assert process.stderr
        assert b"Traceback" not in await process.stderr.read()


async def test_on_a_terminal_a_prompt_takes_the_chat_commands(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    async with running(tmp_path, theirs) as (url, process):
        os.close(theirs)
        await answers(f"{url}/healthz")
        os.write(ours, f"{LISTED} example.com\nhelp\n".encode())
        shown = ""
        async with asyncio.timeout(30):
            while "What mailcheck can do" not in shown:
                shown += (await asyncio.to_thread(os.read, ours, 65_536)).decode(errors="replace")
        assert "on Spamhaus ZEN and 1 more blocklist" in shown
        os.write(ours, b"\x04")
        async with asyncio.timeout(10):
            assert await process.wait() == 0
    os.close(ours)


async def refused(state: Path, **environment: str) -> str:
    async with running(state, **environment) as (_, process):
        async with asyncio.timeout(30):
            _, errors = await process.communicate()
    assert process.returncode == 2
    return errors.decode().strip()


async def test_a_redis_that_cannot_be_reached_is_one_clear_line_without_the_password(tmp_path: Path) -> None:
    said = await refused(tmp_path, REDIS_URL=f"redis://:s3cret@127.0.0.1:{free_port()}/0")
    assert said.count("\n") == 0
    assert "cannot be reached" in said
    assert "s3cret" not in said


async def test_a_redis_that_throws_watches_away_is_refused_with_the_reason(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    redis = client(redis_server.url, 1)
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        said = await refused(tmp_path, REDIS_URL=redis_server.url)
    finally:
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.aclose()
    assert said.count("\n") == 0
    assert "allkeys-lru" in said


async def test_an_address_in_use_is_said_in_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        said = await refused(tmp_path, MAILCHECK_HTTP=f"127.0.0.1:{door.getsockname()[1]}")
    assert "set MAILCHECK_HTTP to another address" in said


@pytest.mark.parametrize("secret", ["xoxb-1234-dummy", "xapp-1-dummy"])
async def test_no_token_stands_in_the_log_of_a_start_that_fails(secret: str, tmp_path: Path) -> None:
    name = "SLACK_BOT_TOKEN" if secret.startswith("xoxb") else "SLACK_APP_TOKEN"
    assert secret not in await refused(tmp_path, **{name: secret})
