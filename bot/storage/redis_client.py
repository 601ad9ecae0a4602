"""Connections to Redis: the embedded server or the one at REDIS_URL."""

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
from bot.storage.embedded_valkey import EmbeddedValkey

INTERACTIVE_TIMEOUT_S = 1.0
WORKER_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 1.0

SCHEMES = {"redis": "redis", "rediss": "rediss", "unix": "unix", "valkey": "redis", "valkeys": "rediss"}


@dataclass(frozen=True, slots=True)
class RedisConnection:
    """Redis, ready to use. `warnings` are sentences for the operator about its persistence.

    `interactive` times out after a second, `worker` after five. Neither retries a command, because
    redis-py cannot tell a lost reply from a lost command.
    """

    url: str = field(repr=False)
    interactive: Redis = field(repr=False)
    worker: Redis = field(repr=False)
    warnings: tuple[str, ...] = ()


@asynccontextmanager
async def connect(redis_url: str | None, state_dir: Path) -> AsyncIterator[RedisConnection]:
    """Connect to `redis_url`, or to an embedded server in `state_dir` if that is None.

    Raises StoreUnavailable if Redis cannot be reached or would evict data.
    """
    async with (
        running_server(redis_url, state_dir) as url,
        open_client(url, INTERACTIVE_TIMEOUT_S) as interactive,
        open_client(url, WORKER_TIMEOUT_S) as worker,
    ):
        yield RedisConnection(url, interactive, worker, await check_server(worker, server_address(url)))


@asynccontextmanager
async def running_server(redis_url: str | None, state_dir: Path) -> AsyncIterator[str]:
    if redis_url is not None:
        yield normalize_url(redis_url)
        return
    async with EmbeddedValkey(state_dir) as server:
        yield server.url


def open_client(url: str, timeout_s: float) -> Redis:
    try:
        redis: Redis = Redis.from_url(
            url,
            decode_responses=True,
            encoding_errors="surrogateescape",  # one value that is not UTF-8 must not fail a whole reply
            socket_timeout=timeout_s,
            socket_connect_timeout=min(timeout_s, CONNECT_TIMEOUT_S),
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # with RESP3, redis-py 8.1 reuses connections that the server has closed
        )
    except ValueError as error:
        raise StoreUnavailable("REDIS_URL is not an address, such as redis://localhost:6379/0.") from error
    return redis


def normalize_url(url: str) -> str:
    """The URL in a form that redis-py and docket accept. Raises StoreUnavailable."""
    scheme, separator, rest = url.partition("://")
    if "+sentinel" in scheme or "+cluster" in scheme:
        raise StoreUnavailable(
            "REDIS_URL names a Sentinel or a Cluster; give the address of one primary server instead."
        )
    if not separator or scheme.lower() not in SCHEMES:
        raise StoreUnavailable("REDIS_URL must start with redis://, rediss:// or unix://.")
    return f"{SCHEMES[scheme.lower()]}://{rest}"


def server_address(url: str) -> str:
    """Address of the server without user name and password."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    return f"{parts.hostname or 'localhost'}:{parts.port or 6379}"


async def check_server(redis: Redis, address: str) -> tuple[str, ...]:
    """Warnings about the server's configuration. Raises StoreUnavailable if it is unsafe."""
    try:
        info: Mapping[str, Any] = await redis.info()
    except NoPermissionError:
        return (f"Redis at {address} does not allow INFO, so its eviction policy and persistence are not known.",)
    except RedisError as error:
        raise StoreUnavailable(connection_error_text(error, address)) from error
    policy = str(info.get("maxmemory_policy", ""))
    if policy.startswith("allkeys"):
        raise StoreUnavailable(
            f"Redis at {address} throws any key away when memory is short"
            f" (maxmemory-policy {policy}), watches too;"
            " set maxmemory-policy to noeviction or volatile-lru."
        )
    if not info.get("aof_enabled"):
        return (f"Redis at {address} keeps no append-only file: what it took in since its last snapshot can be lost.",)
    return ()


def connection_error_text(error: RedisError, address: str) -> str:
    # redis-py wraps errors of the connection setup.
    cause = error.__cause__ or error
    if isinstance(cause, AuthenticationError):
        return f"Redis at {address} does not accept the user name or password in REDIS_URL."
    if isinstance(cause, RedisTimeout):
        return f"Redis at {address} does not answer; check REDIS_URL and that the server runs."
    return f"Redis at {address} cannot be reached; check REDIS_URL and that the server runs."
