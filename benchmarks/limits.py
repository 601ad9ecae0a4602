"""Times that must not be exceeded: `python -m benchmarks.limits`. Fails over a limit.

CPU time of the product's own work on long and hostile input, and Redis commands on a full store. That
such work grows linearly is held by the tests, on any machine.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import count
from pathlib import Path

from benchmarks.tables import Table, show
from benchmarks.watches import Figures, measure
from bot.bounces.classify import explain
from bot.bounces.mail_log import MAX_BYTES, decode_lines, summarize_with_examples
from bot.bounces.message_headers import analyze_headers
from bot.checks.spf.macros import BadSyntax
from bot.checks.spf.record import parse_record
from bot.inputs.domain_names import BadDomain, parse_domain
from bot.inputs.targets import BadTarget, parse_targets
from bot.storage.embedded_valkey import EmbeddedValkey
from bot.storage.redis_client import open_client
from handlers.charts import layout_timeline, render_svg
from handlers.charts.png import render_png
from handlers.charts.timeline import Bar, Row, RowKind, Timeline
from handlers.slack.mrkdwn import extract_targets, strip_markup
from tests.support.incident_stories import T0

ROUNDS, NUMBERS = 3, count()
REFUSAL = (
    "Nov 24 07:40:13 mail postfix/smtp[2213]: 4F2C1A: to=<a@example.com>, relay=mx.example.com[198.51.100.1]:25,"
    " dsn=5.7.1, status=bounced (host mx.example.com[198.51.100.1] said: 554 5.7.1 Service unavailable; Client host"
    " [203.0.113.5] blocked using zen.spamhaus.org (in reply to RCPT TO command))\n"
)
OTHER_LINE = "Nov 24 07:40:11 mail postfix/qmgr[2212]: 4F2C1A: removed\n"
SPF_PIECES = {"v=spf1 ": "ip4:192.0.2.1 ", "v=spf1 a:": "a.", "v=spf1 exists:": "%{l1r-.+}", "v=spf1 x=": "%{"}


def refuse_targets() -> None:
    for text in ("a@" * 100_000, "a " * 10_000, "a." * 130 + "example", "word " * 80, "2001:db8::1::2"):
        with suppress(BadTarget):
            parse_targets(text)


def refuse_domain() -> None:
    with suppress(BadDomain):
        parse_domain("\u0378ü" * 50_000)


def explain_lines() -> None:
    for piece in ("::1 ", "550-", "(in reply to ", "host a[1.2.3.4] ", "from=<", "client host [", "ip * "):
        explain(piece * (65_536 // len(piece)) + str(next(NUMBERS)))  # no text twice: answers are cached


def read_headers() -> None:
    for piece in ("Received: from ", "from a (", "a=b;", "\t folded\n", "Authentication-Results: ((((\n"):
        analyze_headers("From: a@example.org\nReceived: from " + piece * (262_144 // len(piece)))


def summarize_log() -> None:
    block = (REFUSAL + OTHER_LINE * 4).encode()
    summarize_with_examples(decode_lines(block for _ in range(MAX_BYTES // len(block))))


def parse_spf_records() -> None:
    for start, piece in SPF_PIECES.items():
        with suppress(BadSyntax):
            parse_record(start + piece * (65_536 // len(piece)))


def find_targets() -> None:
    for unit in (".", "1.", "<http://", "::1 ", "["):
        extract_targets(strip_markup(unit * 100_000))


def render_timeline() -> None:
    bars = tuple(Bar(T0 + timedelta(hours=2 * n), T0 + timedelta(hours=2 * n + 1)) for n in range(1_000))
    scene = layout_timeline(
        Timeline("A watch", T0, T0 + timedelta(hours=2_000), (Row("A list", RowKind.LISTED, bars, "1000h"),))
    )
    render_png(scene)
    render_svg(scene)


LIMITS: tuple[tuple[str, Callable[[], None], float], ...] = (  # name, function, limit of its CPU time in ms
    ("refuse five pasted texts that are no targets", refuse_targets, 50),
    ("refuse a domain of 100,000 characters", refuse_domain, 10),
    ("explain seven lines of 64 kB", explain_lines, 100),
    ("analyze five messages with 256 kB of headers", read_headers, 1_000),
    ("summarize a mail log of 10 MB", summarize_log, 5_000),
    ("parse four SPF records of 64 kB", parse_spf_records, 1_000),
    ("find targets in five Slack messages of 100,000 units", find_targets, 500),
    ("draw a timeline of 1,000 changes", render_timeline, 500),
)
MAX_COMMAND_MS = 50
COMMAND_WATCHES = 20_000


def cpu_ms(function: Callable[[], None]) -> float:
    """Best of three."""
    times_ms = []
    for _ in range(ROUNDS):
        started = time.process_time()
        function()
        times_ms.append((time.process_time() - started) * 1e3)
    return min(times_ms)


async def watch_figures(watches: int) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedValkey(Path(folder)) as server, open_client(server.url, 5.0) as redis:
            return await measure(redis, watches)


def tables(quick: bool) -> Iterator[Table]:
    measured = [(name, cpu_ms(function), limit) for name, function, limit in LIMITS]
    watches = COMMAND_WATCHES // (10 if quick else 1)
    figures = asyncio.run(watch_figures(watches))
    measured += [
        (f"slowest `{command}` of a watch beside {watches:,}", ms, MAX_COMMAND_MS)
        for command, ms in figures.slowest_ms.items()
    ]
    rows = [[name, f"{ms:.1f}", f"{limit:,.0f}"] for name, ms, limit in measured]
    yield Table("Limits", ["what", "ms", "at most"], rows)
    if over := [name for name, ms, limit in measured if ms > limit]:
        raise SystemExit(f"over the limit: {'; '.join(over)}")


if __name__ == "__main__":
    show(__doc__, tables)
