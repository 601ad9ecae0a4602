"""Observes which functions of the product run, wherever they are called from."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

HANDLERS = str(Path(__file__).parents[2] / "handlers") + "/"


@contextmanager
def on_call(functions: tuple[Callable[..., Any], ...], note: Callable[[FrameType], None]) -> Iterator[None]:
    """`note` gets the frame of each call; of a coroutine, also each time that it goes on."""
    codes = {function.__code__ for function in functions}

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code in codes:
            note(frame)

    previous = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(previous)


@contextmanager
def counted_calls(*functions: Callable[..., Any]) -> Iterator[Counter[str]]:
    """How often each function, none of them a coroutine, is called."""
    counts: Counter[str] = Counter()
    with on_call(functions, lambda frame: counts.update([frame.f_code.co_qualname])):
        yield counts


def callers_in_handlers(frame: FrameType | None) -> list[str]:
    """Functions of `handlers/` on the stack, outermost first."""
    names: list[str] = []
    while frame:
        if frame.f_code.co_filename.startswith(HANDLERS):
            names.insert(0, frame.f_code.co_qualname)
        frame = frame.f_back
    return names
