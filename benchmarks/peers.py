"""Other Python packages on the same addresses and lists: `peers.py NAME PORT IPS ZONES`.

Runs in the venv that has them. Prints one JSON object with the listed and the failed pairs. Each
package is used as its documentation shows, with up to 100 queries in flight.
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
CONCURRENCY = 100
Pairs = list[tuple[str, str]]
Results = tuple[Pairs, Pairs]


def query_name(address: str, zone: str) -> str:
    return ".".join(reversed(address.split("."))) + "." + zone


async def pydnsbl(port: int, addresses: list[str], zones: list[str]) -> Results:
    import aiodns
    from pydnsbl import DNSBLIpChecker
    from pydnsbl.providers import Provider

    providers = [Provider(zone) for zone in zones]
    checker = DNSBLIpChecker(providers=providers, timeout=5, tries=2, concurrency=CONCURRENCY)
    checker._resolver = aiodns.DNSResolver(nameservers=["127.0.0.1"], timeout=5, tries=2, udp_port=port)
    listed: Pairs = []
    failed: Pairs = []
    for result in await asyncio.gather(*(checker.check_async(address) for address in addresses)):
        listed += [(result.addr, zone) for zone in result.detected_by]
        failed += [(result.addr, provider.host) for provider in result.failed_providers]
    return listed, failed


async def aiodns(port: int, addresses: list[str], zones: list[str]) -> Results:
    import aiodns

    resolver = aiodns.DNSResolver(nameservers=["127.0.0.1"], timeout=5, tries=2, udp_port=port)

    async def is_listed(address: str, zone: str) -> bool | None:
        try:
            return bool(await resolver.query(query_name(address, zone), "A"))
        except aiodns.error.DNSError as error:
            return False if error.args[0] in (1, 4) else None  # NODATA, NXDOMAIN

    return await _query_all(addresses, zones, is_listed)


async def dnspython(port: int, addresses: list[str], zones: list[str]) -> Results:
    import dns.asyncresolver
    import dns.exception
    import dns.resolver

    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], port, 5.0

    async def is_listed(address: str, zone: str) -> bool | None:
        try:
            return bool(await resolver.resolve(query_name(address, zone), "A", search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return False
        except dns.exception.DNSException:
            return None

    return await _query_all(addresses, zones, is_listed)


async def _query_all(
    addresses: list[str], zones: list[str], is_listed: Callable[[str, str], Coroutine[Any, Any, bool | None]]
) -> Results:
    listed: Pairs = []
    failed: Pairs = []
    pairs: Iterable[tuple[str, str]] = iter([(address, zone) for address in addresses for zone in zones])

    async def work() -> None:
        for address, zone in pairs:
            result = await is_listed(address, zone)
            if result is not False:
                (listed if result else failed).append((address, zone))

    await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
    return listed, failed


PEERS = {"pydnsbl": pydnsbl, "aiodns": aiodns, "dnspython": dnspython}


async def main(name: str, port: int, addresses: list[str], zones: list[str]) -> None:
    listed, failed = await PEERS[name](port, addresses, zones)
    print(json.dumps({"listed": listed, "failed": failed}))


if __name__ == "__main__":
    files = [Path(file).read_text().split() for file in sys.argv[3:]]
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), *files))
