"""Results of each program for failing lists: errors must be neither "listed" nor "clean".

`python -m benchmarks.faults`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bulk_check import DNSPERF, ENGINE, OURS, Pairs, Task, programs
from benchmarks.running import delayed_dns_server, run
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
    zones = {f"fault{number}.lists.example": fault for number, fault in enumerate(FAULTS)}
    rows = []
    with tempfile.TemporaryDirectory() as folder, delayed_dns_server({}, zones) as port:
        task = Task(Path(folder), port, [ADDRESS], list(zones))
        task.write()
        for program in programs():
            if program.name in (DNSPERF, ENGINE) or program.read is None:
                continue
            out = run(program.command(task), task.environment).out
            states = _states(out) if program.name == OURS else {}
            pairs = program.read(task, out)
            cells = [states.get(zone) or _result(zone, *pairs) for zone in zones]
            rows.append([program.name, *cells])
    return Table("What is said of a list that fails", ["program", *FAULTS.values()], rows)


def _result(zone: str, listed: Pairs, failed: Pairs) -> str:
    if (ADDRESS, zone) in listed:
        return "**listed**"
    return "failed" if (ADDRESS, zone) in failed else "clean"


def _states(out: str) -> dict[str, str]:
    """State and reason in mailcheck's report, by zone."""
    findings = [row for row in json.loads(out)["findings"] if row["check"] == "blocklist"]
    facts = [row["facts"] for row in findings]
    return {fact["zone"]: f"{fact['state']} ({fact['reason']})" for fact in facts}


def tables(_: bool) -> Iterator[Table]:
    yield faults_table()


if __name__ == "__main__":
    show(__doc__, tables)
