"""The addresses that no door may connect to, and every way to lead one there.

One table for two suites: `make test` records what the doors dial; in `make e2e` every address
answers.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import partial
from ipaddress import ip_address

import httpcore

from bot.model import Answer, Lookup
from bot.net.fetch import fetch
from bot.net.smtp import Dial, dial, probe, probe_host
from bot.visits import SmtpFacts, Trouble, VisitFailed
from tests.bot.net.elsewhere import PUBLIC
from tests.dns_world import World

KINDS = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.8.8.8 168.63.129.16
169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1
192.88.99.1 192.168.1.1 192.175.48.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 233.252.0.1
239.255.255.250 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:1.2.3.4 64:ff9b::7f00:1 64:ff9b:1::7f00:1 100::1
100:0:0:1::1 2001:0:7f00:1::1 2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 2001:100::1
2001:db8::1 2002:7f00:1:: 2620:4f:8000::1 3fff::1 1000::1 4000::1 5f00::1 8000::1 fc00::1
fd00:ec2::254 fe80::1 fec0::1 ff02::1
"""
FORBIDDEN = KINDS.split()
Line = httpcore.AsyncNetworkBackend
HOST = "web.example"
WAYS = ("literal", "A", "AAAA", "CNAME", "mixed", "rebinding", "redirect")
WEB: Mapping[str, str] = dict.fromkeys(WAYS, Trouble.SPECIAL) | {
    "rebinding": "page",  # from the public address that the guard resolved, once
    "redirect": Trouble.REDIRECT,
}
MAIL: Mapping[str, str] = dict.fromkeys(WAYS, Trouble.SPECIAL) | {"rebinding": Trouble.REFUSED}


class Rebinding:
    """A name that is public when it is asked first, and forbidden ever after."""

    def __init__(self, forbidden: str) -> None:
        self._forbidden = forbidden
        self._asked: set[str] = set()

    async def __call__(self, name: str, kind: str, /) -> Answer:
        first = kind not in self._asked
        self._asked.add(kind)
        if first:
            return Answer(name, kind, (PUBLIC,) if kind == "A" else ())
        return Answer(name, kind, (self._forbidden,) if kind == _kind(self._forbidden) else ())


def led(way: str, forbidden: str) -> tuple[str, Lookup]:
    """The host to ask for and what the DNS says of it, by the name of the trick."""
    kind = _kind(forbidden)
    as_ipv6 = forbidden if kind == "AAAA" else f"::ffff:{forbidden}"
    inside = {kind: [forbidden]}
    both = [PUBLIC, forbidden] if kind == "A" else [forbidden]
    ways: dict[str, tuple[str, Lookup]] = {
        "literal": (forbidden, World({})),
        "A": (HOST, World({HOST: {"A": [forbidden]}})),
        "AAAA": (HOST, World({HOST: {"AAAA": [as_ipv6]}})),
        "CNAME": (HOST, World({HOST: {"CNAME": ["in.example"]}, "in.example": inside})),
        "mixed": (HOST, World({HOST: {"A": [PUBLIC], kind: both}})),
        "rebinding": (HOST, Rebinding(forbidden)),
        "redirect": (HOST, World({HOST: {"A": [PUBLIC]}})),
    }
    return ways[way]


async def web(way: str, forbidden: str, trust: ssl.SSLContext, line: Line | None = None) -> str:
    """What the HTTPS door says when it is led there: "page", or why not."""
    host, lookup = led(way, forbidden)
    query = f"?https://{_bracketed(forbidden)}/" if way == "redirect" else ""
    try:
        await fetch(f"https://{_bracketed(host)}/{query}", lookup, trust=trust, line=line)
    except VisitFailed as failed:
        return failed.trouble
    return "page"


def reply(request: bytes) -> bytes:
    """A page; or a redirect, where the query of the request names its goal."""
    goal = request.split()[1].partition(b"?")[2]
    status = b"302 Found\r\nLocation: " + goal if goal else b"200 OK"
    return b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"


async def mail(way: str, forbidden: str, dial: Dial = dial) -> str:
    """What the SMTP door says: "done", or why not. Its one redirect is an MX that is an address."""
    host, lookup = led(way, forbidden)
    at_the_door = partial(probe, dial=dial)
    facts: SmtpFacts = await (
        at_the_door(ip_address(forbidden), HOST)
        if way == "literal"
        else probe_host(forbidden if way == "redirect" else host, lookup, at_the_door)
    )
    return facts.trouble or "done"


def _kind(ip: str) -> str:
    return "AAAA" if ":" in ip else "A"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
