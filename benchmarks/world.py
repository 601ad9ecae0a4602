"""Blocklists and addresses of the benchmarks: fifty zones for any server, and their listings.

Deterministic: addresses from 10.0.0.0/8, names below the top-level domain `example`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

LISTS = 50
LISTED_SHARE = 0.02  # of all pairs of address and list
FIRST = int(IPv4Address("10.0.0.0"))
CODES = (2, 3, 4, 10)
REVERSE_ZONE = "10.in-addr.arpa"  # without PTR records

CATALOG_HEAD = (
    '[refusals]\n"127.255.255.254" = { effect = "refused", reason = "public-resolver",'
    ' means = "the question came through a public resolver" }\n'
)
CATALOG_LIST = """
[[list]]
id = "{id}"
name = "{id}"
operator = "{id}"
zone = "{zone}"
kinds = ["ip4"]
nature = "evidence"
severity = "{severity}"
controls = "{controls}"
removal = {{ who = "automatic", look = "https://{zone}/?q={{ip}}" }}
source = "https://{zone}/"
{limits}[list.codes]
"127.0.0.*" = {{ effect = "listed", means = "it was seen to send spam" }}
"""
ZONE_HEAD = "$SOA 300 ns1.{zone} hostmaster.{zone} 0 600 300 86400 150\n$NS 300 ns1.{zone}\n$TTL 300\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """Listing of an address, with the last octet of the return code."""

    address: int
    code: int


def zone_names(count: int = LISTS) -> list[str]:
    return [f"bl{number:02d}.lists.example" for number in range(count)]


def addresses(count: int) -> list[str]:
    """`count` different addresses, scattered over 10.0.0.0/8."""
    return [str(IPv4Address(FIRST + (number * 7919 + 257) % (1 << 24))) for number in range(count)]


def entries(zone: str, count: int) -> list[Entry]:
    """Listings of the zone among the first `count` addresses."""
    rng = random.Random(f"{zone} {count}")
    numbers = rng.sample(range(count), max(1, round(count * LISTED_SHARE)))
    return [Entry((number * 7919 + 257) % (1 << 24), rng.choice(CODES)) for number in sorted(numbers)]


def expected_listings(count: int, lists: int = LISTS) -> set[tuple[str, str]]:
    """Every pair of an address and a zone that lists it."""
    return {
        (str(IPv4Address(FIRST + entry.address)), zone) for zone in zone_names(lists) for entry in entries(zone, count)
    }


def write_zones(folder: Path, count: int, lists: int = LISTS) -> list[str]:
    """Write zone files for rbldnsd; returns its zone arguments."""
    arguments = []
    for zone in zone_names(lists):
        text = f"Listed by {zone}, see https://{zone}/?q=$"
        lines = [ZONE_HEAD.format(zone=zone), f":127.0.0.2:{text}\n127.0.0.2\n"]
        lines += [f"{IPv4Address(FIRST + entry.address)} :{entry.code}:{text}\n" for entry in entries(zone, count)]
        (folder / f"{zone}.zone").write_text("".join(lines))
        arguments.append(f"{zone}:ip4set:{zone}.zone")
    (folder / "reverse.zone").write_text(ZONE_HEAD.format(zone=REVERSE_ZONE))
    return [*arguments, f"{REVERSE_ZONE}:generic:reverse.zone"]


def write_catalog(
    file: Path, zones: Iterable[str], *, severity: str = "low", per_second: int | None = None, controls: str = "both"
) -> None:
    """Write the lists for `MAILCHECK_BLOCKLISTS`; `per_second` limits the queries of each."""
    limits = f"per_second = {per_second}\n" if per_second else ""
    ids = ((zone.replace(".", "-"), zone) for zone in zones)
    rows = (
        CATALOG_LIST.format(id=id_, zone=zone, severity=severity, limits=limits, controls=controls) for id_, zone in ids
    )
    file.write_text(CATALOG_HEAD + "".join(rows))


def query_lines(ips: Iterable[str], zones: Iterable[str]) -> Iterator[str]:
    """Lines of a dnsperf query file: every address at every list."""
    names = list(zones)
    for address in ips:
        label = ".".join(reversed(address.split(".")))
        for zone in names:
            yield f"{label}.{zone} A\n"
