"""Rate limit for log lines of one kind; suppressed lines are counted and reported.

A library may log a kind once a minute. Our own kinds may repeat a few times, because their fields
say what each line is about.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import RLock

WINDOW_S = 60.0
MAX_LIBRARY_LINES, MAX_OWN_LINES = 1, 20  # of one kind in a window
OWN_LOGGERS = ("bot", "handlers", "__main__")
MAX_KINDS = 500
MAX_KIND_LENGTH = 120
NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+")
OTHER_KINDS = "other lines"

LineKind = tuple[str, int, str]  # logger, level, text without numbers


@dataclass(slots=True)
class _Window:
    started_at: float
    logged: int = 0
    suppressed: int = 0


class RepeatLimit(logging.Filter):
    """A filter for a handler."""

    def __init__(self, window: float = WINDOW_S, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._window, self._clock = window, clock
        self._windows: dict[LineKind, _Window] = {}
        self._next_end = float("inf")
        self._lock = RLock()

    def filter(self, record: logging.LogRecord) -> bool:
        if hasattr(record, "suppressed"):
            return True
        with self._lock:
            self.flush()
            window = self._window_of(line_kind(record))
            limit = MAX_OWN_LINES if _is_own(record.name) else MAX_LIBRARY_LINES
            if window.logged < limit:
                window.logged += 1
                return True
            if not window.suppressed:
                self._schedule_flush(window.started_at + self._window - self._clock())
            window.suppressed += 1
            return False

    def _window_of(self, kind: LineKind) -> _Window:
        if kind not in self._windows and len(self._windows) >= MAX_KINDS:
            kind = (kind[0].partition(".")[0], kind[1], OTHER_KINDS)
        window = self._windows.setdefault(kind, _Window(self._clock()))
        self._next_end = min(self._next_end, window.started_at + self._window)
        return window

    def flush(self) -> None:
        """Close expired windows and log how many lines each suppressed."""
        with self._lock:
            now = self._clock()
            if now < self._next_end:
                return
            windows, self._windows = self._windows, {}
            expired: dict[LineKind, _Window] = {}
            for kind, window in windows.items():
                is_over = now >= window.started_at + self._window
                (expired if is_over else self._windows)[kind] = window
            starts = [window.started_at for window in self._windows.values()]
            self._next_end = min(starts, default=float("inf")) + self._window
        for (name, level, text), window in expired.items():
            if count := window.suppressed:
                summary = f"{count} more in the last minute: {text}"
                logging.getLogger(name).log(level, "%s", summary, extra={"suppressed": count})

    def _schedule_flush(self, seconds: float) -> None:
        """Without an event loop the next line flushes."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        loop.call_later(max(0.0, seconds) + 0.01, self.flush)


def _is_own(logger_name: str) -> bool:
    return logger_name.partition(".")[0] in OWN_LOGGERS


def line_kind(record: logging.LogRecord) -> LineKind:
    """Lines of one kind differ only in fields, arguments and numbers."""
    text = str(record.msg.get("event", "") if isinstance(record.msg, dict) else record.msg)
    line = NUMBER.sub("#", text.strip().partition("\n")[0][:MAX_KIND_LENGTH])
    error = record.exc_info[0] if isinstance(record.exc_info, tuple) else None
    return record.name, record.levelno, f"{line} ({error.__name__})" if error else line
