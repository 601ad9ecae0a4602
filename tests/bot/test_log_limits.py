"""Repeated log lines are suppressed and counted."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import structlog

from bot.log_limits import MAX_KINDS, MAX_OWN_LINES, RepeatLimit


@dataclass
class FakeClock:
    at: float = 1_000.0

    def now(self) -> float:
        return self.at


@dataclass
class CapturedLog:
    clock: FakeClock
    limit: RepeatLimit
    text: io.StringIO

    @property
    def lines(self) -> list[str]:
        return self.text.getvalue().splitlines()


@pytest.fixture
def log() -> Iterator[CapturedLog]:
    """Output of the root logger through the filter."""
    clock, text = FakeClock(), io.StringIO()
    limit = RepeatLimit(window=60, clock=clock.now)
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
    handler.addFilter(limit)
    logging.getLogger().addHandler(handler)
    yield CapturedLog(clock, limit, text)
    logging.getLogger().removeHandler(handler)


def test_repeated_library_line_is_logged_once_and_counted(log: CapturedLog) -> None:
    for number in range(1_000):
        logging.getLogger("asyncio").error(f"accept failed fd={number} at 0x{number:x}\nTraceback")
    assert len(log.lines) == 2  # a record of two lines
    log.clock.at += 61
    logging.getLogger("library.server").warning("Invalid HTTP request received.")
    assert log.lines[2:] == [
        "asyncio 999 more in the last minute: accept failed fd=# at #",
        "library.server Invalid HTTP request received.",
    ]


def test_repeated_own_line_is_logged_a_few_times(log: CapturedLog) -> None:
    for number in range(MAX_OWN_LINES + 5):
        logging.getLogger("handlers.web.app").warning({"event": "request refused", "why": number})
    assert len(log.lines) == MAX_OWN_LINES


def test_line_after_the_window_is_logged_again(log: CapturedLog) -> None:
    for _ in range(3):
        logging.getLogger("asyncio").error("broken")
        log.clock.at += 61
    assert log.lines == ["asyncio broken"] * 3


def test_lines_of_different_kinds_are_logged(log: CapturedLog) -> None:
    logger = logging.getLogger("library.server")
    for problem in (ValueError("a"), ValueError("b"), KeyError("a")):
        logger.error("Exception in ASGI application\n", exc_info=problem)
    logger.error("another")
    logger.warning("another")
    logging.getLogger("asyncio").error("another")
    assert len([line for line in log.lines if line.startswith(("library", "asyncio"))]) == 5


def test_kinds_beyond_the_maximum_are_counted_together(log: CapturedLog) -> None:
    for number in range(MAX_KINDS + 1_000):
        word = "".join(chr(97 + int(digit)) for digit in str(number))
        logging.getLogger("asyncio").error(word)
    assert len(log.lines) == MAX_KINDS + 1
    log.clock.at += 61
    log.limit.flush()
    assert log.lines[-1] == "asyncio 999 more in the last minute: other lines"


async def test_count_without_further_lines_is_logged() -> None:
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.addFilter(RepeatLimit(window=0.05))
    logger = logging.getLogger("asyncio")
    logger.addHandler(handler)
    for _ in range(5):
        logger.error("broken")
    await asyncio.sleep(0.1)
    logger.removeHandler(handler)
    assert text.getvalue() == "broken\n4 more in the last minute: broken\n"


def test_configured_log_is_limited(capsys: pytest.CaptureFixture[str]) -> None:
    from handlers.logging_config import configure

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure()
        for _ in range(1_000):
            structlog.get_logger("handlers.http_server").warning("accept failed", error="x")
            logging.getLogger("asyncio").error("socket.accept() out of system resource")
    finally:
        root.handlers[:], root.level = handlers, level
        structlog.reset_defaults()
    assert len(capsys.readouterr().err.splitlines()) == MAX_OWN_LINES + 1
