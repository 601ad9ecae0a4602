"""Command line of the kill benchmark; exits with 1 if any message was wrong.

`python -m benchmarks.kills [--kills 100 --server-kills 10 --alerts 2000 --seed N]`.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import benchmarks.kills
from benchmarks.kills.run import Plan, run


def main() -> int:
    parser = argparse.ArgumentParser(
        description=benchmarks.kills.__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--server-kills", type=int, default=10)
    parser.add_argument("--alerts", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--keep", action="store_true", help="keep the state directory, with the logs in it")
    options = parser.parse_args()
    plan = Plan(options.kills, options.server_kills, options.alerts, options.seed)
    print(f"seed {plan.seed}", flush=True)
    state = Path(tempfile.mkdtemp(prefix="mailcheck-kills-"))
    started = time.monotonic()
    benchmark, audit = asyncio.run(run(plan, state))
    print(
        f"{benchmark.kills} kills of processes, {benchmark.server_kills} of the server,"
        f" {time.monotonic() - started:.0f} s"
    )
    print(f"Slack: {dict(benchmark.slack.calls)}, refused {len(benchmark.slack.rejected)}")
    print(audit)
    for kind, lines in audit.errors().items():
        for line in lines[:10]:
            print(f"  {kind}: {line}")
    events = log_events(state).most_common()
    print("log: " + ", ".join(f"{event} {count}" for event, count in events))
    if options.keep or not audit.passed:
        print(f"the logs are in {state}")
    else:
        shutil.rmtree(state)
    return 0 if audit.passed else 1


def log_events(state: Path) -> Counter[str]:
    """Warnings, errors and tracebacks in the logs of the processes."""
    events: Counter[str] = Counter()
    for log in state.glob("*.log"):
        text = log.read_text(errors="replace")
        events.update(re.findall(r"\[(?:warning|error) *\] (.*?)(?:  |$)", text, re.MULTILINE))
        events["Traceback"] += text.count("Traceback (most recent call last)")
    return events


if __name__ == "__main__":
    sys.exit(main())
