"""The child process that parses text: started for the first one, killed when a text takes too long or none comes."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from bot.bounces.pasted_text import TextAnalysis
from bot.parser_process.frames import (
    LENGTH,
    MAX_FRAME_BYTES,
    REPLY,
    REQUEST,
    ParseError,
    ParseRequest,
    ParseResult,
    Progress,
    TextRefused,
    frame,
)

# Isolated (-I), so that neither PYTHONPATH nor the working directory counts; then the modules of this process,
# its own `bot` first.
START = "import sys; sys.path[:] = sys.argv[1:]; from bot.parser_process.child import main; main()"
ROOT = Path(__file__).absolute().parents[2]
VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")  # no tokens
MAX_LOGGED = 2_000  # characters of what the process printed
TOO_SLOW = (
    "This text takes too long to read (the limit is {seconds:g} s, and more for a long log that is read steadily);"
    " send only the lines about the refusal, or only the header."
)
FAILED = (
    "Reading this text failed unexpectedly; send it once more, and if it fails again,"
    " only the lines about the refusal or only the header."
)

log = structlog.get_logger()


class TextUnreadable(Exception):
    """The text could not be analyzed; the message is one sentence that says what to do instead."""


class ParserFailed(Exception):
    """The parser raised an exception; the message is its stack trace."""


@dataclass(frozen=True, slots=True)
class ParserLimits:
    """Seconds: to start; without progress; more for each MiB that was read; until an idle process is ended.

    A text of one slice has `stall_s`. A long log has more while it is read steadily, but no more than its length
    justifies: many slices that each take almost `stall_s` would hold the process for minutes.
    """

    start_s: float = 30.0
    stall_s: float = 5.0
    mib_s: float = 4.0
    idle_s: float = 60.0

    def deadline(self, began: float, now: float, octets_read: int = 0) -> float:
        """When the process is to be killed, if nothing more than the `octets_read` until now is read."""
        return self.stall_s + min(now, began + self.mib_s * octets_read / 2**20)


LIMITS = ParserLimits()


def child_command() -> list[str]:
    return [sys.executable, "-I", "-c", START, str(ROOT), *filter(None, sys.path)]


class ParserProcess:
    """Parses one text after the other. Any failure ends the process, and the next text starts a fresh one."""

    def __init__(self, command: Sequence[str] = (), limits: ParserLimits = LIMITS) -> None:
        self._command, self._limits = command or child_command(), limits
        self._lock = asyncio.Lock()
        self._process: Process | None = None
        self._idle: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, if one is running."""
        return self._process.pid if self._process else None

    async def parse(self, verb: str, chunks: Sequence[bytes], on_progress: Callable[[int], None]) -> TextAnalysis:
        """Analyze a text; `on_progress` gets the number of lines read. Raises TextUnreadable and ParserFailed."""
        request = ParseRequest(verb, tuple(map(len, chunks)))
        try:
            async with self._lock, self._ended_on_failure():
                result = await self._exchange(request, chunks, on_progress)
        except TimeoutError:
            raise TextUnreadable(TOO_SLOW.format(seconds=self._limits.stall_s)) from None
        except (OSError, EOFError, ValueError):  # it cannot start, it died, or it sent nonsense
            raise TextUnreadable(FAILED) from None
        match result:
            case TextRefused(sentence):
                raise TextUnreadable(sentence)
            case ParseError(stack_trace):
                raise ParserFailed(stack_trace)
        return result

    async def aclose(self) -> None:
        """End the process, after the text that is being parsed."""
        async with self._lock:
            self._cancel_idle()
            await self._end()

    @asynccontextmanager
    async def _ended_on_failure(self) -> AsyncIterator[None]:
        self._cancel_idle()
        try:
            yield
        except BaseException as error:
            printed = await self._end()
            log.warning("parser process ended", error=type(error).__name__, printed=printed)
            raise
        self._idle = asyncio.create_task(self._end_when_idle())

    async def _exchange(
        self, request: ParseRequest, chunks: Sequence[bytes], on_progress: Callable[[int], None]
    ) -> ParseResult:
        process, loop = self._process or await self._start(), asyncio.get_running_loop()
        assert process.stdin
        began = loop.time()
        async with asyncio.timeout_at(self._limits.deadline(began, began)) as deadline:
            process.stdin.writelines((frame(REQUEST.dump_json(request)), *chunks))
            await process.stdin.drain()
            while isinstance(reply := await _receive(process), Progress):
                deadline.reschedule(self._limits.deadline(began, loop.time(), reply.octets_read))
                on_progress(reply.lines_read)
        return reply

    async def _start(self) -> Process:
        environment = {name: os.environ[name] for name in VARIABLES if name in os.environ}
        async with asyncio.timeout(self._limits.start_s):
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE
            )
            await _receive(self._process)
        return self._process

    async def _end_when_idle(self) -> None:
        await asyncio.sleep(self._limits.idle_s)
        async with self._lock:
            await self._end()

    def _cancel_idle(self) -> None:
        if self._idle:
            self._idle.cancel()

    async def _end(self) -> str:
        """Kill the process, if there is one; returns the end of what it printed."""
        process, self._process = self._process, None
        if process is None:
            return ""
        assert process.stderr
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        return (await process.stderr.read()).decode(errors="replace")[-MAX_LOGGED:]


async def _receive(process: Process) -> Progress | ParseResult:
    """The next frame. Raises IncompleteReadError if the process ended, and ValueError for nonsense."""
    assert process.stdout
    (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
    if length > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {length} octets")
    return REPLY.validate_json(await process.stdout.readexactly(length))
