"""One Lua script as a function: words in, JSON out. Scripts name their keys themselves, since Redis Cluster is not supported."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.storage import StoreUnavailable

Word = str | int | float


class Script:
    """Runs `scripts/NAME.lua`. Raises StoreUnavailable where Redis does not answer; the script may have run all the same,
    so each of them is written to have one effect however often it is sent."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._run = redis.register_script((files("bot.storage") / "scripts" / name).read_text(encoding="utf-8"))

    async def __call__(self, *words: Word) -> Any:
        async with answering():
            return json.loads(await self._run([], list(words)))


@asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """Whatever Redis is asked inside answers, or StoreUnavailable is raised."""
    try:
        yield
    except (RedisError, OSError) as problem:  # TimeoutError is an OSError
        raise StoreUnavailable("The memory of watches does not answer just now; try again in a minute.") from problem
