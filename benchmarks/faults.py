"""What each program makes of a list that fails: an answer that is none must not be called listed, and silence not clean: `python -m benchmarks.faults`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.running import line_server, run
from benchmarks.sweep import DNSPERF, ENGINE, OURS, Task, programs
from benchmarks.tables import Table, show

FAULTS = {
    "servfail": "SERVFAIL",
    "refused": "REFUSED",
    "silent": "no answer",
    "127.255.255.254": "127.255.255.254 (query refused)",
    "203.0.113.7": "an address outside 127/8 (parked)",
}
ADDRESS = "10.0.0.9"


def faults_table() -> Table:
    zones = {f"fault{number}.lists.example": word for number, word in enumerate(FAULTS)}
    rows = []
    with tempfile.TemporaryDirectory() as folder, line_server({}, zones) as port:
        task = Task(Path(folder), port, [ADDRESS], list(zones))
        task.write()
        for program in programs():
            if program.name in (DNSPERF, ENGINE) or program.read is None:
                continue
            out = run(program.words(task), task.environment).out
            said = _states(out) if program.name == OURS else {}
            listed, failed = program.read(task, out)
            rows.append(
                [program.name]
                + [
                    said.get(zone)
                    or (
                        "**listed**"
                        if (ADDRESS, zone) in listed
                        else "failed"
                        if (ADDRESS, zone) in failed
                        else "clean"
                    )
                    for zone in zones
                ]
            )
    return Table("What is said of a list that fails", ["program", *FAULTS.values()], rows)


def _states(out: str) -> dict[str, str]:
    """A list's state in our own words, by its zone."""
    findings = [row for row in json.loads(out)["findings"] if row["check"] == "blocklist"]
    return {row["facts"]["zone"]: f"{row['facts']['state']} ({row['facts']['reason']})" for row in findings}


def tables(_: bool) -> Iterator[Table]:
    yield faults_table()


if __name__ == "__main__":
    show(__doc__, tables)
