"""What the exit status of a command is made of.

How far a command is, on the error stream, and only where that is a terminal.

What every command of the terminal is made of: the mail wing for as long as it works, and its two ways to print.
"""

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

from bot.app import MailWing, mail_wing
from bot.models import Report, Verdict
from bot.settings import read_settings
from handlers.cli.render import Drawing
from handlers.message import Card


@dataclass(slots=True)
class Tally:
    """Counts what was seen and what could not be read."""

    verdicts: set[Verdict] = field(default_factory=set)
    bad_lines: int = 0

    def count(self, report: Report) -> None:
        self.verdicts.update([finding.verdict for finding in report.findings])

    @property
    def exit_status(self) -> int:
        """0 nothing failed, 1 something failed, 2 bad input, 3 nothing failed but something is not known."""
        if self.bad_lines:
            return 2
        if Verdict.FAIL in self.verdicts:
            return 1
        return 3 if Verdict.UNKNOWN in self.verdicts else 0


def progress(errors: Console, total: int | None) -> Progress:
    """A bar for many things; for one thing a spinner is enough."""
    bar = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) if total != 1 else ()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), *bar, TimeElapsedColumn())
    return Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)


AT_ONCE = 32

Json = Annotated[bool, typer.Option("--json", help="JSON lines on standard output, one object per result.")]

Q = TypeVar("Q")
A = TypeVar("A")

errors = Console(stderr=True, highlight=False)


class BadQuestion(ValueError):
    """The input is no question; the message is one sentence."""


def run(work: Callable[[MailWing], Awaitable[None]], *, needs_store: bool = False, uses_store: bool = True) -> None:
    """Does the work inside a mail wing of its own; what it raises is `mail_wing`'s, too."""

    async def inside() -> None:
        async with mail_wing(read_settings(), needs_store=needs_store, uses_store=uses_store) as wing:
            await work(wing)

    asyncio.run(inside())


def say(document: Mapping[str, Any], card: Card, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        print_card(card)


def print_json(document: Any) -> None:
    print(json.dumps(document, ensure_ascii=False), flush=True)


def print_card(card: Card) -> None:
    Console(highlight=False).print(Drawing(card))


async def in_order(questions: Iterable[Q], ask: Callable[[Q], Awaitable[A]]) -> AsyncIterator[tuple[Q, A]]:
    """Each question with its answer, in the order of the questions; AT_ONCE are under way."""
    waiting: list[tuple[Q, asyncio.Task[A]]] = []

    async def answered(question: Q) -> A:
        return await ask(question)

    try:
        for question in questions:
            waiting.append((question, asyncio.create_task(answered(question))))
            if len(waiting) >= AT_ONCE:
                first, task = waiting.pop(0)
                yield first, await task
        while waiting:
            first, task = waiting.pop(0)
            yield first, await task
    finally:
        for _, task in waiting:
            task.cancel()
