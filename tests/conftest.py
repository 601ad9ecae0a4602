from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from bot.storage.redis_client import open_client
from tests.support.redis_server import RedisServer


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """Client of the session's Redis server, which is empty at the start of each test."""
    async with open_client(redis_server.url, 5.0) as connected:
        await connected.flushall()
        yield connected


@pytest.fixture
def redis_url(redis: Redis, redis_server: RedisServer) -> str:
    return redis_server.url
