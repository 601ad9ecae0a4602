"""Connections to Redis: to the embedded server, or to the one that the operator named."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from bot.storage import StoreUnavailable
from bot.storage.embedded_valkey import Embedded

INTERACTIVE_S = 1.0
WORKER_S = 5.0
CONNECT_S = 1.0

SCHEMES = {"redis": "redis", "rediss": "rediss", "unix": "unix", "valkey": "redis", "valkeys": "rediss"}


@dataclass(frozen=True, slots=True)
class Store:
    """Redis, ready to use. `warnings` are sentences for the operator about how it keeps its data.

    A person waits behind `interactive`: it gives up after a second. `worker` gives up after five. Neither sends a
    command twice, because redis-py cannot tell a lost reply from a lost command.
    """

    url: str = field(repr=False)
    interactive: Redis = field(repr=False)
    worker: Redis = field(repr=False)
    warnings: tuple[str, ...] = ()


@asynccontextmanager
async def connect(redis_url: str | None, state_dir: Path) -> AsyncIterator[Store]:
    """The store for as long as the block runs: at `redis_url`, or embedded in `state_dir` where that is None.

    Raises StoreUnavailable where it cannot be reached or would throw data away.
    """
    async with (
        server_at(redis_url, state_dir) as url,
        client(url, INTERACTIVE_S) as interactive,
        client(url, WORKER_S) as worker,
    ):
        yield Store(url, interactive, worker, await inspect(worker, place(url)))


@asynccontextmanager
async def server_at(redis_url: str | None, state_dir: Path) -> AsyncIterator[str]:
    if redis_url is not None:
        yield supported(redis_url)
        return
    async with Embedded(state_dir) as server:
        yield server.url


def client(url: str, timeout_s: float) -> Redis:
    try:
        made: Redis = Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=timeout_s,
            socket_connect_timeout=min(timeout_s, CONNECT_S),
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # over RESP3, redis-py 8.1 hands out pooled connections that the server has closed
        )
    except ValueError as wrong:
        raise StoreUnavailable("REDIS_URL is not an address, such as redis://localhost:6379/0.") from wrong
    return made


def supported(url: str) -> str:
    """The URL as redis-py and docket understand it."""
    scheme, mark, rest = url.partition("://")
    if "+sentinel" in scheme or "+cluster" in scheme:
        raise StoreUnavailable(
            "REDIS_URL names a Sentinel or a Cluster; give the address of one primary server instead."
        )
    if not mark or scheme.lower() not in SCHEMES:
        raise StoreUnavailable("REDIS_URL must start with redis://, rediss:// or unix://.")
    return f"{SCHEMES[scheme.lower()]}://{rest}"


def place(url: str) -> str:
    """Where the server is, without the user name and the password."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    return f"{parts.hostname or 'localhost'}:{parts.port or 6379}"


async def inspect(redis: Redis, where: str) -> tuple[str, ...]:
    """What the operator should know about this server. Raises StoreUnavailable where the bot must not use it."""
    try:
        info: Mapping[str, Any] = await redis.info()
    except NoPermissionError:
        return (f"Redis at {where} does not allow INFO, so its eviction policy and persistence are not known.",)
    except RedisError as wrong:
        raise StoreUnavailable(unreachable(wrong, where)) from wrong
    policy = str(info.get("maxmemory_policy", ""))
    if policy.startswith("allkeys"):
        raise StoreUnavailable(
            f"Redis at {where} throws any key away when memory is short (maxmemory-policy {policy}), watches too;"
            " set maxmemory-policy to noeviction or volatile-lru."
        )
    if not info.get("aof_enabled"):
        return (f"Redis at {where} keeps no append-only file: what it took in since its last snapshot can be lost.",)
    return ()


def unreachable(wrong: RedisError, where: str) -> str:
    # redis-py wraps what goes wrong while a connection is set up.
    cause = wrong.__cause__ or wrong
    if isinstance(cause, AuthenticationError):
        return f"Redis at {where} does not accept the user name or password in REDIS_URL."
    if isinstance(cause, RedisTimeout):
        return f"Redis at {where} does not answer; check REDIS_URL and that the server runs."
    return f"Redis at {where} cannot be reached; check REDIS_URL and that the server runs."
