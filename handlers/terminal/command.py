"""What every command of the terminal is made of: the mail wing for as long as it works, and its two ways to print."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from bot.assembly import MailWing, mail_wing
from bot.settings import read_settings
from handlers.card import Card
from handlers.terminal.drawing import Drawing

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
