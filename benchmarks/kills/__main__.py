"""`python -m benchmarks.kills [--kills 100 --server-kills 10 --alerts 2000 --seed N]`; ends with 1 where anything was wrong."""

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
    words = argparse.ArgumentParser(description=benchmarks.kills.__doc__, formatter_class=argparse.RawTextHelpFormatter)
    words.add_argument("--kills", type=int, default=100)
    words.add_argument("--server-kills", type=int, default=10)
    words.add_argument("--alerts", type=int, default=2000)
    words.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    words.add_argument("--keep", action="store_true", help="keep the state directory, with the logs in it")
    chosen = words.parse_args()
    plan = Plan(chosen.kills, chosen.server_kills, chosen.alerts, chosen.seed)
    print(f"seed {plan.seed}", flush=True)
    state = Path(tempfile.mkdtemp(prefix="mailcheck-kills-"))
    began = time.monotonic()
    here, told = asyncio.run(run(plan, state))
    print(f"{here.kills} kills of processes, {here.server_kills} of the server, {time.monotonic() - began:.0f} s")
    print(f"Slack: {dict(here.slack.calls)}, refused {len(here.slack.refused)}")
    print(told)
    for name in ("lost", "doubled", "unasked", "out_of_order", "stale"):
        for line in getattr(told, name)[:10]:
            print(f"  {name}: {line}")
    print("log: " + ", ".join(f"{event} {number}" for event, number in events(state).most_common()))
    if chosen.keep or not told.right:
        print(f"the logs are in {state}")
    else:
        shutil.rmtree(state)
    return 0 if told.right else 1


def events(state: Path) -> Counter[str]:
    """What the processes said that was more than information."""
    said: Counter[str] = Counter()
    for log in state.glob("*.log"):
        text = log.read_text(errors="replace")
        said.update(re.findall(r"\[(?:warning|error) *\] (.*?)(?:  |$)", text, re.MULTILINE))
        said["Traceback"] += text.count("Traceback (most recent call last)")
    return said


if __name__ == "__main__":
    sys.exit(main())
