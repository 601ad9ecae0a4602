"""The terminal prompt answers the commands that its help prints."""

from __future__ import annotations

import io
import os

import pytest
from rich.console import Console

from handlers.cli.repl import run_repl
from handlers.verbs import VerbTable
from tests.support.calls import counted_calls
from tests.support.commands import build_commands
from tests.support.dns_world import World
from tests.support.incident_stories import T0
from tests.support.memory_repository import InMemoryRepository
from tests.support.stored_watches import Clock


async def typed(*lines: str) -> str:
    """What the terminal shows after these lines."""
    clock, output = Clock(T0), io.StringIO()
    commands = build_commands(InMemoryRepository(clock), {}, clock, World({}))
    read_end, write_end = os.pipe()
    os.write(write_end, "".join(f"{line}\n" for line in lines).encode())
    os.close(write_end)
    with os.fdopen(read_end) as stream:
        await run_repl(commands, Console(file=output, width=200), stream, "http://127.0.0.1:3000")
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
