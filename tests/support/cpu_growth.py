"""Growth of CPU time with the input: a rule that holds on a busy machine, where seconds do not."""

from __future__ import annotations

import time
from collections.abc import Callable

LINEAR = 6.0  # of four times the input; linear work gives 4, quadratic work 16
FLOOR_S = 0.001  # below it, noise is larger than the work


def cpu_growth(function: Callable[[str], object], text: Callable[[int], str], length: int) -> float:
    """CPU time of the function at four times the length, divided by its CPU time at the length."""
    return _cpu_s(function, text(4 * length)) / max(_cpu_s(function, text(length)), FLOOR_S)


def _cpu_s(function: Callable[[str], object], text: str) -> float:
    """Best of three; each run gets a text of its own, so that no cache answers."""
    times_s = []
    for attempt in range(3):
        own_text = f"{text}{attempt}"
        started = time.process_time()
        function(own_text)
        times_s.append(time.process_time() - started)
    return min(times_s)
