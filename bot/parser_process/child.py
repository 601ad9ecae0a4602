"""The program of the child process: analyzes one text after the other until its standard input ends."""

from __future__ import annotations

import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from bot.bounces.pasted_text import TextAnalysis, analyze_text
from bot.bounces.text_input import LogTooBig, NotText
from bot.parser_process.frames import LENGTH, REPLY, REQUEST, ParseError, ParseResult, Progress, TextRefused, frame

SLICE_BYTES = 64 * 2**10  # progress is reported once per slice
MAX_MEMORY_BYTES = 512 * 2**20
ABANDONED_AFTER_S = 60.0  # for one text; the bot kills sooner, unless it was killed itself
MAX_STACK_TRACE = 4_000

Analyze = Callable[[str, Iterable[bytes]], TextAnalysis]
Send = Callable[[Progress | ParseResult], None]


def main(analyze: Analyze = analyze_text, abandoned_after_s: float = ABANDONED_AFTER_S) -> None:
    """Answer requests on standard input. Prints nothing: what any code prints goes to standard error."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # they reach the whole group; the bot ends this process when it is done
    for kind, limit in ((resource.RLIMIT_AS, MAX_MEMORY_BYTES), (resource.RLIMIT_CORE, 0)):
        with suppress(ValueError, OSError):  # macOS has no limit of the address space
            resource.setrlimit(kind, (limit, limit))

    def send(reply: Progress | ParseResult) -> None:
        replies.write(frame(REPLY.dump_json(reply)))
        replies.flush()

    send(Progress())
    while length := sys.stdin.buffer.read(LENGTH.size):
        request = REQUEST.validate_json(sys.stdin.buffer.read(*LENGTH.unpack(length)))
        text = PastedText(tuple(map(sys.stdin.buffer.read, request.sizes)), send)
        signal.setitimer(signal.ITIMER_REAL, abandoned_after_s)  # the kernel kills, whatever the interpreter does
        send(_analyze(analyze, request.verb, text))
        signal.setitimer(signal.ITIMER_REAL, 0)


@dataclass(frozen=True, slots=True)
class PastedText:
    """The chunks of a text in slices; reports progress when a slice is done."""

    chunks: tuple[bytes, ...]
    send: Send

    def __iter__(self) -> Iterator[bytes]:
        octets_read = lines_read = 0
        for chunk in self.chunks:
            for start in range(0, len(chunk), SLICE_BYTES):
                text = chunk[start : start + SLICE_BYTES]
                yield text
                octets_read, lines_read = octets_read + len(text), lines_read + text.count(b"\n")
                self.send(Progress(octets_read, lines_read))


def _analyze(analyze: Analyze, verb: str, text: Iterable[bytes]) -> ParseResult:
    try:
        return analyze(verb, text)
    except (LogTooBig, NotText) as error:
        return TextRefused(str(error))
    except MemoryError:
        raise  # ends this process: what is left of its memory is not known
    except Exception:
        return ParseError(traceback.format_exc()[-MAX_STACK_TRACE:])


if __name__ == "__main__":
    main()
