"""A cold check over a slow link, against its critical path of DNS round trips.

`make bench`, or `python -m benchmarks.cold_check [--delay-ms 30] [--rounds 20]`. The DNS server is a process of its own that
holds back every answer; nothing is known beforehand: no cache, no store, no list believed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.assembly import checks, now
from bot.checks.blocklists import ProcessMemory, blocklist_check, load
from bot.checkup import Checkup
from bot.model import Order, Report, Target
from bot.net.resolver import Resolver
from bot.net.servers import Server
from bot.net.transport import Transport
from tests.mail_world import GOOD, mail_world

ROUND_TRIPS = 4  # the records of SPF: the domain, and three includes that name one another


@asynccontextmanager
async def slow_server(delay_ms: float) -> AsyncIterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        zone = Path(folder) / "zone.json"
        zone.write_text(json.dumps(mail_world()))
        words = ("-m", "tests.dns_server", str(zone), "--delay-ms", str(delay_ms))
        process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
        assert process.stdout
        host, _, port = (await process.stdout.readline()).decode().strip().rpartition(":")
        try:
            yield Server(host, int(port))
        finally:
            process.terminate()
            await process.wait()


async def cold_check(server: Server) -> tuple[float, float, Report]:
    """Milliseconds of one plain question, of the check, and the report."""
    async with Transport([server]) as transport:
        started = time.perf_counter()
        await transport.query("example.com", "NS")
        round_trip = time.perf_counter() - started
        resolver = Resolver(transport, identity=str(server))
        lists = blocklist_check(load(), {}, ProcessMemory(), str(server), now)
        checkup = Checkup(
            checks(lists, True), frozenset({"network"}), resolver, resolver.fresh(), now, special_allowed=True
        )
        started = time.perf_counter()
        report = await checkup.report(Order(Target.of(GOOD, "example.com")))
        return round_trip * 1e3, (time.perf_counter() - started) * 1e3, report


async def main(delay_ms: float, rounds: int) -> int:
    async with slow_server(delay_ms) as server:
        found = [await cold_check(server) for _ in range(rounds + 1)][1:]
    round_trip = statistics.median(row[0] for row in found)
    took = sorted(row[1] for row in found)
    path = ROUND_TRIPS * round_trip
    report = found[0][2]
    lists = sum(finding.check == "blocklist" for finding in report.findings)
    print(f"{rounds} cold checks: {lists} lists, PTR, SPF include depth 3, DMARC, MX; {report.queries} questions each")
    print(f"one round trip {round_trip:.1f} ms; critical path {ROUND_TRIPS} round trips = {path:.1f} ms")
    median, p95 = statistics.median(took), took[int(len(took) * 0.95) - 1]
    print(
        f"check median {median:.1f} ms ({median / path:.2f} x), p95 {p95:.1f} ms ({p95 / path:.2f} x), verdict {report.verdict}"
    )
    return 0 if median <= 2 * path and str(report.verdict) == "pass" else 1


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--delay-ms", type=float, default=30.0)
    words.add_argument("--rounds", type=int, default=20)
    chosen = words.parse_args()
    sys.exit(asyncio.run(main(chosen.delay_ms, chosen.rounds)))
