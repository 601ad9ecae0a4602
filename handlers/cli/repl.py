"""REPL for the chat commands, to try mailcheck without a chat workspace."""

from __future__ import annotations

import asyncio
import codecs
import os
import termios
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console

from handlers.cli.render import RenderedCard
from handlers.message import Card
from handlers.ports import Channel, ChatRequest, CommandHandler
from handlers.verbs import Command, Refusal

CHANNEL = Channel("terminal", "local", "local")
HINT = "type an address, a domain, or both; `help` shows the rest, Ctrl-D ends it."
PASTE_START, PASTE_END = "\x1b[200~", "\x1b[201~"  # around a paste, while the terminal is asked to mark them
MARK_PASTES, MARK_NO_PASTES = "\x1b[?2004h", "\x1b[?2004l"
PAUSE_S = 0.03  # lines without a pause in between were not typed one by one
READ_BYTES = 64 * 1024


async def run_repl(commands: CommandHandler, console: Console, stream: TextIO, address: str, note: str = "") -> None:
    """Read commands, one a line or one a paste, and print their cards, until the input ends."""
    footnote = f"Log: {note}" if note else ""
    console.print(RenderedCard(Card(f"mailcheck is running; its page is {address}", step=HINT, footnote=footnote)))
    with marked_pastes(console, stream):
        console.print("> ", end="")
        async for block in read_blocks(stream):
            for command in split_commands(block, commands):
                await _handle(commands, ChatRequest(CHANNEL, "you", command), console)
            console.print("> ", end="")


def split_commands(block: str, commands: CommandHandler) -> Iterator[Command]:
    """The commands of lines that arrived together: each line is one, but a pasted text is one as a whole."""
    if PASTE_START in block:
        yield commands.verbs.parse(block.replace(PASTE_START, "").replace(PASTE_END, ""))
        return
    lines = [line for line in block.splitlines() if line.strip()]
    while lines:
        command, *others = map(commands.verbs.parse, lines[:2])
        if commands.verbs[command.verb].pastes or all(_is_refused(each) for each in (command, *others)):
            yield commands.verbs.parse("\n".join(lines))
            return
        yield command
        del lines[0]


def _is_refused(command: Command) -> bool:
    return isinstance(command.arguments, Refusal)


async def read_blocks(stream: TextIO) -> AsyncIterator[str]:
    """Lines that arrive together, without a thread that would delay the end of the process.

    A terminal delivers whole lines. A marked paste is complete with its last line.
    """
    loop, chunks, fd = asyncio.get_running_loop(), asyncio.Queue[bytes](), stream.fileno()
    decoder, block = codecs.getincrementaldecoder("utf-8")("replace"), ""
    # Read in the callback: the loop may report one chunk twice, and a second read of it would block.
    loop.add_reader(fd, lambda: chunks.put_nowait(_read(fd)))
    try:
        while True:
            is_complete = block.endswith("\n") and block.count(PASTE_START) <= block.count(PASTE_END)
            try:
                data = await asyncio.wait_for(chunks.get(), PAUSE_S if is_complete else None)
            except TimeoutError:
                yield block
                block = ""
                continue
            block += decoder.decode(data)
            if not data:
                if block:
                    yield block
                return
    finally:
        loop.remove_reader(fd)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, READ_BYTES)
    except OSError:  # the terminal was closed
        return b""


@contextmanager
def marked_pastes(console: Console, stream: TextIO) -> Iterator[None]:
    """Ask a terminal to mark what is pasted, and not to show the marks."""
    if not stream.isatty():
        yield
        return
    before = termios.tcgetattr(stream)
    quiet = termios.tcgetattr(stream)
    quiet[3] &= ~termios.ECHOCTL
    termios.tcsetattr(stream, termios.TCSANOW, quiet)
    console.file.write(MARK_PASTES)
    try:
        yield
    finally:
        console.file.write(MARK_NO_PASTES)
        termios.tcsetattr(stream, termios.TCSANOW, before)


async def _handle(commands: CommandHandler, request: ChatRequest, console: Console) -> None:
    ack = commands.acknowledge(request)
    card = ack.card
    if ack.needs_work:
        with console.status(ack.card.title):
            card = await commands.handle(request)
    console.print(RenderedCard(card))
