from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.storage import StoreUnavailable
from bot.storage.redis_client import connect, normalize_url, open_client
from tests.support.redis_server import RedisServer
from tests.support.unused_port import unused_port

UNREACHABLE_URL = "redis://anna:hush-1@127.0.0.1:1/0"


async def test_no_url_uses_embedded_server(tmp_path: Path) -> None:
    async with connect(None, tmp_path) as store:
        assert store.warnings == ()
        assert await store.interactive.set("a", "b")
        assert await store.worker.get("a") == "b"


async def test_url_leaves_state_directory_alone(redis_url: str) -> None:
    async with connect(redis_url, Path("/dev/null")) as store:
        assert await store.worker.ping()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (UNREACHABLE_URL, "Redis at 127.0.0.1:1 cannot be reached"),
        ("redis://:hush-1@nowhere.invalid:6380/0", "Redis at nowhere.invalid:6380 cannot be reached"),
        ("rediss://:hush-1@127.0.0.1:1/0", "Redis at 127.0.0.1:1 cannot be reached"),
        ("unix:///nonexistent/socket?password=hush-1", "Redis at /nonexistent/socket cannot be reached"),
        ("redis+sentinel://:hush-1@a.example:26379/main", "names a Sentinel or a Cluster"),
        ("redis+cluster://:hush-1@a.example:6379", "names a Sentinel or a Cluster"),
        ("http://:hush-1@redis.example", "REDIS_URL must start with redis://"),
        ("hush-1", "REDIS_URL must start with redis://"),
        ("redis://:hush-1@redis.example:port/0", "REDIS_URL is not an address"),
        ("redis://:hush-1@[::1/0", "REDIS_URL is not an address"),
    ],
)
async def test_bad_url_raises_sentence_without_password(url: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=message.replace(".", r"\.")) as error:
        async with connect(url, tmp_path):
            pass
    assert "hush-1" not in str(error.value)
    assert "\n" not in str(error.value)


async def test_wrong_password_is_reported(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    try:
        async with open_client(server.url, 5) as redis:
            await redis.config_set("requirepass", "hush-1")
        for url in (server.url, f"{server.url}?password=hush-2"):
            with pytest.raises(StoreUnavailable, match="does not accept the user name or password") as error:
                async with connect(url, tmp_path):
                    pass
            assert "hush" not in str(error.value)
    finally:
        server.stop()


async def test_valkey_url_becomes_redis_url() -> None:
    assert normalize_url("valkey://:pw@valkey.example/1") == "redis://:pw@valkey.example/1"
    assert normalize_url("valkeys://valkey.example") == "rediss://valkey.example"


@asynccontextmanager
async def eviction(redis: Redis, policy: str) -> AsyncIterator[None]:
    await redis.config_set("maxmemory-policy", policy)
    try:
        yield
    finally:
        await redis.config_set("maxmemory-policy", "noeviction")


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
async def test_evicting_redis_is_refused(redis: Redis, redis_url: str, policy: str) -> None:
    message = f"maxmemory-policy {policy}.*set maxmemory-policy to noeviction"
    async with eviction(redis, policy):
        with pytest.raises(StoreUnavailable, match=message):
            async with connect(redis_url, Path()):
                pass


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru", "volatile-ttl"])
async def test_redis_that_evicts_only_ttl_keys_is_accepted(redis: Redis, redis_url: str, policy: str) -> None:
    async with eviction(redis, policy), connect(redis_url, Path()) as store:
        assert store.warnings == ()


async def test_missing_append_only_file_warns(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, appendonly="no")
    try:
        async with connect(server.url, tmp_path) as store:
            (warning,) = store.warnings
    finally:
        server.stop()
    assert "keeps no append-only file" in warning


async def test_forbidden_info_command_warns(redis: Redis, redis_url: str) -> None:
    await redis.acl_setuser("bot", enabled=True, passwords=["+pw"], keys=["*"], categories=["+@all", "-@dangerous"])
    try:
        async with connect(f"{redis_url}?username=bot&password=pw", Path()) as store:
            (warning,) = store.warnings
    finally:
        await redis.acl_deluser("bot")
    assert "does not allow INFO" in warning


async def test_hung_redis_is_reported(redis_server: RedisServer, redis_url: str, tmp_path: Path) -> None:
    with redis_server.hung(), pytest.raises(StoreUnavailable, match="does not answer"):
        async with connect(f"{redis_url}?socket_timeout=0.2", tmp_path):
            pass


async def test_interactive_client_times_out_before_the_worker(
    redis_server: RedisServer, redis_url: str, tmp_path: Path
) -> None:
    async with connect(redis_url, tmp_path) as store:
        with redis_server.hung():
            worker = asyncio.create_task(store.worker.get("a"))
            with pytest.raises(RedisError):
                await store.interactive.get("a")
            assert not worker.done()
            worker.cancel()


async def test_closed_connection_is_not_reused(tmp_path: Path) -> None:
    """Managed servers close idle connections; no command must fail for that."""
    port = unused_port()
    server = RedisServer(tmp_path, port=str(port))
    try:
        async with open_client(f"redis://127.0.0.1:{port}", 5) as redis, open_client(server.url, 5) as admin:
            await redis.set("a", "b")
            assert await admin.client_kill_filter(_type="normal", skipme=True) > 0
            assert await redis.get("a") == "b"
    finally:
        server.stop()


async def test_lost_reply_is_not_retried(redis: Redis, redis_server: RedisServer) -> None:
    async with open_client(redis_server.url, 0.1) as short_client:
        await short_client.set("number", 0)
        with redis_server.hung(), pytest.raises(RedisError):
            await short_client.incr("number")
    assert await redis.get("number") == "1"
