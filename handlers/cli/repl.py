"""REPL for the chat commands, to try mailcheck without a chat workspace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TextIO

from rich.console import Console

from handlers.cli.render import RenderedCard
from handlers.message import Card
from handlers.ports import Channel, ChatRequest, CommandHandler

CHANNEL = Channel("terminal", "local", "local")
HINT = "type an address, a domain, or both; `help` shows the rest, Ctrl-D ends it."


async def run_repl(commands: CommandHandler, console: Console, stream: TextIO, address: str) -> None:
    """Read one command per line and print its card, until the input ends."""
    console.print(RenderedCard(Card(f"mailcheck is running; its page is {address}", step=HINT)))
    console.print("> ", end="")
    async for text in read_lines(stream):
        if text.strip():
            await _handle(commands, ChatRequest(CHANNEL, "you", commands.verbs.parse(text)), console)
        console.print("> ", end="")


async def read_lines(stream: TextIO) -> AsyncIterator[str]:
    """Lines as they are typed, without a thread that would delay the end of the process.

    A terminal delivers whole lines, so a readable stream never blocks `readline`.
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


async def _handle(commands: CommandHandler, request: ChatRequest, console: Console) -> None:
    ack = commands.acknowledge(request)
    card = ack.card
    if ack.needs_work:
        with console.status(ack.card.title):
            card = await commands.handle(request)
    console.print(RenderedCard(card))
