"""DANE for SMTP (RFC 7672): TLSA records of the mail servers of a domain.

A sender uses DANE only where the MX, address and TLSA records are all DNSSEC-validated. If the
resolver does not set the AD bit, DANE is reported as not checked, never as a fault.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.checks.finding_codes import FindingCode
from bot.checks.lookups import lookup_concurrently, lookup_or_failure, readable
from bot.inputs.domain_names import display_domain
from bot.models import CheckRequest, DnsAnswer, Finding, Lookup, LookupFailed, Verdict

# Placeholders: {domain}, {good} and {bad} (mail servers), {reason}.
CODES: Mapping[str, FindingCode] = {
    "dane.ok": FindingCode(
        "Every mail server of the domain has a usable TLSA record that is DNSSEC-validated.",
        "RFC 7672 §3.1",
        verdict=Verdict.PASS,
        summary="Servers that use DANE deliver to {domain} only over TLS, with the keys published for {good}.",
    ),
    "dane.missing": FindingCode(
        "The mail servers of the domain have no TLSA records; most domains have none.",
        "RFC 7672 §2.2",
        verdict=Verdict.PASS,
        summary="The mail servers of {domain} publish no TLSA records; mail is delivered without DANE.",
    ),
    "dane.partial": FindingCode(
        "Some mail servers of the domain have usable TLSA records and others have none.",
        "RFC 7672 §2.2",
        "Publish TLSA records for every mail server.",
        verdict=Verdict.WARN,
        summary="DANE protects {good} but not {bad}, so an attacker can redirect mail for {domain} to the server "
        "without it.",
        remediation="Publish TLSA records for every mail server of the domain, each in a zone signed with DNSSEC.",
    ),
    "dane.unusable": FindingCode(
        "A mail server has TLSA records and senders can use none of them (RFC 7672 §3.1).",
        "RFC 7672 §3.1",
        "Publish records of usage 3 or 2 that match the certificate, or remove them.",
        verdict=Verdict.WARN,
        summary="Senders can use none of the TLSA records of {bad}, so they send mail for {domain} over TLS without "
        "verifying the server.",
        remediation="Publish a record of the form 3 1 1 with the SHA-256 of the server's public key.",
    ),
    "dane.not-checked": FindingCode(
        "The answers about the mail servers are not DNSSEC-validated, so DANE was not checked.",
        "RFC 7672 §2.1",
        verdict=Verdict.PASS,
        summary="DANE of {domain}: not checked, because the answers about its mail servers are not DNSSEC-validated "
        "(the zone is not signed, or this resolver does not validate).",
    ),
    "dane.no-answer": FindingCode(
        "The zone is signed, and DNS did not answer for a TLSA record; senders that use DANE hold mail back then.",
        "RFC 7672 §2.1",
        "Check the name servers of the zone that the finding names: senders that use DANE hold mail back meanwhile.",
        verdict=Verdict.UNKNOWN,
        summary="DNS did not answer for the TLSA records of {bad} ({reason}); senders that use DANE hold mail back "
        "until it does.",
        remediation="Make sure that the name servers of the zone answer TLSA queries, then check again.",
    ),
}
MAX_MX_HOSTS = 10
USAGES, SELECTORS = {2, 3}, {0, 1}  # DANE-TA, DANE-EE; full certificate, public key
DIGEST_OCTETS = {1: 32, 2: 64}  # SHA-256, SHA-512; type 0 is the data itself
NUMBER = re.compile(r"[0-9]{1,3}")
HEXADECIMAL = re.compile(r"(?:[0-9a-f]{2})+")


class BadTlsa(ValueError):
    """The text is not three numbers followed by hexadecimal data."""


@dataclass(frozen=True, slots=True)
class Tlsa:
    """A TLSA record: certificate usage, selector, matching type (RFC 6698 §2.1).

    `data` is lower-case hexadecimal.
    """

    usage: int
    selector: int
    matching_type: int
    data: str

    @property
    def usable(self) -> bool:
        """Whether an SMTP sender may use it; PKIX-TA(0) and PKIX-EE(1) are not for SMTP."""
        octets = DIGEST_OCTETS.get(self.matching_type, len(self.data) // 2)
        is_supported = self.usage in USAGES and self.selector in SELECTORS and self.matching_type in (0, *DIGEST_OCTETS)
        return is_supported and len(self.data) == 2 * octets

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching_type} {self.data}"


@dataclass(frozen=True, slots=True)
class HostTlsa:
    """DANE state of one mail server.

    `authentic` is false where the answers are not validated, so that DANE does not apply.
    `unanswered` is the reason of a failed TLSA lookup.
    """

    host: str
    authentic: bool
    records: tuple[Tlsa, ...] = ()
    unanswered: str | None = None

    @property
    def usable(self) -> bool:
        return any(record.usable for record in self.records)


async def check(request: CheckRequest, lookup: Lookup) -> list[Finding]:
    """Check DANE of the target domain, for up to ten mail servers concurrently."""
    domain = request.target.domain
    if domain is None:
        return []
    mx = await lookup_or_failure(lookup, domain, "MX")
    if isinstance(mx, LookupFailed) or not mx.authentic:
        return [_finding("dane.not-checked", domain, [])]
    hosts = sorted({record.partition(" ")[2].lower().rstrip(".") for record in mx.records} - {""})
    protections = await asyncio.gather(*(lookup_host_tlsa(lookup, host) for host in hosts[:MAX_MX_HOSTS]))
    return judge(domain, protections) if protections else []


async def lookup_host_tlsa(lookup: Lookup, host: str) -> HostTlsa:
    """Look up the TLSA records of a mail server (RFC 7672 §2.2)."""
    *addresses, tlsa = await lookup_concurrently(lookup, [(host, "A"), (host, "AAAA"), (f"_25._tcp.{host}", "TLSA")])
    answers = [answer for answer in addresses if isinstance(answer, DnsAnswer)]
    if not answers or not all(answer.authentic for answer in answers):
        return HostTlsa(host, authentic=False)
    if isinstance(tlsa, LookupFailed):
        return HostTlsa(host, authentic=True, unanswered=tlsa.reason)
    if not tlsa.authentic:
        return HostTlsa(host, authentic=False)
    return HostTlsa(host, authentic=True, records=tuple(parse_records(tlsa.records)))


def judge(domain: str, hosts: Sequence[HostTlsa]) -> list[Finding]:
    """Findings about these mail servers; the last one says how far DANE protects the domain."""
    unanswered = [host for host in hosts if host.unanswered]
    unusable = [host for host in hosts if host.records and not host.usable]
    usable = [host for host in hosts if host.usable]
    without_records = [host for host in hosts if not host.records and not host.unanswered]
    findings = [_finding("dane.no-answer", domain, hosts, unanswered)] if unanswered else []
    findings += [_finding("dane.unusable", domain, hosts, unusable)] if unusable else []
    if usable and without_records:
        return [*findings, _finding("dane.partial", domain, hosts, without_records)]
    if findings:
        return findings
    proven = any(host.authentic for host in hosts)
    return [_finding("dane.ok" if usable else "dane.missing" if proven else "dane.not-checked", domain, hosts)]


def parse_records(texts: Sequence[str]) -> list[Tlsa]:
    """Parse records in the order of the answer; an unreadable one becomes an unusable one."""
    return [_parse_or_unusable(text) for text in texts]


def parse_tlsa(text: str) -> Tlsa:
    """Parse `3 1 1 0d6f…`, the data in one piece or several. Raises BadTlsa."""
    parts = text.split()
    numbers, data = parts[:3], "".join(parts[3:]).lower()
    if len(numbers) < 3 or not all(map(NUMBER.fullmatch, numbers)):
        raise BadTlsa(text)
    if not HEXADECIMAL.fullmatch(data):
        raise BadTlsa(text)
    usage, selector, matching = map(int, numbers)
    return Tlsa(usage, selector, matching, data)


def _parse_or_unusable(text: str) -> Tlsa:
    try:
        return parse_tlsa(text)
    except BadTlsa:
        return Tlsa(-1, -1, -1, "")


def _finding(code: str, domain: str, hosts: Sequence[HostTlsa], bad: Sequence[HostTlsa] = ()) -> Finding:
    text = CODES[code]
    values = {
        "domain": display_domain(domain),
        "good": ", ".join(readable(host.host) for host in hosts if host.usable),
        "bad": ", ".join(readable(host.host) for host in bad),
        "reason": next((host.unanswered for host in bad if host.unanswered), ""),
    }
    facts = {
        "keys": {host.host: [str(record) for record in host.records] for host in hosts if host.records},
        "not_proven": [host.host for host in hosts if not host.authentic],
    }
    return Finding("dane", domain, text.verdict, code, *text.fill(values), facts)
