"""Wait for a condition by running the event loop, without a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

MAX_ITERATIONS = 200_000


async def eventually(condition: Callable[[], bool]) -> None:
    for _ in range(MAX_ITERATIONS):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("the condition never became true")
