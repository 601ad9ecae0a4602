"""`mailcheck serve` as a process: HTTP, REPL, shutdown, and start-up errors."""

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

from bot.storage.redis_client import open_client
from tests.support.dns_server import serve
from tests.support.mail_world import LISTED, mail_world
from tests.support.redis_server import RedisServer
from tests.support.unused_port import unused_port

MAILCHECK = Path(sys.executable).with_name("mailcheck")


@asynccontextmanager
async def running(
    state: Path, stdin: int = asyncio.subprocess.DEVNULL, **variables: str
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    async with serve(mail_world()) as server:
        address = f"127.0.0.1:{unused_port()}"
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
            env=environment | variables,
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


async def get(url: str) -> httpx.Response:
    async with asyncio.timeout(30), httpx.AsyncClient(timeout=3) as client:
        while True:
            try:
                return await client.get(url)
            except httpx.TransportError:
                await asyncio.sleep(0.05)


async def test_serve_without_terminal_runs_until_sigterm(tmp_path: Path) -> None:
    async with running(tmp_path) as (url, process):
        assert (await get(f"{url}/healthz")).json() == {"ok": True, "alive": True}
        assert (await get(f"{url}/readyz")).json() == {"ok": True, "store": True, "dns": True, "polls": True}
        assert "mailcheck_checks_total" in (await get(f"{url}/metrics")).text
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0
        assert process.stdout
        assert f"mailcheck is at {url}" in (await process.stdout.read()).decode()
        assert process.stderr
        assert b"Traceback" not in await process.stderr.read()


async def test_serve_on_terminal_runs_repl_until_end_of_input(tmp_path: Path) -> None:
    terminal, process_end = pty.openpty()
    async with running(tmp_path, process_end) as (url, process):
        os.close(process_end)
        await get(f"{url}/healthz")
        os.write(terminal, f"{LISTED} example.com\nhelp\n".encode())
        output = ""
        async with asyncio.timeout(30):
            while "What mailcheck can do" not in output:
                chunk = await asyncio.to_thread(os.read, terminal, 65_536)
                output += chunk.decode(errors="replace")
        assert "on Spamhaus ZEN and 1 more blocklist" in output
        os.write(terminal, b"\x04")
        async with asyncio.timeout(10):
            assert await process.wait() == 0
    os.close(terminal)


async def start_up_error(state: Path, **variables: str) -> str:
    """Standard error of a process that refuses to start."""
    async with running(state, **variables) as (_, process):
        async with asyncio.timeout(30):
            _, errors = await process.communicate()
    assert process.returncode == 2
    return errors.decode().strip()


async def test_unreachable_redis_is_one_line_without_password(tmp_path: Path) -> None:
    error = await start_up_error(tmp_path, REDIS_URL=f"redis://:s3cret@127.0.0.1:{unused_port()}/0")
    assert error.count("\n") == 0
    assert "cannot be reached" in error
    assert "s3cret" not in error


async def test_redis_with_eviction_policy_is_refused(redis_server: RedisServer, tmp_path: Path) -> None:
    redis = open_client(redis_server.url, 1)
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        error = await start_up_error(tmp_path, REDIS_URL=redis_server.url)
    finally:
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.aclose()
    assert error.count("\n") == 0
    assert "allkeys-lru" in error


async def test_http_address_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        address = f"127.0.0.1:{sock.getsockname()[1]}"
        error = await start_up_error(tmp_path, MAILCHECK_HTTP=address)
    assert "set MAILCHECK_HTTP to another address" in error


@pytest.mark.parametrize("secret", ["xoxb-1234-dummy", "xapp-1-dummy"])
async def test_failed_start_does_not_log_tokens(secret: str, tmp_path: Path) -> None:
    name = "SLACK_BOT_TOKEN" if secret.startswith("xoxb") else "SLACK_APP_TOKEN"
    assert secret not in await start_up_error(tmp_path, **{name: secret})
