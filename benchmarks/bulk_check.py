"""Bulk checks at fifty lists: cost of a query for each program, and its listings.

`python -m benchmarks.bulk_check`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.running import ROOT, RunResult, delayed_dns_server, find_program, list_server, peers_python, run
from benchmarks.tables import Table, ratio, show, spread
from benchmarks.world import LISTS, addresses, expected_listings, query_lines, write_catalog, zone_names

Pairs = set[tuple[str, str]]
WINDOW = 100
OURS = "mailcheck check --file --json"
ENGINE = "mailcheck's transport"
DNSPERF = "dnsperf"


@dataclass(frozen=True, slots=True)
class Task:
    """The work of every program: addresses and lists, with the list server on `port`."""

    folder: Path
    port: int
    addresses: list[str]
    zones: list[str]

    @property
    def query_count(self) -> int:
        return len(self.addresses) * len(self.zones)

    def write(self) -> None:
        (self.folder / "addresses").write_text("\n".join(self.addresses) + "\n")
        (self.folder / "zones").write_text("\n".join(self.zones) + "\n")
        write_catalog(self.folder / "lists.toml", self.zones)
        (self.folder / "queries").write_text("".join(query_lines(self.addresses, self.zones)))

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
    """A program with its command line, and a parser of its output: listed and failed pairs."""

    name: str
    command: Callable[[Task], Sequence[str]]
    read: Callable[[Task, str], tuple[Pairs, Pairs]] | None = None


def programs() -> list[Program]:
    """The installed programs; dnsperf only sends queries and has no notion of lists."""
    python = peers_python()
    installed = [
        Program(ENGINE, lambda task: _module("benchmarks.dns_client", task), _read_peer),
        Program(OURS, mailcheck, _read_reports),
        *(Program(peer, lambda task, peer=peer: _peer(python, peer, task), _read_peer) for peer in PEER_NAMES),
    ]
    dnsperf = find_program(DNSPERF)
    if not dnsperf:
        return installed
    return [Program(DNSPERF, lambda task: _dnsperf(dnsperf, task)), *installed]


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
    return [sys.executable, "-m", name, *_peer_arguments(task)]


def _peer(python: str, peer: str, task: Task) -> list[str]:
    script = str(ROOT / "benchmarks" / "peers.py")
    return [python, script, peer, *_peer_arguments(task)]


def _peer_arguments(task: Task) -> list[str]:
    return [str(task.port), str(task.folder / "addresses"), str(task.folder / "zones")]


def _dnsperf(dnsperf: str, task: Task) -> list[str]:
    source = ["-s", "127.0.0.1", "-p", str(task.port), "-d", str(task.folder / "queries")]
    return [dnsperf, *source, "-c1", "-T1", f"-q{WINDOW}"]


def _read_peer(_: Task, out: str) -> tuple[Pairs, Pairs]:
    pairs = json.loads(out)
    return set(map(tuple, pairs["listed"])), set(map(tuple, pairs["failed"]))


def _read_reports(task: Task, out: str) -> tuple[Pairs, Pairs]:
    zones = {zone.replace(".", "-"): zone for zone in task.zones}
    listed: Pairs = set()
    failed: Pairs = set()
    for line in out.splitlines():
        report = json.loads(line)
        for finding in report["findings"]:
            if finding["check"] != "blocklist" or finding["facts"]["state"] == "not_listed":
                continue
            pairs = listed if finding["facts"]["state"] == "listed" else failed
            pairs.add((report["target"]["ip"], zones[finding["about"]]))
    return listed, failed


def bulk_table(count: int, rounds: int) -> Table:
    """All programs in turn within each round, so that load of the machine affects all of them."""
    installed = programs()
    with tempfile.TemporaryDirectory() as folder, list_server(count) as port:
        task = Task(Path(folder), port, addresses(count), zone_names())
        task.write()
        start_s = _start_up_cpu(installed, port)
        results: dict[str, list[RunResult]] = {program.name: [] for program in installed}
        for _ in range(rounds):
            for program in installed:
                results[program.name].append(run(program.command(task), task.environment))
        pairs = {
            program.name: program.read(task, results[program.name][-1].out) for program in installed if program.read
        }
    expected = expected_listings(count)
    costs = {
        name: [(result.cpu_s - start_s[name]) / task.query_count * 1e6 for result in of_program]
        for name, of_program in results.items()
    }
    reference = DNSPERF if DNSPERF in costs else ENGINE
    rows = [
        [
            name,
            spread(costs[name]),
            ratio(costs[name], costs[reference]),
            f"{start_s[name]:.2f}",
            f"{median(result.wall_s for result in of_program):.2f}",
            f"{max(result.peak_kb for result in of_program) / 1024:.0f}",
            *_correctness(expected, pairs.get(name)),
        ]
        for name, of_program in results.items()
    ]
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


def _correctness(expected: Pairs, read: tuple[Pairs, Pairs] | None) -> tuple[str, str, str]:
    """How many listings were found, were false, and failed; empty for a program whose output is not read."""
    if read is None:
        return "", "", ""
    listed, failed = read
    return f"{len(listed & expected)} of {len(expected)}", f"{len(listed - expected)}", f"{len(failed)}"


def _start_up_cpu(installed: Sequence[Program], port: int) -> dict[str, float]:
    """CPU seconds to start: median of three runs with one address."""
    with tempfile.TemporaryDirectory() as folder:
        task = Task(Path(folder), port, addresses(1), zone_names())
        task.write()
        return {
            program.name: median(run(program.command(task), task.environment).cpu_s for _ in range(3))
            for program in installed
        }


def dead_list_table(count: int, rounds: int) -> Table:
    """One list of fifty never answers: its cost, and its effect on the other lists."""
    installed = [program for program in programs() if program.name != DNSPERF]
    zones = zone_names()
    listed = {
        f"{_reversed(ip)}.{zone}": {"A": ["127.0.0.2"], "TXT": ["Listed"]} for ip, zone in expected_listings(count)
    }
    points = {f"2.0.0.127.{zone}": {"A": ["127.0.0.2"]} for zone in zones}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for program in installed:
            walls: dict[bool, list[float]] = {False: [], True: []}
            wrong = 0
            for dead in [False, True] * rounds:
                faults = {zones[-1]: "silent"} if dead else {}
                with delayed_dns_server(listed | points, faults) as port:
                    task = Task(Path(folder), port, addresses(count), zones)
                    task.write()
                    result = run(program.command(task), task.environment)
                walls[dead].append(result.wall_s)
                if dead and program.read:
                    wrong = _wrong_pairs(program.read(task, result.out), count, zones[-1])
            alive, with_dead = median(walls[False]), median(walls[True])
            seconds = [f"{alive:.2f}", f"{with_dead:.2f}", f"{with_dead - alive:+.2f}"]
            rows.append([program.name, *seconds, str(wrong)])
    head = ["program", "all answer, wall s", "one is dead, wall s", "difference, s", "wrong at the other lists"]
    return Table(f"One dead list of {LISTS}, {count:,} addresses", head, rows)


def _wrong_pairs(pairs: tuple[Pairs, Pairs], count: int, dead_zone: str) -> int:
    """Wrong or failed results at the lists other than the dead one."""
    listed, failed = pairs
    expected = {pair for pair in expected_listings(count) if pair[1] != dead_zone}
    return len(listed ^ expected) + len([pair for pair in failed if pair[1] != dead_zone])


def _reversed(address: str) -> str:
    return ".".join(reversed(address.split(".")))


def growth_table(counts: Sequence[int], lists: int = LISTS) -> Table:
    """mailcheck alone, with growing input: cost of a query and memory must stay the same."""
    rows = []
    for count in counts:
        with tempfile.TemporaryDirectory() as folder, list_server(count, lists) as port:
            task = Task(Path(folder), port, addresses(count), zone_names(lists))
            (task.folder / "addresses").write_text("\n".join(task.addresses) + "\n")
            write_catalog(task.folder / "lists.toml", task.zones)
            result = run(_count_reports(task), task.environment)
        reports, listed, unknown, cpu_s, peak_kb = map(float, result.out.split())
        cost = cpu_s / task.query_count * 1e6
        expected = len(expected_listings(count, lists))
        rows.append(
            [
                f"{count:,}",
                f"{cpu_s:.1f}",
                f"{cost:.1f}",
                f"{result.wall_s:.1f}",
                f"{peak_kb / 1024:.0f}",
                f"{reports:,.0f}",
                f"{listed:,.0f} of {expected:,}",
                f"{unknown:.0f}",
            ]
        )
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


def _count_reports(task: Task) -> list[str]:
    """The reports are piped to a program that counts them: gigabytes would fill the disk."""
    return [sys.executable, "-m", "benchmarks.count_reports", *mailcheck(task)]


def tables(quick: bool) -> Iterator[Table]:
    yield bulk_table(200, 1 if quick else 5)
    if not quick:
        yield bulk_table(2_000, 3)
    yield dead_list_table(500, 1)
    yield growth_table([100, 1_000] if quick else [100, 1_000, 10_000, 100_000])
    yield growth_table([1_000, 10_000] if quick else [10_000, 1_000_000], lists=1)


if __name__ == "__main__":
    show(__doc__, tables)
