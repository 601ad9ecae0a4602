from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.storage import StoreUnavailable, embedded_valkey
from bot.storage.embedded_valkey import EmbeddedValkey, ServerState, server_state, socket_path
from bot.storage.redis_client import open_client
from tests.support.redis_server import RedisServer


@asynccontextmanager
async def another_process(state_dir: Path) -> AsyncIterator[tuple[Process, str]]:
    """A process that holds the embedded server of `state_dir`, and its role: owner or client."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.embedded_valkey_process", str(state_dir), stdin=PIPE, stdout=PIPE
    )
    assert process.stdout is not None
    try:
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        if process.returncode is None:
            await process.communicate(b"\n")


async def server_pid(redis: Redis) -> int:
    return int((await redis.info("server"))["process_id"])


async def get_when_back(redis: Redis, key: str) -> str | None:
    for _ in range(500):
        try:
            value = await redis.get(key)
        except RedisError:
            await asyncio.sleep(0.01)
        else:
            return None if value is None else str(value)
    raise AssertionError("the server did not come back")


async def test_server_is_spawned_and_stopped(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as embedded, open_client(embedded.url, 5) as redis:
        assert embedded.is_owner
        policy = await redis.config_get("appendfsync", "maxmemory-policy", "port")
        assert policy == {"appendfsync": "always", "maxmemory-policy": "noeviction", "port": "0"}
        assert os.getsid(await server_pid(redis)) != os.getsid(0)  # Ctrl-C in the terminal does not reach it
    assert await server_state(embedded.socket) is ServerState.STOPPED


async def test_folder_and_socket_are_private(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as embedded:
        assert stat.S_IMODE(embedded.folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(embedded.socket.stat().st_mode) == 0o700


async def test_data_survives_restart(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as embedded, open_client(embedded.url, 5) as redis:
        await redis.set("kept", "yes")
    async with EmbeddedValkey(tmp_path) as embedded, open_client(embedded.url, 5) as redis:
        assert await redis.get("kept") == "yes"


async def test_second_process_is_a_client(tmp_path: Path) -> None:
    async with another_process(tmp_path) as (_, role), EmbeddedValkey(tmp_path) as embedded:
        assert (role, embedded.is_owner) == ("owner", False)
    assert await server_state(embedded.socket) is ServerState.STOPPED


async def test_client_exit_leaves_server_running(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as owner:
        async with another_process(tmp_path) as (_, role):
            assert role == "client"
        assert await server_state(owner.socket) is ServerState.READY


async def test_client_takes_over_after_owner_exits(tmp_path: Path) -> None:
    url = EmbeddedValkey(tmp_path).url
    async with (
        another_process(tmp_path) as (owner, _),
        EmbeddedValkey(tmp_path) as embedded,
        open_client(url, 5) as redis,
    ):
        await redis.set("kept", "yes")
        await owner.communicate(b"\n")
        assert await get_when_back(redis, "kept") == "yes"
        assert embedded.is_owner


async def test_orphaned_server_is_adopted(tmp_path: Path) -> None:
    async with another_process(tmp_path) as (owner, _), open_client(EmbeddedValkey(tmp_path).url, 5) as redis:
        orphan_pid = await server_pid(redis)
        owner.kill()
        await owner.wait()
        async with EmbeddedValkey(tmp_path) as embedded:
            assert embedded.is_owner
            assert await server_pid(redis) == orphan_pid
    assert await server_state(embedded.socket) is ServerState.STOPPED


async def test_killed_server_restarts_with_acknowledged_writes(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as embedded, open_client(embedded.url, 5) as redis:
        pid, acknowledged, many_written = await server_pid(redis), 0, asyncio.Event()

        async def write() -> None:
            nonlocal acknowledged
            for number in range(1, 100_000):
                await redis.set("last", number)
                acknowledged = number
                if number == 200:
                    many_written.set()

        writer = asyncio.create_task(write())
        await many_written.wait()
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(RedisError):
            await writer
        assert int(await get_when_back(redis, "last") or 0) >= acknowledged
        assert await server_pid(redis) != pid


@pytest.mark.parametrize("policy", ["always", "everysec"])
async def test_killed_external_server_has_acknowledged_writes(policy: str) -> None:
    """Appended writes survive the process; `everysec` loses up to a second in a host crash."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder), appendfsync=policy)
        try:
            async with open_client(server.url, 5.0) as redis:
                for number in range(500):
                    await redis.rpush("written", number)
                server.kill()
            server.start()
            async with open_client(server.url, 5.0) as redis:
                assert await redis.llen("written") == 500
        finally:
            server.stop()


