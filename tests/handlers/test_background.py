import asyncio

import pytest

from handlers.background import Away, Fuse, Seen, Work


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Door:
    """A store that opens, hangs or breaks, and counts who knocked."""

    def __init__(self, state: str = "open") -> None:
        self.state, self.knocks = state, 0

    async def __call__(self) -> str:
        self.knocks += 1
        if self.state == "hangs":
            await asyncio.Event().wait()
        if self.state == "broken":
            raise ConnectionError
        return "in"


@pytest.mark.parametrize("state", ["hangs", "broken"])
async def test_after_a_failure_nobody_knocks_for_a_while(state: str) -> None:
    clock, door = Clock(), Door(state)
    fuse = Fuse(within=0.01, rest=5.0, clock=clock)
    for _ in range(3):
        with pytest.raises(Away):
            await fuse.through(door)
    assert door.knocks == 1
    clock.now += 5.1
    door.state = "open"
    assert await fuse.through(door) == "in"


async def test_a_cancelled_caller_is_not_a_broken_store() -> None:
    fuse, door = Fuse(within=5.0), Door("hangs")
    waiting = asyncio.create_task(fuse.through(door))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    door.state = "open"
    assert await fuse.through(door) == "in"


async def test_what_another_process_has_seen_is_seen() -> None:
    shared: set[str] = {"theirs"}

    async def remember(key: str) -> bool:
        known = key in shared
        shared.add(key)
        return known

    seen = Seen(remember)
    assert [await seen(key) for key in ("theirs", "ours", "ours")] == [True, False, True]
    assert "ours" in shared


async def test_without_the_shared_memory_a_process_still_knows_its_own() -> None:
    async def away(key: str) -> bool:
        raise ConnectionError

    seen = Seen(away, Fuse())
    assert [await seen(key) for key in ("a", "a", "b")] == [False, True, False]


def test_memory_is_bounded_in_time_and_number() -> None:
    clock = Clock()
    seen = Seen(clock=clock)
    assert [seen.here("old"), seen.here("old")] == [False, True]
    clock.now += Seen.LONGEST
    assert seen.here("old") is False
    for number in range(Seen.MOST + 1):
        seen.here(str(number))
    assert [seen.here(str(Seen.MOST)), seen.here("0")] == [True, False]


async def test_too_much_work_is_turned_away() -> None:
    work, free = Work(most=2), asyncio.Event()

    async def wait() -> None:
        await free.wait()

    assert [work.start(wait()) for _ in range(3)] == [True, True, False]
    free.set()
    await work.drain(5.0)
    assert work.start(wait()) is True
    await work.drain(5.0)


async def test_work_that_does_not_end_is_cut_off_at_shutdown() -> None:
    work, ended = Work(), asyncio.Event()

    async def stuck() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    work.start(stuck())
    await work.drain(0.01)
    assert ended.is_set()
