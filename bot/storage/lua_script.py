"""Lua scripts as functions: arguments in, JSON out.

Scripts name their keys themselves: Redis Cluster is not supported.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.storage import StoreUnavailable

ScriptArgument = str | int | float
SHARED_SCRIPT = "shared.lua"


class Reporter(Protocol):
    def report(self, key: str, field: str, reason: str) -> None:
        """Report a stored value that cannot be read."""


class LuaScript:
    """Runs `scripts/NAME.lua`. Raises StoreUnavailable if Redis does not answer.

    The script may have run nevertheless, so every script is idempotent. Stored values that it could
    not read come back beside the result, and go to `unreadable`.
    """

    def __init__(self, redis: Redis, name: str, unreadable: Reporter | None = None) -> None:
        self._run = redis.register_script(read_script(SHARED_SCRIPT) + read_script(name))
        self._unreadable = unreadable

    async def __call__(self, *arguments: ScriptArgument) -> Any:
        async with store_errors():
            result, unreadable = json.loads(await self._run([], list(arguments)))
        for key, field, reason in unreadable if self._unreadable else ():
            assert self._unreadable
            self._unreadable.report(key, field, reason)
        return result


def read_script(name: str) -> str:
    return (files("bot.storage") / "scripts" / name).read_text(encoding="utf-8")


@asynccontextmanager
async def store_errors() -> AsyncIterator[None]:
    """Turn Redis errors inside the block into StoreUnavailable."""
    try:
        yield
    except (RedisError, OSError) as error:  # TimeoutError is an OSError
        raise StoreUnavailable("The store of the watches does not answer; try again in a minute.") from error
