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
from bot.storage.embedded_valkey import Embedded, Pulse, pulse, socket_path
from bot.storage.redis_client import client
from tests.support.redis_server import RedisServer


@asynccontextmanager
async def another_process(state: Path) -> AsyncIterator[tuple[Process, str]]:
    """A process that holds the embedded server of `state`, and whether it says to be its owner or a client."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.embedded_valkey_process", str(state), stdin=PIPE, stdout=PIPE
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


async def test_the_server_is_spawned_and_gone_afterwards(tmp_path: Path) -> None:
    async with Embedded(tmp_path) as embedded, client(embedded.url, 5) as redis:
        assert embedded.owner
        policy = await redis.config_get("appendfsync", "maxmemory-policy", "port")
        assert policy == {"appendfsync": "always", "maxmemory-policy": "noeviction", "port": "0"}
        assert os.getsid(await server_pid(redis)) != os.getsid(0)  # Ctrl-C in our terminal does not reach it
    assert await pulse(embedded.socket) is Pulse.GONE


async def test_nobody_else_may_come_near(tmp_path: Path) -> None:
    async with Embedded(tmp_path) as embedded:
        assert stat.S_IMODE(embedded.folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(embedded.socket.stat().st_mode) == 0o700


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    async with Embedded(tmp_path) as embedded, client(embedded.url, 5) as redis:
        await redis.set("kept", "yes")
    async with Embedded(tmp_path) as embedded, client(embedded.url, 5) as redis:
        assert await redis.get("kept") == "yes"


async def test_a_second_process_is_a_client_of_the_first(tmp_path: Path) -> None:
    async with another_process(tmp_path) as (_, role), Embedded(tmp_path) as embedded:
        assert (role, embedded.owner) == ("owner", False)
    assert await pulse(embedded.socket) is Pulse.GONE


async def test_a_client_leaves_the_server_to_its_owner(tmp_path: Path) -> None:
    async with Embedded(tmp_path) as owner:
        async with another_process(tmp_path) as (_, role):
            assert role == "client"
        assert await pulse(owner.socket) is Pulse.READY


async def test_a_client_takes_over_when_the_owner_stops_the_server(tmp_path: Path) -> None:
    url = Embedded(tmp_path).url
    async with another_process(tmp_path) as (owner, _), Embedded(tmp_path) as embedded, client(url, 5) as redis:
        await redis.set("kept", "yes")
        await owner.communicate(b"\n")
        assert await get_when_back(redis, "kept") == "yes"
        assert embedded.owner


async def test_a_server_that_outlived_its_owner_is_adopted(tmp_path: Path) -> None:
    async with another_process(tmp_path) as (owner, _), client(Embedded(tmp_path).url, 5) as redis:
        orphan = await server_pid(redis)
        owner.kill()
        await owner.wait()
        async with Embedded(tmp_path) as embedded:
            assert embedded.owner
            assert await server_pid(redis) == orphan
    assert await pulse(embedded.socket) is Pulse.GONE


async def test_a_killed_server_comes_back_with_every_acknowledged_write(tmp_path: Path) -> None:
    async with Embedded(tmp_path) as embedded, client(embedded.url, 5) as redis:
        victim, acknowledged, enough = await server_pid(redis), 0, asyncio.Event()

        async def write() -> None:
            nonlocal acknowledged
            for number in range(1, 100_000):
                await redis.set("last", number)
                acknowledged = number
                if number == 200:
                    enough.set()

        writer = asyncio.create_task(write())
        await enough.wait()
        os.kill(victim, signal.SIGKILL)
        with pytest.raises(RedisError):
            await writer
        assert int(await get_when_back(redis, "last") or 0) >= acknowledged
        assert await server_pid(redis) != victim


@pytest.mark.parametrize("policy", ["always", "everysec"])
async def test_a_server_of_your_own_that_is_killed_has_every_acknowledged_write_too(policy: str) -> None:
    """What is written to the file survives the process; only a machine that fails can cost the last second of `everysec`."""
    with tempfile.TemporaryDirectory() as folder:
        own = RedisServer(Path(folder), appendfsync=policy)
        try:
            async with client(own.url, 5.0) as redis:
                for number in range(500):
                    await redis.rpush("written", number)
                own.kill()
            own.start()
            async with client(own.url, 5.0) as redis:
                assert await redis.llen("written") == 500
        finally:
            own.stop()


async def test_a_stopped_server_is_never_doubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two servers on one append-only file would ruin it, so silence is not taken for death."""
    monkeypatch.setattr(embedded_valkey, "START_S", 0.5)
    async with another_process(tmp_path) as (owner, _), client(Embedded(tmp_path).url, 5) as redis:
        orphan = await server_pid(redis)
        owner.kill()
        await owner.wait()
        os.kill(orphan, signal.SIGSTOP)
        try:
            with pytest.raises(StoreUnavailable, match="is there but does not answer"):
                async with Embedded(tmp_path):
                    pass
        finally:
            os.kill(orphan, signal.SIGCONT)
        async with Embedded(tmp_path):
            assert await server_pid(redis) == orphan


