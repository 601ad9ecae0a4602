"""What others make of the same addresses and lists. Run by the interpreter that has them: `peers.py NAME PORT IPS ZONES`.

Prints one JSON object: the pairs that the peer calls listed, and those that it says it could not learn. Each is used as its
documentation shows, with up to a hundred questions on the wire.
"""

from __future__ import annotations

import asyncio
import json
import sys
import warnings
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")
AT_ONCE = 100
Pairs = list[tuple[str, str]]
Outcome = tuple[Pairs, Pairs]


def backwards(address: str, zone: str) -> str:
    return ".".join(reversed(address.split("."))) + "." + zone


async def pydnsbl(port: int, addresses: list[str], zones: list[str]) -> Outcome:
    import aiodns
    from pydnsbl import DNSBLIpChecker
    from pydnsbl.providers import Provider

    checker = DNSBLIpChecker(providers=[Provider(zone) for zone in zones], timeout=5, tries=2, concurrency=AT_ONCE)
    checker._resolver = aiodns.DNSResolver(nameservers=["127.0.0.1"], timeout=5, tries=2, udp_port=port)
    listed: Pairs = []
    failed: Pairs = []
    for result in await asyncio.gather(*(checker.check_async(address) for address in addresses)):
        listed += [(result.addr, zone) for zone in result.detected_by]
        failed += [(result.addr, provider.host) for provider in result.failed_providers]
    return listed, failed


async def aiodns(port: int, addresses: list[str], zones: list[str]) -> Outcome:
    import aiodns

    resolver = aiodns.DNSResolver(nameservers=["127.0.0.1"], timeout=5, tries=2, udp_port=port)

    async def ask(address: str, zone: str) -> bool | None:
        try:
            return bool(await resolver.query(backwards(address, zone), "A"))
        except aiodns.error.DNSError as error:
            return False if error.args[0] in (1, 4) else None  # no data, no such name

    return await _each(addresses, zones, ask)


async def dnspython(port: int, addresses: list[str], zones: list[str]) -> Outcome:
    import dns.asyncresolver
    import dns.exception
    import dns.resolver

    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], port, 5.0

    async def ask(address: str, zone: str) -> bool | None:
        try:
            return bool(await resolver.resolve(backwards(address, zone), "A", search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return False
        except dns.exception.DNSException:
            return None

    return await _each(addresses, zones, ask)


async def _each(
    addresses: list[str], zones: list[str], ask: Callable[[str, str], Coroutine[Any, Any, bool | None]]
) -> Outcome:
    listed: Pairs = []
    failed: Pairs = []
    pairs: Iterable[tuple[str, str]] = iter([(address, zone) for address in addresses for zone in zones])

    async def work() -> None:
        for address, zone in pairs:
            there = await ask(address, zone)
            if there is not False:
                (listed if there else failed).append((address, zone))

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return listed, failed


PEERS = {"pydnsbl": pydnsbl, "aiodns": aiodns, "dnspython": dnspython}


async def main(name: str, port: int, addresses: list[str], zones: list[str]) -> None:
    listed, failed = await PEERS[name](port, addresses, zones)
    print(json.dumps({"listed": listed, "failed": failed}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), *(Path(file).read_text().split() for file in sys.argv[3:])))
