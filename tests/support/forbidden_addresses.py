"""Special-purpose addresses that must never be contacted, and the ways to point a client at one.

One table for two suites: `make test` records which addresses are dialled; in `make e2e` every
address answers.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import partial
from ipaddress import ip_address

import httpcore

from bot.models import DnsAnswer, Lookup
from bot.net.https_fetch import fetch
from bot.net.smtp_probe import Dial, dial, probe, probe_host
from bot.probe_results import ProbeError, ProbeFailed, SmtpProbeResult
from tests.support.dns_world import World
from tests.support.public_addresses import PUBLIC

ADDRESSES = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.8.8.8 168.63.129.16
169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1
192.88.99.1 192.168.1.1 192.175.48.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 233.252.0.1
239.255.255.250 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:1.2.3.4 64:ff9b::7f00:1 64:ff9b:1::7f00:1 100::1
100:0:0:1::1 2001:0:7f00:1::1 2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 2001:100::1
2001:db8::1 2002:7f00:1:: 2620:4f:8000::1 3fff::1 1000::1 4000::1 5f00::1 8000::1 fc00::1
fd00:ec2::254 fe80::1 fec0::1 ff02::1
"""
FORBIDDEN = ADDRESSES.split()
Backend = httpcore.AsyncNetworkBackend
HOST = "web.example"
METHODS = ("literal", "A", "AAAA", "CNAME", "mixed", "rebinding", "redirect")
FETCH_RESULTS: Mapping[str, str] = dict.fromkeys(METHODS, ProbeError.SPECIAL) | {
    "rebinding": "page",  # from the public address that was resolved once
    "redirect": ProbeError.REDIRECT,
}
PROBE_RESULTS: Mapping[str, str] = dict.fromkeys(METHODS, ProbeError.SPECIAL) | {"rebinding": ProbeError.REFUSED}


class Rebinding:
    """A name with a public address at first, and a forbidden one afterwards."""

    def __init__(self, forbidden: str) -> None:
        self._forbidden = forbidden
        self._queried: set[str] = set()

    async def __call__(self, name: str, rdtype: str, /) -> DnsAnswer:
        first = rdtype not in self._queried
        self._queried.add(rdtype)
        if first:
            return DnsAnswer(name, rdtype, (PUBLIC,) if rdtype == "A" else ())
        return DnsAnswer(name, rdtype, (self._forbidden,) if rdtype == _rdtype(self._forbidden) else ())


def target_of(method: str, forbidden: str) -> tuple[str, Lookup]:
    """The host to contact and the DNS that points it at a forbidden address."""
    rdtype = _rdtype(forbidden)
    as_ipv6 = forbidden if rdtype == "AAAA" else f"::ffff:{forbidden}"
    inside = {rdtype: [forbidden]}
    both = [PUBLIC, forbidden] if rdtype == "A" else [forbidden]
    targets: dict[str, tuple[str, Lookup]] = {
        "literal": (forbidden, World({})),
        "A": (HOST, World({HOST: {"A": [forbidden]}})),
        "AAAA": (HOST, World({HOST: {"AAAA": [as_ipv6]}})),
        "CNAME": (HOST, World({HOST: {"CNAME": ["in.example"]}, "in.example": inside})),
        "mixed": (HOST, World({HOST: {"A": [PUBLIC], rdtype: both}})),
        "rebinding": (HOST, Rebinding(forbidden)),
        "redirect": (HOST, World({HOST: {"A": [PUBLIC]}})),
    }
    return targets[method]


async def fetch_result(method: str, forbidden: str, trust: ssl.SSLContext, line: Backend | None = None) -> str:
    """Result of an HTTPS fetch: "page", or the error."""
    host, lookup = target_of(method, forbidden)
    query = f"?https://{_bracketed(forbidden)}/" if method == "redirect" else ""
    try:
        await fetch(f"https://{_bracketed(host)}/{query}", lookup, tls_context=trust, backend=line)
    except ProbeFailed as error:
        return error.error
    return "page"


def http_reply(request: bytes) -> bytes:
    """A page, or a redirect to the URL in the query."""
    location = request.split()[1].partition(b"?")[2]
    status = b"302 Found\r\nLocation: " + location if location else b"200 OK"
    return b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"


async def probe_result(method: str, forbidden: str, dial: Dial = dial) -> str:
    """Result of an SMTP probe: "done", or the error. Its redirect is an MX that is an address."""
    host, lookup = target_of(method, forbidden)
    probe_at = partial(probe, dial=dial)
    result: SmtpProbeResult = await (
        probe_at(ip_address(forbidden), HOST)
        if method == "literal"
        else probe_host(forbidden if method == "redirect" else host, lookup, probe_at)
    )
    return result.error or "done"


def _rdtype(ip: str) -> str:
    return "AAAA" if ":" in ip else "A"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
