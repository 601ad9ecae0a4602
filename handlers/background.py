"""How long a platform's own time limit may wait for anything of ours, and what goes on after the acknowledgement."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

T = TypeVar("T")
SharedMemory = Callable[[str], Awaitable[bool]]

log = structlog.get_logger()


class Away(Exception):
    """The store did not answer in time, or failed a moment ago."""


class Fuse:
    """One short try at a store that may hang; after a failure none at all for a while. Times are in seconds."""

    def __init__(self, within: float = 0.2, rest: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._within, self._rest, self._clock = within, rest, clock
        self._resting_until = float("-inf")

    async def through(self, call: Callable[[], Awaitable[T]]) -> T:
        """What the call answers. Raises Away instead of whatever the call raises."""
        if self._clock() < self._resting_until:
            raise Away
        try:
            async with asyncio.timeout(self._within):
                return await call()
        except Exception as error:  # how it failed makes no difference to the person who waits
            self._resting_until = self._clock() + self._rest
            log.warning("store away", error=type(error).__name__, rest_s=self._rest)
            raise Away from error


class Seen:
    """Was this seen before? Remembered in this process, and in a memory shared by all while that answers."""

    LONGEST = 660.0  # seconds: twice the age at which a signature is too old, and a bit
    MOST = 10_000

    def __init__(
        self, shared: SharedMemory | None = None, fuse: Fuse | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._shared, self._fuse, self._clock = shared, fuse or Fuse(), clock
        self._here: OrderedDict[str, float] = OrderedDict()

    async def __call__(self, key: str) -> bool:
        if self.here(key):
            return True
        shared = self._shared
        if shared is None:
            return False
        try:
            return await self._fuse.through(lambda: shared(key))
        except Away:
            return False

    def here(self, key: str) -> bool:
        """The same of this process alone, at once."""
        now = self._clock()
        while self._here and (len(self._here) >= self.MOST or next(iter(self._here.values())) <= now):
            self._here.popitem(last=False)
        if key in self._here:
            return True
        self._here[key] = now + self.LONGEST
        return False


class Work:
    """Tasks that go on after the acknowledgement. asyncio keeps no reference to its tasks, and so may lose them."""

    def __init__(self, most: int = 200) -> None:
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def full(self) -> bool:
        return len(self._tasks) >= self._most

    def start(self, work: Coroutine[Any, Any, None]) -> bool:
        """False, and nothing is done, where too much is under way."""
        if self.full:
            work.close()
            return False
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return True

    async def drain(self, within: float) -> None:
        """Waits for what is under way, `within` seconds at most; then it is cancelled."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=within)
        for task in late:
            task.cancel()
        if late:
            log.warning("work cut off at shutdown", tasks=len(late))
            await asyncio.wait(late)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("work broke", exc_info=error)
