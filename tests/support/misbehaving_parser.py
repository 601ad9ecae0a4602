"""The child process of the parser with an analysis that does what the text says.

`python -m tests.support.misbehaving_parser [SECONDS]`: as `abandoned_after_s`.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Mapping

from bot.bounces.mail_log import LogTooBig
from bot.bounces.pasted_text import TextAnalysis, analyze_text
from bot.parser_process.child import ABANDONED_AFTER_S, main

EXPONENTIAL = re.compile(r"(a+)+$")


def hang() -> None:
    """Holds the interpreter, so that no thread and no signal handler of Python runs."""
    EXPONENTIAL.match("a" * 60 + "b")


def refuse() -> None:
    raise LogTooBig("It is too big.")


def fail() -> None:
    raise RuntimeError("a bug of the parser")


def write_noise() -> None:
    os.write(1, b"noise")
    print("noise")


ACTIONS: Mapping[str, Callable[[], object]] = {
    "hang": hang,
    "refuse": refuse,
    "fail": fail,
    "write": write_noise,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "leave": lambda: os._exit(0),
    "fill the memory": lambda: bytes(2**31),
}


def analyze(verb: str, chunks: Iterable[bytes]) -> TextAnalysis:
    action = ACTIONS.get(b"".join(chunks).decode())
    if action:
        action()
    return analyze_text(verb, chunks)


if __name__ == "__main__":
    main(analyze, float(sys.argv[1]) if len(sys.argv) > 1 else ABANDONED_AFTER_S)
