"""Single flight: one call for concurrent callers; its result is kept for its TTL, an exception never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.resilience.single_flight import SingleFlight

KEYS = ("a", "b")
TTL_S = 10.0


@dataclass
class Service:
    """Calls by key that end when they are told to."""

    now: float = 0.0
    open_calls: dict[str, asyncio.Future[str]] = field(default_factory=dict)
    call_count: int = 0
    cancelled_count: int = 0

    def clock(self) -> float:
        return self.now

    def function(self, key: str) -> Callable[[], asyncio.Future[str]]:
        async def call() -> str:
            assert key not in self.open_calls
            self.call_count += 1
            number = self.call_count
            self.open_calls[key] = asyncio.get_running_loop().create_future()
            try:
                await self.open_calls[key]
            except asyncio.CancelledError:
                self.cancelled_count += 1
                raise
            finally:
                del self.open_calls[key]
            return f"{key}{number}"

        return lambda: asyncio.ensure_future(call())

    def finish(self, key: str, error: Exception | None = None) -> None:
        if error:
            self.open_calls[key].set_exception(error)
        else:
            self.open_calls[key].set_result("")


async def run_loop() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_concurrent_callers_share_one_call() -> None:
    service = Service()
    single_flight: SingleFlight[str, str] = SingleFlight()
    callers = [asyncio.create_task(single_flight("a", service.function("a"))) for _ in range(3)]
    await run_loop()
    service.finish("a")
    assert await asyncio.gather(*callers) == ["a1"] * 3
    assert len(single_flight) == 0


@pytest.mark.parametrize("cancel_unused", [True, False])
async def test_cancelled_waiter_leaves_the_others(cancel_unused: bool) -> None:
    service = Service()
    single_flight: SingleFlight[str, str] = SingleFlight(TTL_S, cancel_unused=cancel_unused)
    first, second = (asyncio.create_task(single_flight("a", service.function("a"))) for _ in range(2))
    await run_loop()
    first.cancel()
    await run_loop()
    service.finish("a")
    assert (await second, first.cancelled(), service.cancelled_count) == ("a1", True, 0)


@pytest.mark.parametrize("cancel_unused", [True, False])
async def test_call_without_waiters_is_cancelled_only_on_demand(cancel_unused: bool) -> None:
    service = Service()
    single_flight: SingleFlight[str, str] = SingleFlight(TTL_S, clock=service.clock, cancel_unused=cancel_unused)
    only = asyncio.create_task(single_flight("a", service.function("a")))
    await run_loop()
    only.cancel()
    await run_loop()
    assert service.cancelled_count == cancel_unused
    if not cancel_unused:
        service.finish("a")
        await run_loop()
        assert single_flight.results() == ["a1"]


async def test_caller_after_a_cancelled_call_begins_a_new_one() -> None:
    service = Service()
    single_flight: SingleFlight[str, str] = SingleFlight(cancel_unused=True)
    first = asyncio.create_task(single_flight("a", service.function("a")))
    await run_loop()
    first.cancel()
    await asyncio.wait([first])
    second = asyncio.create_task(single_flight("a", service.function("a")))
    await run_loop()
    service.finish("a")
    assert await second == "a2"


async def test_exception_reaches_every_waiter_uncached() -> None:
    service = Service()
    single_flight: SingleFlight[str, str] = SingleFlight(TTL_S, clock=service.clock)
    callers = [asyncio.create_task(single_flight("a", service.function("a"))) for _ in range(2)]
    await run_loop()
    service.finish("a", ConnectionError("down"))
    assert [str(error) for error in await asyncio.gather(*callers, return_exceptions=True)] == ["down", "down"]
    assert len(single_flight) == 0
    again = asyncio.create_task(single_flight("a", service.function("a")))
    await run_loop()
    service.finish("a")
    assert await again == "a2"


async def make(value: str) -> str:
    return value


TTLS_S = {"short": 5.0, "never": 0.0, "new": 1.0}


@pytest.mark.parametrize(
    ("result", "elapsed_s", "expected"), [("short", 4.9, "short"), ("short", 5.0, "new"), ("never", 0.0, "new")]
)
async def test_ttl_may_depend_on_the_result(result: str, elapsed_s: float, expected: str) -> None:
    service = Service()
    single_flight: SingleFlight[str, str] = SingleFlight(TTLS_S.__getitem__, clock=service.clock)
    assert await single_flight("a", lambda: make(result)) == result
    service.now += elapsed_s
    assert await single_flight("a", lambda: make("new")) == expected


async def test_results_beyond_size_push_out_the_least_used() -> None:
    single_flight: SingleFlight[int, str] = SingleFlight(TTL_S, size=2, clock=lambda: 0.0)
    for number in (1, 2, 1, 3):
        await single_flight(number, lambda: make("first"))
    assert [await single_flight(number, lambda: make("second")) for number in (1, 3, 2)] == ["first", "first", "second"]


async def test_forgotten_result_is_made_again() -> None:
    single_flight: SingleFlight[str, str] = SingleFlight(TTL_S, clock=lambda: 0.0)
    await single_flight("a", lambda: make("first"))
    single_flight.forget("b")
    assert await single_flight("a", lambda: make("second")) == "first"
    single_flight.forget("a")
    assert await single_flight("a", lambda: make("second")) == "second"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.sampled_from(KEYS)),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("finish"), st.sampled_from(KEYS)),
        st.tuples(st.just("fail"), st.sampled_from(KEYS)),
        st.tuples(st.just("wait"), st.sampled_from([1.0, TTL_S])),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, cancel_unused=st.booleans(), ttl_s=st.sampled_from([0.0, TTL_S]))
def test_any_sequence_of_steps_leaks_nothing(steps: list[tuple[str, Any]], cancel_unused: bool, ttl_s: float) -> None:
    async def run() -> None:
        service = Service()
        single_flight: SingleFlight[str, str] = SingleFlight(
            ttl_s, size=1, clock=service.clock, cancel_unused=cancel_unused
        )
        callers: list[asyncio.Task[str]] = []
        cancelled: set[int] = set()
        for kind, value in steps:
            if kind == "call":
                callers.append(asyncio.create_task(single_flight(value, service.function(value))))
            elif kind == "cancel" and value < len(callers) and not callers[value].done():
                callers[value].cancel()
                cancelled.add(value)
            elif kind in ("finish", "fail") and value in service.open_calls:
                service.finish(value, ConnectionError() if kind == "fail" else None)
            elif kind == "wait":
                service.now += value
            await run_loop()
        for key in list(service.open_calls):
            service.finish(key)
        await run_loop()
        for number, caller in enumerate(callers):
            assert caller.done()
            assert caller.cancelled() == (number in cancelled)
            assert caller.cancelled() or caller.exception() or caller.result()[0] in KEYS
        assert len(asyncio.all_tasks()) == 1  # this one
        assert len(single_flight) <= (1 if ttl_s else 0)
        assert service.cancelled_count == 0 or cancel_unused

    asyncio.run(run())
