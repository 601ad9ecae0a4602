"""Runs all benchmarks and writes `docs/performance.md`: `make bench`, about half an hour.

`--quick` is a trial run that writes nothing; a run over a limit of `benchmarks.limits` writes nothing either.
Single benchmarks: `python -m benchmarks.bulk_check`.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import ack, behind_unbound, bulk_check, cold_check, endurance, faults, limits, mail_logs
from benchmarks.running import ROOT, find_program, peers_python
from benchmarks.tables import Table

PAGE = ROOT / "docs" / "performance.md"
INTRODUCTION = """# Performance

Written by `make bench`; nothing here is by hand. All programs of a table ran in turn on one core,
round by round, and the servers on another one, so a busy minute of the machine meets them all: read
the ratios, which are medians of the ratios within one round (lowest–highest in brackets), before
the absolute figures.

- **CPU of a question** is user and system time of the whole process without its start, which has a
  column of its own.
- **found, false, failed**: listings found of those that are there, listings that are none, pairs
  that the program says it could not learn.
- `mailcheck check --file --json` is the whole product: thrown letter case, retries, test points of
  every list, classification, the reverse name, texts of listings, and a report of some 20 kB for
  each address. dnsperf only asks.
- A sweep uses no store and no cache of list answers, so its memory does not depend on the number of
  lines.
- **critical path**: the round trips that follow one another in any case: 1 for the lists, 4 for a
  whole check (SPF includes three deep).
"""


PARTS = (bulk_check, behind_unbound, faults, cold_check, endurance, ack, limits, mail_logs)


def tables(quick: bool) -> Iterator[Table]:
    for part in PARTS:
        for table in part.tables(quick):
            print(table, file=sys.stderr, flush=True)
            yield table


def machine() -> str:
    """Hardware and versions, without anything that identifies the host."""
    models = [line for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    model = models[0].split(":")[1].strip() if models else "?"
    packages = ("pydnsbl", "aiodns", "pycares", "dnspython")
    pip_list = [peers_python(), "-m", "pip", "list", "--format", "freeze"]
    installed = subprocess.run(pip_list, capture_output=True, text=True, check=True).stdout.split()
    versions = [line.replace("==", " ") for line in installed if line.split("==")[0] in packages]
    missing = [name for name in ("dnsperf", "massdns") if not find_program(name)]
    kernel = platform.release().partition("-")[0]
    return "\n".join(
        [
            f"Measured {datetime.now(UTC):%Y-%m-%d} on {model},"
            f" {len(os.sched_getaffinity(0))} cores, Linux {kernel},"
            f" Python {platform.python_version()}; {', '.join(versions)}.",
            *([f"Not installed here, so not measured: {', '.join(missing)}."] if missing else []),
            "",
        ]
    )


def _lines(file: str) -> list[str]:
    return Path(file).read_text().splitlines()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    page = "\n".join([INTRODUCTION, machine(), *map(str, tables(options.quick))])
    if not options.quick:
        PAGE.write_text(page)


if __name__ == "__main__":
    main()