async def test_a_server_that_does_not_listen_yet_is_never_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_valkey, "START_S", 0.2)
    async with Embedded(tmp_path) as embedded:
        lock = embedded.folder / "server.lock"
        assert embedded_valkey.take_lock(lock) is None  # the living server has it
    starting = embedded_valkey.take_lock(lock)
    assert starting is not None
    with pytest.raises(StoreUnavailable, match="is there but does not answer"):
        async with Embedded(tmp_path):
            pass
    assert await pulse(embedded.socket) is Pulse.GONE
    os.close(starting)


async def test_a_long_state_directory_gets_a_short_private_socket(tmp_path: Path) -> None:
    state = tmp_path / ("long-" * 20)
    async with Embedded(state) as embedded, client(embedded.url, 5) as redis:
        assert len(os.fsencode(embedded.socket)) <= embedded_valkey.SOCKET_BYTES
        assert stat.S_IMODE(embedded.socket.parent.stat().st_mode) == 0o700
        await redis.set("kept", "yes")
        assert list(embedded.folder.glob("appendonlydir/*"))
    embedded.socket.parent.rmdir()


async def test_a_socket_directory_that_is_not_ours_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    state = tmp_path / ("long-" * 20)
    socket_path(state.resolve() / "redis").parent.symlink_to(tmp_path)  # somebody put a link where ours would be
    with pytest.raises(StoreUnavailable, match="belongs to somebody else"):
        async with Embedded(state):
            pass


async def test_a_damaged_file_is_one_plain_sentence(tmp_path: Path) -> None:
    async with Embedded(tmp_path) as embedded, client(embedded.url, 5) as redis:
        for number in range(20):
            await redis.set(f"key-{number}", "x" * 50)
    (tail,) = embedded.folder.glob("appendonlydir/*.incr.aof")
    tail.write_bytes(tail.read_bytes()[:300] + b"garbage" + tail.read_bytes()[300:])
    with pytest.raises(StoreUnavailable) as refused:
        async with Embedded(tmp_path):
            pass
    assert f"in {embedded.folder} is damaged" in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_a_torn_last_write_is_no_damage(tmp_path: Path) -> None:
    async with Embedded(tmp_path) as embedded, client(embedded.url, 5) as redis:
        await redis.set("kept", "yes")
        await redis.set("torn", "yes")
    (tail,) = embedded.folder.glob("appendonlydir/*.incr.aof")
    tail.write_bytes(tail.read_bytes()[:-7])
    async with Embedded(tmp_path) as embedded, client(embedded.url, 5) as redis:
        assert await redis.mget("kept", "torn") == ["yes", None]


async def test_without_the_wheel_the_operator_is_told_to_set_redis_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_valkey, "find_spec", lambda name: None)
    with pytest.raises(StoreUnavailable, match="set REDIS_URL"):
        async with Embedded(tmp_path):
            pass


async def test_a_state_directory_that_cannot_be_made_is_one_plain_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="MAILCHECK_STATE_DIR"):
        async with Embedded(tmp_path / "file"):
            pass
