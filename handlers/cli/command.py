"""Shared parts of the commands: the core while a command runs, exit status, output, progress."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bot.app import Core, open_core
from bot.models import Report, Verdict
from handlers.cli.render import RenderedCard
from handlers.message import Card
from handlers.settings import ServiceSettings, read_settings

CONCURRENCY = 32

Json = Annotated[bool, typer.Option("--json", help="JSON lines on standard output, one object per result.")]

QueryT = TypeVar("QueryT")
ResultT = TypeVar("ResultT")

error_console = Console(stderr=True, highlight=False)


class BadInput(ValueError):
    """Invalid input of a command; the message is one sentence for the user."""


@dataclass(slots=True)
class ExitStatus:
    """Exit status of a command, from the verdicts and the bad input lines."""

    verdicts: set[Verdict] = field(default_factory=set)
    bad_lines: int = 0

    def record(self, report: Report) -> None:
        self.verdicts.update([finding.verdict for finding in report.findings])

    @property
    def code(self) -> int:
        """0: nothing failed, 1: a check failed, 2: bad input, 3: a check is unknown."""
        if self.bad_lines:
            return 2
        if Verdict.FAIL in self.verdicts:
            return 1
        return 3 if Verdict.UNKNOWN in self.verdicts else 0


def run(
    work: Callable[[Core], Awaitable[None]],
    settings: ServiceSettings | None = None,
    *,
    needs_store: bool = False,
    uses_store: bool = True,
) -> None:
    """Run a command with a core of its own. Raises what `read_settings`, `open_core` and the command raise."""
    core_settings = (settings or read_settings()).core

    async def run_in_core() -> None:
        async with open_core(core_settings, needs_store=needs_store, uses_store=uses_store) as core:
            await work(core)

    asyncio.run(run_in_core())


async def run_in_order(
    queries: Iterable[QueryT], send_query: Callable[[QueryT], Awaitable[ResultT]]
) -> AsyncIterator[tuple[QueryT, ResultT]]:
    """Each query with its result, in input order; up to CONCURRENCY run at a time."""
    waiting: list[tuple[QueryT, asyncio.Task[ResultT]]] = []

    async def run_query(query: QueryT) -> ResultT:
        return await send_query(query)

    try:
        for query in queries:
            waiting.append((query, asyncio.create_task(run_query(query))))
            if len(waiting) >= CONCURRENCY:
                first, task = waiting.pop(0)
                yield first, await task
        while waiting:
            first, task = waiting.pop(0)
            yield first, await task
    finally:
        for _, task in waiting:
            task.cancel()


def progress_bar(stderr: Console, total: int | None) -> Progress:
    """Progress display on a terminal, disabled elsewhere; only a spinner for one item."""
    bar = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) if total != 1 else ()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), *bar, TimeElapsedColumn())
    return Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal)


def print_result(document: Mapping[str, Any], card: Card, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        print_card(card)


def print_json(document: Any) -> None:
    print(json.dumps(document, ensure_ascii=False), flush=True)


def print_card(card: Card) -> None:
    Console(highlight=False).print(RenderedCard(card))
