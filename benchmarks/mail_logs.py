"""How fast a mail log is read: `python -m benchmarks.mail_logs`. Fails over a limit, or if a count is wrong.

50,000 lines of each family of logs with known truth, and a log of 1 GB in flat memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from resource import RUSAGE_SELF, getrusage

from benchmarks.tables import Table, show
from bot.bounces.mail_log import summarize_with_examples
from bot.bounces.text_input import decode_lines
from tests.support.mail_logs import FAMILIES, Family, messages

LINES = 50_000
MAX_S = 4.0
GB = 2**30
MAX_MB = 96  # with 200,000 messages in the queue
BLOCK_LINES = 2_000


def read_family(family: Family, lines: int) -> tuple[int, float]:
    """Lines of the log and CPU seconds; stops if the counts are wrong."""
    count = round(lines / lines_per_message(family))
    text = "\n".join(family.lines(messages(count))).encode()
    truth = family.truth(messages(count))
    started = time.process_time()
    _, summary = summarize_with_examples(decode_lines([text], None))
    seconds = time.process_time() - started
    found = {(cause.cause, cause.list): cause.messages for cause in summary.causes}
    if (found, summary.refused_by_us) != (truth.causes, truth.refused_by_us):
        raise SystemExit(f"{family.name}: {found}, {summary.refused_by_us} instead of {truth}")
    return summary.lines, seconds


def lines_per_message(family: Family) -> float:
    """Lines of a message of this family, on average."""
    return sum(1 for _ in family.lines(messages(100))) / 100


def chunks(size: int) -> Iterator[bytes]:
    """A log of Postfix of that size, in chunks."""
    lines = FAMILIES[0].lines(messages(size))
    written = 0
    while written < size:
        chunk = "\n".join(islice(lines, BLOCK_LINES)).encode() + b"\n"
        written += len(chunk)
        yield chunk


def read_big_log(size: int) -> tuple[float, float]:
    """CPU seconds, with those that make the log, and by how many MB the memory of the process grew at most."""
    before_kb = getrusage(RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    summarize_with_examples(decode_lines(chunks(size), None))
    return time.process_time() - started, (getrusage(RUSAGE_SELF).ru_maxrss - before_kb) / 1024


def tables(quick: bool) -> Iterator[Table]:
    rows = []
    for family in FAMILIES:
        lines, seconds = read_family(family, LINES // (10 if quick else 1))
        rows.append([family.name, f"{lines:,}", f"{seconds:.2f}"])
        if seconds > MAX_S:
            raise SystemExit(f"{family.name}: {seconds:.1f} s for {lines:,} lines, at most {MAX_S} s")
    yield Table("Mail logs, all counts exact", ["family", "lines", "CPU s"], rows)
    size = GB // (100 if quick else 1)
    seconds, megabytes = read_big_log(size)
    if megabytes > MAX_MB:
        raise SystemExit(f"{megabytes:.0f} MB for a log of {size / GB:.2f} GB, at most {MAX_MB} MB")
    yield Table(
        "A big log as a stream", ["size", "CPU s, with making it", "MB more"],
        [[f"{size / GB:.2f} GB", f"{seconds:.0f}", f"{megabytes:.1f}"]],
    )  # fmt: skip


if __name__ == "__main__":
    show(__doc__, tables)
