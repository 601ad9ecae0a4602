"""The transport by itself, as a sweep uses it, in the form of a peer: `python -m benchmarks.engine PORT IPS ZONES`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from bot.models import Answer
from bot.net.dns_client import Transport
from bot.net.nameservers import Server

AT_ONCE = 64  # addresses; the transport keeps a hundred questions on the wire


async def main(port: int, addresses: list[str], zones: list[str]) -> None:
    waiting = iter(addresses)
    listed: list[tuple[str, str]] = []
    failed: list[tuple[str, str]] = []
    async with Transport([Server("127.0.0.1", port)]) as transport:

        async def work() -> None:
            for address in waiting:
                outcomes = await transport.ask_all(".".join(reversed(address.split("."))), zones)
                for zone, outcome in zip(zones, outcomes, strict=True):
                    if not isinstance(outcome, Answer):
                        failed.append((address, zone))
                    elif outcome.records:
                        listed.append((address, zone))

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    print(json.dumps({"listed": listed, "failed": failed}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *(Path(file).read_text().split() for file in sys.argv[2:])))
