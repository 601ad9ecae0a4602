"""The lists and the addresses of the benchmarks: fifty zones that any server can serve, and what is on them.

Addresses come from 10.0.0.0/8, names from the top-level domain `example`; the same numbers give the same world everywhere.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

LISTS = 50
LISTED_SHARE = 0.02  # of all pairs of an address and a list
FIRST = int(IPv4Address("10.0.0.0"))
CODES = (2, 3, 4, 10)
REVERSE = "10.in-addr.arpa"  # nobody there has a name

CATALOGUE_HEAD = """[refusals]
"127.255.255.254" = { effect = "refused", reason = "public-resolver", means = "the question came through a public resolver" }
"""
CATALOGUE_LIST = """
[[list]]
id = "{id}"
name = "{id}"
operator = "{id}"
zone = "{zone}"
kinds = ["ip4"]
nature = "evidence"
severity = "{severity}"
controls = "both"
removal = {{ who = "automatic", look = "https://{zone}/?q={{ip}}" }}
source = "https://{zone}/"
{limits}[list.codes]
"127.0.0.*" = {{ effect = "listed", means = "it was seen to send spam" }}
"""
ZONE_HEAD = "$SOA 300 ns1.{zone} hostmaster.{zone} 0 600 300 86400 150\n$NS 300 ns1.{zone}\n$TTL 300\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """One address on one list, with the last octet of the answer."""

    address: int
    code: int


def zone_names(count: int = LISTS) -> list[str]:
    return [f"bl{number:02d}.lists.example" for number in range(count)]


def addresses(count: int) -> list[str]:
    """`count` different addresses, scattered over 10.0.0.0/8."""
    return [str(IPv4Address(FIRST + (number * 7919 + 257) % (1 << 24))) for number in range(count)]


def entries(zone: str, count: int) -> list[Entry]:
    """What the zone lists of the first `count` addresses."""
    dice = random.Random(f"{zone} {count}")
    numbers = dice.sample(range(count), max(1, round(count * LISTED_SHARE)))
    return [Entry((number * 7919 + 257) % (1 << 24), dice.choice(CODES)) for number in sorted(numbers)]


def truth(count: int, lists: int = LISTS) -> set[tuple[str, str]]:
    """Every pair of an address and a zone that lists it."""
    return {(str(IPv4Address(FIRST + e.address)), zone) for zone in zone_names(lists) for e in entries(zone, count)}


def write_zones(folder: Path, count: int, lists: int = LISTS) -> list[str]:
    """Zone files for rbldnsd; returns the words of its command line."""
    words = []
    for zone in zone_names(lists):
        lines = [ZONE_HEAD.format(zone=zone), f":127.0.0.2:Listed by {zone}, see https://{zone}/?q=$\n127.0.0.2\n"]
        lines += [
            f"{IPv4Address(FIRST + entry.address)} :{entry.code}:Listed by {zone}, see https://{zone}/?q=$\n"
            for entry in entries(zone, count)
        ]
        (folder / f"{zone}.zone").write_text("".join(lines))
        words.append(f"{zone}:ip4set:{zone}.zone")
    (folder / "reverse.zone").write_text(ZONE_HEAD.format(zone=REVERSE))
    return [*words, f"{REVERSE}:generic:reverse.zone"]


def write_catalogue(file: Path, zones: Iterable[str], *, severity: str = "low", per_second: int | None = None) -> None:
    """The lists as `MAILCHECK_BLOCKLISTS` reads them; `per_second` is how often each may be asked."""
    limits = f"per_second = {per_second}\n" if per_second else ""
    ids = ((zone.replace(".", "-"), zone) for zone in zones)
    rows = (CATALOGUE_LIST.format(id=id_, zone=zone, severity=severity, limits=limits) for id_, zone in ids)
    file.write_text(CATALOGUE_HEAD + "".join(rows))


def questions(asked: Iterable[str], zones: Iterable[str]) -> Iterator[str]:
    """The lines of a query file for dnsperf: every address at every list."""
    names = list(zones)
    for address in asked:
        label = ".".join(reversed(address.split(".")))
        for zone in names:
            yield f"{label}.{zone} A\n"
