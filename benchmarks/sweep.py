"""Many addresses at fifty lists: what a question costs each program, and whether it finds what is there: `python -m benchmarks.sweep`."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.running import ROOT, Ran, found, line_server, list_server, peers_python, run
from benchmarks.tables import Table, ratio, show, spread
from benchmarks.world import LISTS, addresses, questions, truth, write_catalogue, zone_names

Pairs = set[tuple[str, str]]
WINDOW = 100
OURS = "mailcheck check --file --json"
ENGINE = "mailcheck's transport"
DNSPERF = "dnsperf"


@dataclass(frozen=True, slots=True)
class Task:
    """The same work for every program: these addresses at these lists of the server on `port`."""

    folder: Path
    port: int
    addresses: list[str]
    zones: list[str]

    @property
    def questions(self) -> int:
        return len(self.addresses) * len(self.zones)

    def write(self) -> None:
        (self.folder / "addresses").write_text("\n".join(self.addresses) + "\n")
        (self.folder / "zones").write_text("\n".join(self.zones) + "\n")
        write_catalogue(self.folder / "lists.toml", self.zones)
        (self.folder / "questions").write_text("".join(questions(self.addresses, self.zones)))

    @property
    def environment(self) -> dict[str, str]:
        return {
            "MAILCHECK_NAMESERVERS": f"127.0.0.1:{self.port}",
            "MAILCHECK_BLOCKLISTS": str(self.folder / "lists.toml"),
            "MAILCHECK_SPECIAL_ADDRESSES": "allow",
            "MAILCHECK_STATE_DIR": str(self.folder / "state"),
        }


@dataclass(frozen=True, slots=True)
class Program:
    """`words` make a command line for a task; `read` finds in its output what it calls listed, and what it could not learn."""

    name: str
    words: Callable[[Task], Sequence[str]]
    read: Callable[[Task, str], tuple[Pairs, Pairs]] | None = None


def programs() -> list[Program]:
    """Those that are here; dnsperf only asks, and knows nothing of lists."""
    python = peers_python()
    here = [
        Program(ENGINE, lambda task: _module("benchmarks.engine", task), _read_peer),
        Program(OURS, mailcheck, _read_reports),
        *(Program(peer, lambda task, peer=peer: _peer(python, peer, task), _read_peer) for peer in PEER_NAMES),
    ]
    dnsperf = found(DNSPERF)
    return [Program(DNSPERF, lambda task: _dnsperf(dnsperf, task)), *here] if dnsperf else here


PEER_NAMES = ("pydnsbl", "aiodns", "dnspython")


def mailcheck(task: Task) -> list[str]:
    return [
        str(Path(sys.executable).with_name("mailcheck")),
        "check",
        "--file",
        str(task.folder / "addresses"),
        "--json",
    ]


def _module(name: str, task: Task) -> list[str]:
    return [sys.executable, "-m", name, str(task.port), str(task.folder / "addresses"), str(task.folder / "zones")]


def _peer(python: str, peer: str, task: Task) -> list[str]:
    script = str(ROOT / "benchmarks" / "peers.py")
    return [python, script, peer, str(task.port), str(task.folder / "addresses"), str(task.folder / "zones")]


def _dnsperf(dnsperf: str, task: Task) -> list[str]:
    where = ["-s", "127.0.0.1", "-p", str(task.port), "-d", str(task.folder / "questions")]
    return [dnsperf, *where, "-c1", "-T1", f"-q{WINDOW}"]


def _read_peer(_: Task, out: str) -> tuple[Pairs, Pairs]:
    said = json.loads(out)
    return set(map(tuple, said["listed"])), set(map(tuple, said["failed"]))


def _read_reports(task: Task, out: str) -> tuple[Pairs, Pairs]:
    zones = {zone.replace(".", "-"): zone for zone in task.zones}
    listed: Pairs = set()
    failed: Pairs = set()
    for line in out.splitlines():
        report = json.loads(line)
        for finding in report["findings"]:
            if finding["check"] == "blocklist" and finding["facts"]["state"] != "not_listed":
                where = listed if finding["facts"]["state"] == "listed" else failed
                where.add((report["target"]["ip"], zones[finding["about"]]))
    return listed, failed


def sweep_table(count: int, rounds: int) -> Table:
    """All programs in turn, round by round, so that a busy minute of the machine meets them all."""
    here = programs()
    with tempfile.TemporaryDirectory() as folder, list_server(count) as port:
        task = Task(Path(folder), port, addresses(count), zone_names())
        task.write()
        started = _start_up(here, port)
        runs: dict[str, list[Ran]] = {program.name: [] for program in here}
        for _ in range(rounds):
            for program in here:
                runs[program.name].append(run(program.words(task), task.environment))
        want = truth(count)
        read = {one.name: one.read(task, runs[one.name][-1].out) for one in here if one.read}
    costs = {name: [(ran.cpu_s - started[name]) / task.questions * 1e6 for ran in rows] for name, rows in runs.items()}
    reference = DNSPERF if DNSPERF in costs else ENGINE
    rows = []
    for name, ran in runs.items():
        listed, failed = read.get(name, (set(), set()))
        rows.append(
            [
                name,
                spread(costs[name]),
                ratio(costs[name], costs[reference]),
                f"{started[name]:.2f}",
                f"{median(one.wall_s for one in ran):.2f}",
                f"{max(one.peak_kb for one in ran) / 1024:.0f}",
                f"{len(listed & want)} of {len(want)}" if name in read else "",
                f"{len(listed - want)}" if name in read else "",
                f"{len(failed)}" if name in read else "",
            ]
        )
    head = [
        "program",
        "CPU µs a question",
        f"× {reference}",
        "start, s",
        "wall, s",
        "peak MB",
        "found",
        "false",
        "failed",
    ]
    return Table(f"{count:,} addresses × {LISTS} lists", head, rows)


def _start_up(here: Sequence[Program], port: int) -> dict[str, float]:
    """Seconds of CPU that each needs to come up: a run with one address, the median of three."""
    with tempfile.TemporaryDirectory() as folder:
        task = Task(Path(folder), port, addresses(1), zone_names())
        task.write()
        return {one.name: median(run(one.words(task), task.environment).cpu_s for _ in range(3)) for one in here}


def dead_list_table(count: int, rounds: int) -> Table:
    """One list of fifty never answers: what that costs the sweep, and what it does to the other lists."""
    here = [one for one in programs() if one.name != DNSPERF]
    zones = zone_names()
    listed = {f"{_backwards(ip)}.{zone}": {"A": ["127.0.0.2"], "TXT": ["Listed"]} for ip, zone in truth(count)}
    points = {f"2.0.0.127.{zone}": {"A": ["127.0.0.2"]} for zone in zones}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for program in here:
            walls: dict[bool, list[float]] = {False: [], True: []}
            wrong = 0
            for dead in [False, True] * rounds:
                every = {zones[-1]: "silent"} if dead else {}
                with line_server(listed | points, every) as port:
                    task = Task(Path(folder), port, addresses(count), zones)
                    task.write()
                    ran = run(program.words(task), task.environment)
                walls[dead].append(ran.wall_s)
                if dead and program.read:
                    others = {pair for pair in truth(count) if pair[1] != zones[-1]}
                    said, failed = program.read(task, ran.out)
                    wrong = len(said ^ others) + len([pair for pair in failed if pair[1] != zones[-1]])
            alive, with_dead = median(walls[False]), median(walls[True])
            rows.append([program.name, f"{alive:.2f}", f"{with_dead:.2f}", f"{with_dead - alive:+.2f}", str(wrong)])
    head = ["program", "all answer, wall s", "one is dead, wall s", "difference, s", "wrong at the other lists"]
    return Table(f"One dead list of {LISTS}, {count:,} addresses", head, rows)


def _backwards(address: str) -> str:
    return ".".join(reversed(address.split(".")))


def growth_table(counts: Sequence[int], lists: int = LISTS) -> Table:
    """mailcheck alone, from a handful to a great many: a question must cost the same, and memory must not grow."""
    rows = []
    for count in counts:
        with tempfile.TemporaryDirectory() as folder, list_server(count, lists) as port:
            task = Task(Path(folder), port, addresses(count), zone_names(lists))
            (task.folder / "addresses").write_text("\n".join(task.addresses) + "\n")
            write_catalogue(task.folder / "lists.toml", task.zones)
            ran = run(_counted(task), task.environment)
        reports, listed, unknown, cpu_s, peak_kb = map(float, ran.out.split())
        cost = cpu_s / task.questions * 1e6
        row = [f"{count:,}", f"{cpu_s:.1f}", f"{cost:.1f}", f"{ran.wall_s:.1f}", f"{peak_kb / 1024:.0f}"]
        rows.append([*row, f"{reports:,.0f}", f"{listed:,.0f} of {len(truth(count, lists)):,}", f"{unknown:.0f}"])
    head = [
        "addresses",
        "CPU s",
        "CPU µs a question, start included",
        "wall, s",
        "peak MB",
        "reports",
        "listings",
        "unknown",
    ]
    return Table(f"{OURS}, {lists} list{'s' if lists > 1 else ''}", head, rows)


def _counted(task: Task) -> list[str]:
    """The reports go through a pipe to a program that only counts: gigabytes of them would fill a disk."""
    return [sys.executable, "-m", "benchmarks.counted", *mailcheck(task)]


def tables(quick: bool) -> Iterator[Table]:
    yield sweep_table(200, 1 if quick else 5)
    if not quick:
        yield sweep_table(2_000, 3)
    yield dead_list_table(500, 1)
    yield growth_table([100, 1_000] if quick else [100, 1_000, 10_000, 100_000])
    yield growth_table([1_000, 10_000] if quick else [10_000, 1_000_000], lists=1)


if __name__ == "__main__":
    show(__doc__, tables)
