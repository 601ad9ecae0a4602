"""Wait for something that the event loop is about to do, turn by turn and without a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

TURNS = 200_000


async def eventually(holds: Callable[[], bool]) -> None:
    for _ in range(TURNS):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")
