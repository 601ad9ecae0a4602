"""The terminal prompt answers the commands that its help prints."""

from __future__ import annotations

import asyncio
import io
import os

import pytest
from rich.console import Console

from handlers.cli.repl import PASTE_END, PASTE_START, PAUSE_S, read_blocks, run_repl, split_commands
from handlers.commands import VERBS, CommandRouter
from handlers.verbs import VerbTable
from tests.support.calls import counted_calls
from tests.support.commands import build_commands
from tests.support.dns_world import World
from tests.support.fake_channel import FakeChannel
from tests.support.incident_stories import T0
from tests.support.memory_repository import InMemoryRepository
from tests.support.stored_watches import Clock


def commands(clock: Clock | None = None) -> CommandRouter:
    """Of a bot whose chat is on its page."""
    clock = clock or Clock(T0)
    store = InMemoryRepository(clock)
    return build_commands(store, {"web": FakeChannel(clock)}, clock, World({}))


async def typed(*lines: str) -> str:
    """What the terminal shows after these lines."""
    clock, output = Clock(T0), io.StringIO()
    read_end, write_end = os.pipe()
    os.write(write_end, "".join(f"{line}\n" for line in lines).encode())
    os.close(write_end)
    with os.fdopen(read_end) as stream:
        await run_repl(commands(clock), Console(file=output, width=200), stream, "http://127.0.0.1:3000")
    return output.getvalue()


@pytest.mark.parametrize("line", ["203.0.113.5 example.com private", "private 203.0.113.5 example.com"])
async def test_prompt_accepts_private_as_in_its_help(line: str) -> None:
    with counted_calls(VerbTable.read) as counts:
        assert "203.0.113.5 · example.com: no problems found" in await typed(line)
    assert counts.total() == 1


async def test_prompt_prints_help_and_refusals_at_once() -> None:
    shown = await typed("help", "", "nonsense", "watch 203.0.113.5")
    assert "203.0.113.5 example.com private" in shown
    assert "“nonsense” is not an address or a domain" in shown
    assert "There is no channel here to alert" in shown
    assert "watches work on the page of this bot" in shown


async def test_prompt_lists_no_command_that_does_not_work_there() -> None:
    shown = await typed("help")
    for verb in VERBS.rows:
        for usage, _ in verb.usages:
            assert (usage in shown) is not verb.alerts, usage
    for verb in ("watches", "history 192.0.2.1", "mute 192.0.2.1 1h", "settings", "unwatch 192.0.2.1"):
        assert "There is no channel here to alert" in await typed(verb), verb


BOUNCE = """550 5.7.1 Service unavailable; Client host
[203.0.113.5] blocked using Spamhaus ZEN.
lists
help
"""


@pytest.mark.parametrize("marks", [("", ""), (PASTE_START, PASTE_END)])
@pytest.mark.parametrize("verb", ["bounce ", ""])
def test_pasted_text_is_one_command(marks: tuple[str, str], verb: str) -> None:
    start, end = marks
    block = f"{start}{verb}{BOUNCE.rstrip()}{end}\n"
    assert list(split_commands(block, commands())) == [VERBS.parse(f"{verb}{BOUNCE}")]


@pytest.mark.parametrize(
    ("block", "lines"),
    [
        ("lists\nhelp\n", ["lists", "help"]),
        ("\n\nlists\n\n", ["lists"]),
        ("chek\nlists\n", ["chek", "lists"]),
        ("192.0.2.1\nbounce 550 no\n550 other\n", ["192.0.2.1", "bounce 550 no\n550 other"]),
        ("From: ada\nTo: bob\n", ["From: ada\nTo: bob"]),
        ("\n", []),
    ],
)
def test_lines_typed_ahead_are_commands_of_their_own(block: str, lines: list[str]) -> None:
    assert list(split_commands(block, commands())) == [VERBS.parse(line) for line in lines]


async def test_paste_is_complete_with_its_last_line() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end) as stream:
        blocks = read_blocks(stream)
        os.write(write_end, b"lists\n")
        assert await anext(blocks) == "lists\n"
        os.write(write_end, f"{PASTE_START}bounce 550 no\n".encode())
        waiting = asyncio.ensure_future(anext(blocks))
        await asyncio.wait((waiting,), timeout=3 * PAUSE_S)
        assert not waiting.done()
        os.write(write_end, f"more{PASTE_END}\n".encode())
        assert await waiting == f"{PASTE_START}bounce 550 no\nmore{PASTE_END}\n"
        os.close(write_end)
        with pytest.raises(StopAsyncIteration):
            await anext(blocks)
