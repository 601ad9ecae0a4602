"""The DNS client alone, as bulk checks use it, with the output format of `peers.py`.

`python -m benchmarks.dns_client PORT IPS ZONES`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from bot.models import DnsAnswer
from bot.net.dns_client import DnsClient
from bot.net.nameservers import Server

CONCURRENCY = 64  # addresses; the client has a hundred queries in flight


async def main(port: int, addresses: list[str], zones: list[str]) -> None:
    waiting = iter(addresses)
    listed: list[tuple[str, str]] = []
    failed: list[tuple[str, str]] = []
    async with DnsClient([Server("127.0.0.1", port)]) as client:

        async def work() -> None:
            for address in waiting:
                label = ".".join(reversed(address.split(".")))
                results = await client.query_many(label, zones)
                for zone, result in zip(zones, results, strict=True):
                    if not isinstance(result, DnsAnswer):
                        failed.append((address, zone))
                    elif result.records:
                        listed.append((address, zone))

        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
    print(json.dumps({"listed": listed, "failed": failed}))


if __name__ == "__main__":
    files = [Path(file).read_text().split() for file in sys.argv[2:]]
    asyncio.run(main(int(sys.argv[1]), *files))
