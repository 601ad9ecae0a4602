"""Query rate behind a local resolver with an empty cache, compared with dnsperf.

`python -m benchmarks.behind_unbound`; needs unbound and dnsperf. Every run starts a new unbound.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.bulk_check import DNSPERF, ENGINE, OURS, Program, Task, programs
from benchmarks.running import RunResult, find_program, list_server, process_on_server, run
from benchmarks.tables import Table, ratio, show
from benchmarks.world import addresses, zone_names
from tests.support.unused_port import unused_port

CLIENTS = (DNSPERF, ENGINE, OURS)
READY = "start of service"
CONFIG = """
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
    """Run an unbound that forwards to the list server on that port; yields its own port."""
    program = find_program("unbound")
    if program is None:
        raise SystemExit("These runs go through unbound, which is not installed: apt-get install unbound")
    port = unused_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "unbound.conf"
        config.write_text(CONFIG.format(port=port, lists=lists))
        with process_on_server([program, "-d", "-c", str(config)], READY):
            yield port


def behind_unbound_table(count: int, rounds: int) -> Table:
    """All clients in turn within each round; rates exclude the start-up time."""
    clients = [program for program in programs() if program.name in CLIENTS]
    walls: dict[str, list[float]] = {program.name: [] for program in clients}
    with list_server(count) as lists:
        start_s = {program.name: median(_run(program, 1, lists).wall_s for _ in range(3)) for program in clients}
        for _ in range(rounds):
            for program in clients:
                wall_s = _run(program, count, lists).wall_s
                walls[program.name].append(wall_s - start_s[program.name])
    queries = count * len(zone_names())
    rates = {name: [queries / wall_s for wall_s in times] for name, times in walls.items()}
    reference = clients[0].name
    rows = [[name, f"{median(rate):,.0f}", ratio(rate, rates[reference])] for name, rate in rates.items()]
    head = ["program", "questions a second", f"× {reference}"]
    title = f"Behind a cold unbound, {count:,} addresses × {len(zone_names())} lists"
    return Table(title, head, rows)


def _run(program: Program, count: int, lists: int) -> RunResult:
    with tempfile.TemporaryDirectory() as folder, unbound(lists) as port:
        task = Task(Path(folder), port, addresses(count), zone_names())
        task.write()
        return run(program.command(task), task.environment)


def tables(quick: bool) -> Iterator[Table]:
    yield behind_unbound_table(200 if quick else 2_000, 1 if quick else 5)


if __name__ == "__main__":
    show(__doc__, tables)
