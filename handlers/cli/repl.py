"""A prompt that takes the chat commands, for a first look without a chat workspace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TextIO

import structlog
from rich.console import Console

from handlers.cli.render import Drawing
from handlers.message import Card
from handlers.messages import broken_card
from handlers.ports import Answering, Ask, Room

HERE = Room("terminal", "local", "local")
TYPE = "type an address, a domain, or both; `help` shows the rest, Ctrl-D ends it."

log = structlog.get_logger()


async def prompt(commands: Answering, console: Console, stream: TextIO, address: str) -> None:
    """Reads a command a line, prints its card, until the input ends."""
    console.print(Drawing(Card(f"mailcheck is running; its page is {address}", step=TYPE)))
    console.print("> ", end="")
    async for text in typed_lines(stream):
        if text.strip():
            await _answer(commands, Ask(HERE, "you", text.strip(), private=True), console)
        console.print("> ", end="")


async def typed_lines(stream: TextIO) -> AsyncIterator[str]:
    """Lines as they are typed, without a thread that would hold up the end of the process.

    A terminal hands over whole lines, so a readable stream never blocks `readline`.
    """
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(stream.fileno(), readable.set)
    try:
        while True:
            await readable.wait()
            readable.clear()
            if not (line := stream.readline()):
                return
            yield line
    finally:
        loop.remove_reader(stream.fileno())


async def _answer(commands: Answering, ask: Ask, console: Console) -> None:
    ack = commands.acknowledgement(ask)
    card = ack.card
    if ack.work:
        with console.status(ack.card.title):
            try:
                card = await commands.answer(ask)
            except Exception:
                log.exception("command broke", platform="terminal")
                card = broken_card()
    console.print(Drawing(card))
