"""A valid and a broken domain with all records and servers that a full audit checks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from bot.app import BRIEF_PROBE_TIMEOUT_S
from bot.check_runner import CheckRunner
from bot.checks import sender_requirements
from bot.checks.dnsbl import InMemoryTrustCache, blocklist_check
from bot.checks.lookups import reverse_name, reversed_ip
from bot.checks.rdap import RdapClient
from bot.checks.registry import CheckSpec, Clients, SmtpProbe, bind
from bot.models import CheckRequest, Lookup, Target
from bot.net.smtp_probe import SmtpProbeCache
from bot.probe_results import Certificate, HttpPage, SmtpProbeResult
from tests.bot.checks.dkim.keys import rsa_record
from tests.support.builtin_catalog import CATALOG
from tests.support.dns_world import Zone
from tests.support.mail_world import mail_world

AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
ADDRESS, BROKEN_ADDRESS = "192.0.2.25", "192.0.2.66"
GOOD, BAD = "example.com", "example.org"
POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: mx1.example.com\r\nmx: mx2.example.com\r\nmax_age: 2592000\r\n"
RDAP_NETWORK = {"name": "EXAMPLE-NET", "entities": [{"roles": ["abuse"], "vcardArray": ["vcard", [
    ["email", {}, "text", "abuse@example.net"]]]}]}  # fmt: skip
TLSA = ["3 1 1 " + "0d6f" * 16]


def _network(ip: str) -> Zone:
    return {
        f"{reversed_ip(ip_address(ip))}.origin.asn.cymru.com": {
            "TXT": ["64496 | 192.0.2.0/24 | DE | ripencc | 2020-01-01"]
        },
        "as64496.asn.cymru.com": {"TXT": ["64496 | DE | ripencc | 2020-01-01 | EXAMPLE-AS Example GmbH, DE"]},
    }


VALID_ZONE: Zone = {
    GOOD: {"TXT": ["v=spf1 include:one.example.net mx -all"], "MX": ["10 mx1.example.com", "20 mx2.example.com"]},
    "one.example.net": {"TXT": ["v=spf1 include:two.example.net ~all"]},
    "two.example.net": {"TXT": ["v=spf1 include:three.example.net ~all"]},
    "three.example.net": {"TXT": ["v=spf1 ip4:192.0.2.0/27 ~all"]},
    "_dmarc.example.com": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@reports.example.net"]},
    "reports.example.net": {"MX": ["10 mx.example.com"]},
    "example.com._report._dmarc.reports.example.net": {"TXT": ["v=DMARC1"]},
    "s1._domainkey.example.com": {"TXT": [rsa_record(2048)]},
    "_mta-sts.example.com": {"TXT": ["v=STSv1; id=20260101T000000"]},
    "mta-sts.example.com": {"A": ["198.51.100.9"]},
    "_smtp._tls.example.com": {"TXT": ["v=TLSRPTv1; rua=mailto:tls@example.com"]},
    "default._bimi.example.com": {"TXT": ["v=BIMI1; l=https://example.com/logo.svg; a=https://example.com/vmc.pem"]},
    "mx1.example.com": {"A": ["198.51.100.1"], "AAAA": ["2001:db8::1"]},
    "mx2.example.com": {"A": ["198.51.100.2"], "AAAA": ["2001:db8::2"]},
    "_25._tcp.mx1.example.com": {"TLSA": TLSA},
    "_25._tcp.mx2.example.com": {"TLSA": TLSA},
    "mail.example.com": {"A": [ADDRESS]},
    reverse_name(ip_address(ADDRESS)): {"PTR": ["mail.example.com"]},
    **_network(ADDRESS),
}
BROKEN_ZONE: Zone = {
    BAD: {
        "TXT": [
            "v=spf1 include:_spf.mail.example include:crm.example include:news.example"
            " include:shop.example "
            "a mx include:old.example ~all"
        ],
        "MX": ["10 mx.example.org"],
        "A": ["198.51.100.7"],
        "AAAA": ["2001:db8::7"],
    },
    "_spf.mail.example": {
        "TXT": ["v=spf1 include:_a.mail.example include:_b.mail.example include:_c.mail.example ~all"]
    },
    **{
        f"_{part}.mail.example": {"TXT": [f"v=spf1 ip4:203.0.113.{n}/28 ~all"]}
        for n, part in ((0, "a"), (16, "b"), (32, "c"))
    },
    "crm.example": {"TXT": ["v=spf1 include:_spf.crm.example a:out.crm.example ~all"]},
    "_spf.crm.example": {"TXT": ["v=spf1 ip4:203.0.113.64/28 ~all"]},
    "out.crm.example": {"A": ["203.0.113.80"], "AAAA": ["2001:db8::80"]},
    "news.example": {"TXT": ["v=spf1 ip4:203.0.113.96/28 ~all"]},
    "shop.example": {"TXT": ["v=spf1 redirect=_spf.shop.example"]},
    "_spf.shop.example": {"TXT": ["v=spf1 ip4:203.0.113.112/28 ~all"]},
    "_dmarc.example.org": {"TXT": ["v=DMARC1; p=none"]},
    "s1._domainkey.example.org": {"TXT": [rsa_record(1024)]},
    "mx.example.org": {"A": ["198.51.100.3"], "AAAA": ["2001:db8::3"]},
    reverse_name(ip_address(BROKEN_ADDRESS)): {"PTR": ["host-192-0-2-66.pool.example.net"]},
    **_network(BROKEN_ADDRESS),
}


def audit_zone() -> Zone:
    return mail_world(domain={**VALID_ZONE, **BROKEN_ZONE})


@dataclass(frozen=True, slots=True)
class FakeServers:
    """Fake servers that answer after an A lookup and some round trips of `rtt_s`."""

    lookup: Lookup
    rtt_s: float = 0.0

    async def fetch(self, url: str, /) -> HttpPage:
        """Three round trips: connection, TLS, request."""
        await self.lookup(url.split("/")[2], "A")
        await asyncio.sleep(3 * self.rtt_s)
        document: Any = RDAP_NETWORK if "rdap" in url else None
        body = json.dumps(document).encode() if document else POLICY
        return HttpPage(url, "application/rdap+json" if document else "text/plain", body)

    async def probe(self, name: str, /) -> SmtpProbeResult:
        """Five round trips: connection, greeting and EHLO, STARTTLS, TLS, EHLO."""
        await self.lookup(name, "A")
        await asyncio.sleep(5 * self.rtt_s)
        days = 5 if name.endswith(BAD) else 60
        certificate = Certificate((name,), datetime.now(UTC) + timedelta(days=days))
        return SmtpProbeResult(name, offers_tls=True, tls_version="TLSv1.3", certificate=certificate)


def audit_checks(servers: FakeServers) -> tuple[CheckSpec, ...]:
    """All checks, composed as in the bot."""
    blocklists = blocklist_check(CATALOG, {}, InMemoryTrustCache(), "audit", lambda: AT)
    probe = SmtpProbeCache(servers.probe)
    smtp_probe = SmtpProbe(probe, probe.port_open, BRIEF_PROBE_TIMEOUT_S)
    return bind(Clients(blocklists, True, servers.fetch, RdapClient(servers.fetch), smtp_probe))


def audit_runner(lookup: Lookup, selected: Sequence[CheckSpec]) -> CheckRunner:
    judge = sender_requirements.judge
    return CheckRunner(selected, lookup, lookup, lambda: AT, judge=judge, allow_special=True)


REQUESTS: Mapping[str, CheckRequest] = {
    "in order": CheckRequest(Target.of(ADDRESS, GOOD), helo="mail.example.com", selectors=("s1",)),
    "in disorder": CheckRequest(Target.of(BROKEN_ADDRESS, BAD), helo="mail.example.org", selectors=("s1",)),
    "a domain in disorder": CheckRequest(Target(domain=BAD)),
}
