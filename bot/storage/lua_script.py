"""Lua scripts as functions: arguments in, JSON out.

Scripts name their keys themselves: Redis Cluster is not supported.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.storage import StoreUnavailable

ScriptArgument = str | int | float


class LuaScript:
    """Runs `scripts/NAME.lua`. Raises StoreUnavailable if Redis does not answer.

    The script may have run nevertheless, so every script is idempotent.
    """

    def __init__(self, redis: Redis, name: str) -> None:
        self._run = redis.register_script((files("bot.storage") / "scripts" / name).read_text(encoding="utf-8"))

    async def __call__(self, *arguments: ScriptArgument) -> Any:
        async with store_errors():
            return json.loads(await self._run([], list(arguments)))


@asynccontextmanager
async def store_errors() -> AsyncIterator[None]:
    """Turn Redis errors inside the block into StoreUnavailable."""
    try:
        yield
    except (RedisError, OSError) as error:  # TimeoutError is an OSError
        raise StoreUnavailable("The memory of watches does not answer just now; try again in a minute.") from error
