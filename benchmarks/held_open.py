"""Probes while thousands of clients hold connections open.

`python -m benchmarks.held_open [COUNT] [--plain]`. The server has 1,024 open files; `--plain` is
uvicorn without our deadlines and limits.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.support.attacks import ATTACKS, AttackedServer, attacked_server, held_open, slowest_probe

FILES = "1024"
HELD_S = 10.0


async def measured(attack: str, count: int, options: tuple[str, ...]) -> str:
    with TemporaryDirectory() as folder:
        async with attacked_server(Path(folder), FILES, *options) as server:
            async with held_open(server.port, ATTACKS[attack], count):
                slowest, unanswered = await _probed(server)
            octets = server.log.stat().st_size
    said = f"no answer to {unanswered} of 5" if unanswered else f"{slowest * 1000:.0f} ms"
    return f"{attack:22} {count:>6,} connections   slowest probe {said:22} log {octets:>12,} octets"


async def _probed(server: AttackedServer) -> tuple[float, int]:
    """The slowest of five rounds of probes, and how many had no answer."""
    slowest, unanswered = 0.0, 0
    for _ in range(5):
        began = time.perf_counter()
        try:
            slowest = max(slowest, await slowest_probe(server.port, within=2.0))
        except (httpx.TransportError, AssertionError):
            unanswered += 1
        await asyncio.sleep(max(0.0, HELD_S / 5 - (time.perf_counter() - began)))
    return slowest, unanswered


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=5_000)
    parser.add_argument("--plain", action="store_true")
    given = parser.parse_args()
    for attack in ATTACKS:
        print(await measured(attack, given.count, ("--plain",) if given.plain else ()), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
