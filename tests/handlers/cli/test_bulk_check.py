"""Any number of lines: read only as there is room, reported as they finish, each exactly once, also after a stop."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from bot.check_runner import Checkup
from bot.models import Finding, Lookup, Order, Target, Verdict
from handlers.cli.bulk_check import AT_ONCE, Desk, Line, count_lines, read_lines, sweep
from handlers.cli.checkpoint import Journal
from handlers.cli.command import Tally
from tests.support.dns_world import World

TEMPLATE = Order(Target(domain="example.com"))
QUIET = Console(file=io.StringIO())


async def passes(order: Order, lookup: Lookup) -> list[Finding]:
    await asyncio.sleep(0)
    return [Finding("ptr", str(order.target), Verdict.PASS, "ptr.ok", "Fine.")]


def checkup(check=passes) -> Checkup:
    world = World({})
    return Checkup((("ptr", check),), frozenset(), world, world, lambda: datetime.now(UTC), special_allowed=True)


def addresses(count: int) -> list[str]:
    return [f"192.0.{n // 250}.{n % 250}" for n in range(count)]


def lines_of(texts: list[str], journal: Journal, tally: Tally | None = None) -> Iterator[Line]:
    return read_lines(texts, (), TEMPLATE, journal, tally or Tally(), QUIET)


class Paper(io.StringIO):
    """Stops the one who writes on it, as Ctrl-C does, after so many reports."""

    def __init__(self, reports: int) -> None:
        super().__init__()
        self.left = reports

    def flush(self) -> None:
        self.left -= 1
        task = asyncio.current_task()
        if not self.left and task:
            task.cancel()


async def run(texts: list[str], state: Path, check=passes, stopped_after: int = 0) -> list[str]:
    """What a run prints until it ends or is stopped."""
    out, journal = Paper(stopped_after), Journal(state, "ips.txt")
    show = Desk(out, QUIET, as_json=True).show(
        sweep(checkup(check), lines_of(texts, journal), fresh=False), journal, Tally()
    )
    await asyncio.gather(asyncio.create_task(show), return_exceptions=True)
    return [json.loads(line)["target"]["ip"] for line in out.getvalue().splitlines()]


async def test_every_line_is_reported_once(tmp_path: Path) -> None:
    assert sorted(await run(addresses(500), tmp_path / "state")) == sorted(addresses(500))
    assert not (tmp_path / "state").exists()


async def test_lines_are_read_only_as_there_is_room() -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield "192.0.2.1"

    lines = read_lines(endless(), (), TEMPLATE, Journal(None, "-"), Tally(), QUIET)
    async with aclosing(sweep(checkup(), lines, fresh=False)) as found:
        for _ in range(100):
            await anext(found)
    assert read <= 100 + 3 * AT_ONCE


@pytest.mark.parametrize("stopped_after", [1, 100, 400])
async def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path, stopped_after: int) -> None:
    first = await run(addresses(500), tmp_path / "state", stopped_after=stopped_after)
    assert stopped_after <= len(first)
    second = await run(addresses(500), tmp_path / "state")
    assert sorted(first + second) == sorted(addresses(500))


async def test_a_slow_line_holds_back_no_other(tmp_path: Path) -> None:
    slow = asyncio.Event()

    async def waits(order: Order, lookup: Lookup) -> list[Finding]:
        if str(order.target.ip) == "192.0.0.0":
            await slow.wait()
        elif str(order.target.ip) == addresses(300)[-1]:
            slow.set()
        return await passes(order, lookup)

    async with asyncio.timeout(10):
        assert (await run(addresses(300), tmp_path / "state", waits))[-1] == "192.0.0.0"


def test_bad_lines_are_counted_and_named_by_their_number() -> None:
    said, tally = io.StringIO(), Tally()
    texts = ["# egress", "", "192.0.2.1 example.com # ours", "not an address!", "192.0.2.4/30"]
    lines = list(read_lines(texts, (), TEMPLATE, Journal(None, "-"), tally, Console(file=said)))
    assert [(line.number, len(line.orders)) for line in lines] == [(0, 0), (1, 0), (2, 0), (3, 1), (4, 0), (5, 4)]
    assert tally.bad_lines == 1
    assert said.getvalue().startswith("line 4: ")


@pytest.mark.parametrize(("text", "count"), [("", 1), ("a\n", 2), ("a\nb", 2)])
def test_the_lines_of_a_file_are_counted_for_the_bar_and_of_a_pipe_not(tmp_path: Path, text: str, count: int) -> None:
    (tmp_path / "ips.txt").write_text(text)
    assert count_lines(str(tmp_path / "ips.txt")) == count
    assert count_lines("-") is None