async def test_stopped_server_is_not_spawned_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two servers on one append-only file would corrupt it, so a timeout is not a death."""
    monkeypatch.setattr(embedded_valkey, "START_TIMEOUT_S", 0.5)
    async with another_process(tmp_path) as (owner, _), open_client(EmbeddedValkey(tmp_path).url, 5) as redis:
        orphan_pid = await server_pid(redis)
        owner.kill()
        await owner.wait()
        os.kill(orphan_pid, signal.SIGSTOP)
        try:
            with pytest.raises(StoreUnavailable, match="is there but does not answer"):
                async with EmbeddedValkey(tmp_path):
                    pass
        finally:
            os.kill(orphan_pid, signal.SIGCONT)
        async with EmbeddedValkey(tmp_path):
            assert await server_pid(redis) == orphan_pid


async def test_starting_server_is_not_spawned_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_valkey, "START_TIMEOUT_S", 0.2)
    async with EmbeddedValkey(tmp_path) as embedded:
        lock = embedded.folder / "server.lock"
        assert embedded_valkey.try_lock(lock) is None  # held by the running server
    lock_fd = embedded_valkey.try_lock(lock)
    assert lock_fd is not None
    with pytest.raises(StoreUnavailable, match="is there but does not answer"):
        async with EmbeddedValkey(tmp_path):
            pass
    assert await server_state(embedded.socket) is ServerState.STOPPED
    os.close(lock_fd)


async def test_long_state_directory_gets_short_socket_path(tmp_path: Path) -> None:
    state_dir = tmp_path / ("long-" * 20)
    async with EmbeddedValkey(state_dir) as embedded, open_client(embedded.url, 5) as redis:
        assert len(os.fsencode(embedded.socket)) <= embedded_valkey.MAX_SOCKET_PATH_BYTES
        assert stat.S_IMODE(embedded.socket.parent.stat().st_mode) == 0o700
        await redis.set("kept", "yes")
        assert list(embedded.folder.glob("appendonlydir/*"))
    embedded.socket.parent.rmdir()


async def test_foreign_socket_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    state_dir = tmp_path / ("long-" * 20)
    socket_path(state_dir.resolve() / "redis").parent.symlink_to(tmp_path)  # another user's link in its place
    with pytest.raises(StoreUnavailable, match="belongs to another user"):
        async with EmbeddedValkey(state_dir):
            pass


async def test_damaged_file_raises_one_sentence(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as embedded, open_client(embedded.url, 5) as redis:
        for number in range(20):
            await redis.set(f"key-{number}", "x" * 50)
    (tail,) = embedded.folder.glob("appendonlydir/*.incr.aof")
    tail.write_bytes(tail.read_bytes()[:300] + b"garbage" + tail.read_bytes()[300:])
    with pytest.raises(StoreUnavailable) as error:
        async with EmbeddedValkey(tmp_path):
            pass
    assert f"in {embedded.folder} is damaged" in str(error.value)
    assert "\n" not in str(error.value)


async def test_partial_last_write_is_accepted(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as embedded, open_client(embedded.url, 5) as redis:
        await redis.set("kept", "yes")
        await redis.set("torn", "yes")
    (tail,) = embedded.folder.glob("appendonlydir/*.incr.aof")
    tail.write_bytes(tail.read_bytes()[:-7])
    async with EmbeddedValkey(tmp_path) as embedded, open_client(embedded.url, 5) as redis:
        assert await redis.mget("kept", "torn") == ["yes", None]


async def test_missing_wheel_suggests_redis_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_valkey, "find_spec", lambda name: None)
    with pytest.raises(StoreUnavailable, match="set REDIS_URL"):
        async with EmbeddedValkey(tmp_path):
            pass


async def test_unusable_state_directory_raises_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="MAILCHECK_STATE_DIR"):
        async with EmbeddedValkey(tmp_path / "file"):
            pass
