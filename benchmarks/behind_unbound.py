"""Behind a cold local resolver, which is where most sweeps run: how near a Python program comes to the rate of one in C.

`python -m benchmarks.behind_unbound`; needs unbound and dnsperf. Every run has an unbound of its own that knows nothing yet.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.running import Ran, found, free_port, list_server, process_on_server, run
from benchmarks.sweep import DNSPERF, ENGINE, OURS, Program, Task, programs
from benchmarks.tables import Table, ratio, show
from benchmarks.world import addresses, zone_names

CLIENTS = (DNSPERF, ENGINE, OURS)
READY = "start of service"
SETTINGS = """
server:
  interface: 127.0.0.1@{port}
  do-ip6: no
  do-daemonize: no
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 1
  module-config: "iterator"
  do-not-query-localhost: no
  msg-cache-size: 64m
  so-rcvbuf: 1m
stub-zone:
  name: "lists.example."
  stub-addr: 127.0.0.1@{lists}
remote-control:
  control-enable: no
"""


@contextmanager
def unbound(lists: int) -> Iterator[int]:
    """An unbound that asks the lists on that port; yields its own."""
    program = found("unbound")
    if program is None:
        raise SystemExit("These runs go through unbound, which is not installed: apt-get install unbound")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "unbound.conf"
        settings.write_text(SETTINGS.format(port=port, lists=lists))
        with process_on_server([program, "-d", "-c", str(settings)], READY):
            yield port


def behind_unbound_table(count: int, rounds: int) -> Table:
    """All clients in turn, round by round; `rate` leaves out the time that a program needs to come up."""
    here = [program for program in programs() if program.name in CLIENTS]
    walls: dict[str, list[float]] = {program.name: [] for program in here}
    with list_server(count) as lists:
        start = {program.name: median(_run(program, 1, lists).wall_s for _ in range(3)) for program in here}
        for _ in range(rounds):
            for program in here:
                walls[program.name].append(_run(program, count, lists).wall_s - start[program.name])
    asked = count * len(zone_names())
    rates = {name: [asked / wall for wall in rows] for name, rows in walls.items()}
    rows = [[name, f"{median(rate):,.0f}", ratio(rate, rates[here[0].name])] for name, rate in rates.items()]
    head = ["program", "questions a second", f"× {here[0].name}"]
    return Table(f"Behind a cold unbound, {count:,} addresses × {len(zone_names())} lists", head, rows)


def _run(program: Program, count: int, lists: int) -> Ran:
    with tempfile.TemporaryDirectory() as folder, unbound(lists) as port:
        task = Task(Path(folder), port, addresses(count), zone_names())
        task.write()
        return run(program.words(task), task.environment)


def tables(quick: bool) -> Iterator[Table]:
    yield behind_unbound_table(200 if quick else 2_000, 1 if quick else 5)


if __name__ == "__main__":
    show(__doc__, tables)
