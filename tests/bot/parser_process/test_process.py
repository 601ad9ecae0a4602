"""The child process that parses text: results, deadlines, failures, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import islice
from pathlib import Path

import pytest

from bot.bounces.pasted_text import TextAnalysis, analyze_text
from bot.parser_process.frames import LENGTH, REPLY, REQUEST, ParseRequest, Progress, frame
from bot.parser_process.process import (
    FAILED,
    LIMITS,
    TOO_SLOW,
    ParserFailed,
    ParserLimits,
    ParserProcess,
    TextUnreadable,
    child_command,
)
from tests.support.adversarial_text import build, general_repetitions
from tests.support.eventually import eventually
from tests.support.real_bounces import HEADER, REFUSED, log_lines

LOG = "\n".join(islice(log_lines(), 50))

MISBEHAVING = (sys.executable, "-m", "tests.support.misbehaving_parser")
LINUX_ONLY = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="/proc")


@asynccontextmanager
async def misbehaving(limits: ParserLimits = LIMITS) -> AsyncIterator[ParserProcess]:
    async with aclosing(ParserProcess(MISBEHAVING, limits)) as parser:
        yield parser


async def parse(parser: ParserProcess, text: str, verb: str = "bounce") -> TextAnalysis:
    return await parser.parse(verb, [text.encode()], lambda _: None)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_text_is_parsed_as_in_this_process() -> None:
    async with aclosing(ParserProcess()) as parser:
        for verb in ("bounce", "headers"):
            for text in (REFUSED, HEADER, LOG, "", *(build(text, 4_096) for text in general_repetitions())):
                expected = analyze_text(verb, [text.encode()])
                assert await parse(parser, text, verb) == expected
                assert REPLY.validate_json(REPLY.dump_json(expected)) == expected


async def test_chunks_are_parsed_as_one_log() -> None:
    chunks = [b"see below", b"\n\n", LOG.encode("utf-16"), b""]
    async with aclosing(ParserProcess()) as parser:
        assert await parser.parse("bounce", chunks, lambda _: None) == analyze_text("bounce", chunks)


async def test_long_log_reports_lines_read() -> None:
    lines_read: list[int] = []
    content = b"nothing to see here\n" * 10_000
    async with aclosing(ParserProcess()) as parser:
        await parser.parse("bounce", [content], lines_read.append)
    assert lines_read[:4] == [3_276, 6_553, 9_830, 10_000]


async def test_hung_text_is_killed_and_the_next_is_parsed() -> None:
    async with misbehaving(ParserLimits(stall_s=1)) as parser:
        await parse(parser, REFUSED)
        hung = parser.pid
        assert hung
        with pytest.raises(TextUnreadable, match=r"takes too long to read \(the limit is 1 s"):
            await parse(parser, "hang")
        assert not runs(hung)
        assert await parse(parser, REFUSED) == analyze_text("bounce", [REFUSED.encode()])


@pytest.mark.parametrize("action", ["kill", "leave", pytest.param("fill the memory", marks=LINUX_ONLY)])
async def test_process_that_ends_fails_one_text_only(action: str) -> None:
    async with misbehaving() as parser:
        with pytest.raises(TextUnreadable) as error:
            await parse(parser, action)
        assert str(error.value) == FAILED
        assert await parse(parser, REFUSED) == analyze_text("bounce", [REFUSED.encode()])


async def test_program_that_cannot_start_fails_with_a_sentence() -> None:
    for command in (["/nonexistent"], ["/bin/true"], ["/bin/echo", "no frames"]):
        async with aclosing(ParserProcess(command)) as parser:
            with pytest.raises(TextUnreadable) as error:
                await parse(parser, REFUSED)
            assert str(error.value) == FAILED
            assert parser.pid is None


async def test_refused_text_leaves_the_process_running() -> None:
    async with misbehaving() as parser:
        with pytest.raises(TextUnreadable, match="It is too big"):
            await parse(parser, "refuse")
        pid = parser.pid
        with pytest.raises(ParserFailed, match="a bug of the parser"):
            await parse(parser, "fail")
        assert pid
        assert parser.pid == pid


async def test_output_of_the_parser_is_not_taken_for_a_result(capfd: pytest.CaptureFixture[str]) -> None:
    async with misbehaving() as parser:
        assert await parse(parser, "write") == analyze_text("bounce", [b"write"])
    assert capfd.readouterr() == ("", "")


async def test_idle_process_is_ended() -> None:
    async with aclosing(ParserProcess(limits=ParserLimits(idle_s=0))) as parser:
        await parse(parser, REFUSED)
        await eventually(lambda: parser.pid is None)
        await parse(parser, REFUSED)


async def test_cancelled_text_ends_the_process() -> None:
    async with misbehaving() as parser:
        await parse(parser, REFUSED)
        pid = parser.pid
        assert pid
        waiting = asyncio.create_task(parse(parser, "hang"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not runs(pid)


def test_process_ends_with_its_standard_input() -> None:
    ended = subprocess.run(child_command(), stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=True)
    assert ended.stderr == b""
    assert REPLY.validate_json(ended.stdout[LENGTH.size :]) == Progress()


def test_hung_process_without_the_bot_ends_by_itself() -> None:
    request = REQUEST.dump_json(ParseRequest("bounce", (4,)))
    with subprocess.Popen((*MISBEHAVING, "0.1"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(frame(request) + b"hang")
        process.stdin.flush()
        assert process.wait(30) == -signal.SIGALRM


@LINUX_ONLY
async def test_process_has_no_socket_or_variable_of_the_bot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "a-secret-token")
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server, aclosing(ParserProcess()) as parser:
        await parse(parser, REFUSED)
        process = Path(f"/proc/{parser.pid}")
        files = {file.name for file in (process / "fd").iterdir()}
        assert files == {"0", "1", "2", "3"}  # 3 is what 1 was
        assert "a-secret-token" not in (process / "environ").read_text()


def test_deadline_follows_progress_within_what_the_length_justifies() -> None:
    mib = 2**20
    cases = {  # began at 100: now, octets read → deadline
        (100, 0): 105,
        (104, 64 * 1024): 105.25,  # one slice of a short text
        (101, 1 * mib): 106,  # 5 s after the last progress
        (120, 10 * mib): 125,
        (60 + 100, 10 * mib): 145,  # slower than 4 s per MiB
    }
    assert {case: LIMITS.deadline(100, *case) for case in cases} == cases
    assert "5 s" in TOO_SLOW.format(seconds=LIMITS.stall_s)
