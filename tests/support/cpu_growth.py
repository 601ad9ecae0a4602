"""Growth of CPU time with the input: a rule that holds on a busy machine, where seconds do not."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

LINEAR = 6.0  # of four times the input; linear work gives 4, quadratic work 16
FLOOR_S = 0.001  # below it, noise is larger than the work
ROUNDS = 4  # a neighbor on the core can slow one of the two; work that grows faster is slow in every round


def cpu_growth(function: Callable[[str], object], text: Callable[[int], str], length: int) -> float:
    """CPU time of the function at four times the length, divided by its CPU time at the length.

    The smallest of a few rounds; no more are run once one of them is linear.
    """
    growth = float("inf")
    suffixes = count()
    with _garbage_collector_off():
        for _ in range(ROUNDS):
            times_s = [_cpu_s(function, text(length * factor), suffixes) for factor in (4, 1)]
            growth = min(growth, times_s[0] / max(times_s[1], FLOOR_S))
            if growth <= LINEAR:
                break
    return growth


@contextmanager
def _garbage_collector_off() -> Iterator[None]:
    """A collection in the midst of a run costs as much as there are objects of other tests."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _cpu_s(function: Callable[[str], object], text: str, suffixes: Iterator[int]) -> float:
    """Best of three; each run gets a text of its own, so that no cache answers."""
    times_s = []
    for suffix in (next(suffixes) for _ in range(3)):
        own_text = f"{text}{suffix}"
        started = time.process_time()
        function(own_text)
        times_s.append(time.process_time() - started)
    return min(times_s)
