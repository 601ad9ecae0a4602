"""DANE: the keys that senders must find at the mail servers of a domain (RFC 7672), looked at only where DNSSEC proves them.

A sender uses DANE only when the MX records, the address and the TLSA records are all validated. Where the resolver does
not say so, nothing was checked; that is never a fault.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.checks.finding_codes import Code, Outcome
from bot.checks.lookups import ask, ask_all, readable
from bot.inputs.domain_names import shown
from bot.models import Answer, Finding, Lookup, LookupFailed, Order, Verdict

CODES: Mapping[str, Code] = {
    "dane.ok": Code(
        "Every mail server of the domain has a TLSA record that senders can use, proven by DNSSEC.", "RFC 7672 §3.1"
    ),
    "dane.missing": Code(
        "The mail servers of the domain have no TLSA records; most domains have none.", "RFC 7672 §2.2"
    ),
    "dane.partial": Code(
        "Some mail servers of the domain have usable TLSA records and others have none.",
        "RFC 7672 §2.2",
        "Publish TLSA records for every mail server.",
    ),
    "dane.unusable": Code(
        "A mail server has TLSA records and senders can use none of them (RFC 7672 §3.1).",
        "RFC 7672 §3.1",
        "Publish records of usage 3 or 2 that fit the certificate, or remove them.",
    ),
    "dane.not-checked": Code(
        "The answers about the mail servers are not proven by DNSSEC, so DANE was not checked.", "RFC 7672 §2.1"
    ),
    "dane.no-answer": Code(
        "The DNS is proven but did not answer for a TLSA record; senders that use DANE hold mail back then.",
        "RFC 7672 §2.1",
        "Look at the name servers of the zone that the finding names: senders that use DANE hold mail back meanwhile.",
    ),
}
MOST_EXCHANGES = 10
USAGES, SELECTORS = {2, 3}, {0, 1}  # DANE-TA and DANE-EE; the whole certificate or its key
DIGEST_OCTETS = {1: 32, 2: 64}  # SHA-256 and SHA-512; matching type 0 holds the thing itself
HEXADECIMAL = re.compile(r"(?:[0-9a-f]{2})+")


# The texts take {domain}, {good}, {bad} (mail servers) and {reason}.
OUTCOMES: Mapping[str, Outcome] = {
    "dane.ok": Outcome(
        Verdict.PASS, "Servers that use DANE deliver to {domain} only over TLS, with the keys published for {good}."
    ),
    "dane.missing": Outcome(
        Verdict.PASS, "The mail servers of {domain} publish no keys for DANE; mail is delivered without it."
    ),
    "dane.partial": Outcome(
        Verdict.WARN,
        "DANE protects {good} but not {bad}, so an attacker can lead mail for {domain} to the unprotected way.",
        "Publish TLSA records for every mail server of the domain, each in a zone signed with DNSSEC.",
    ),
    "dane.unusable": Outcome(
        Verdict.WARN,
        "Senders can use none of the TLSA records of {bad}, so they encrypt mail for {domain} to whoever answers.",
        "Publish a record of the form 3 1 1 with the SHA-256 of the server's public key.",
    ),
    "dane.not-checked": Outcome(
        Verdict.PASS,
        "DANE of {domain} was not checked: nothing proves the answers about its mail servers (no DNSSEC there, or none here).",
    ),
    "dane.no-answer": Outcome(
        Verdict.UNKNOWN,
        "The DNS did not answer about the DANE keys of {bad} ({reason}); servers that use DANE hold mail back until it does.",
        "See that the name servers of the zone answer TLSA questions, then check again.",
    ),
}


class BadTlsa(ValueError):
    """The text is not three numbers and hexadecimal data."""


@dataclass(frozen=True, slots=True)
class Tlsa:
    """One TLSA record: certificate usage, selector, matching type (RFC 6698 §2.1) and the data in lower-case hexadecimal."""

    usage: int
    selector: int
    matching: int
    data: str

    @property
    def usable(self) -> bool:
        """Whether an SMTP sender may rely on it; PKIX-TA(0) and PKIX-EE(1) are not for SMTP."""
        wanted = DIGEST_OCTETS.get(self.matching, len(self.data) // 2)
        known = self.usage in USAGES and self.selector in SELECTORS and self.matching in (0, *DIGEST_OCTETS)
        return known and len(self.data) == 2 * wanted

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.data}"


@dataclass(frozen=True, slots=True)
class Protection:
    """What DNSSEC proves about one mail server. `proven` is false where a sender could not use DANE at all."""

    host: str
    proven: bool
    records: tuple[Tlsa, ...] = ()
    unanswered: str | None = None

    @property
    def usable(self) -> bool:
        return any(record.usable for record in self.records)


async def check(order: Order, lookup: Lookup) -> list[Finding]:
    """Findings about up to ten mail servers of the order's domain, all asked about at once."""
    domain = order.target.domain
    if domain is None:
        return []
    mx = await ask(lookup, domain, "MX")
    if isinstance(mx, LookupFailed) or not mx.authentic:
        return [_finding("dane.not-checked", domain, [])]
    names = sorted({record.partition(" ")[2].lower().rstrip(".") for record in mx.records} - {""})
    hosts = await asyncio.gather(*(protection(lookup, name) for name in names[:MOST_EXCHANGES]))
    return judge(domain, hosts) if hosts else []


async def protection(lookup: Lookup, host: str) -> Protection:
    """The TLSA records of a mail server, if its addresses and they themselves are proven (RFC 7672 §2.2)."""
    *addresses, tlsa = await ask_all(lookup, [(host, "A"), (host, "AAAA"), (f"_25._tcp.{host}", "TLSA")])
    answered = [reply for reply in addresses if isinstance(reply, Answer)]
    if not answered or not all(reply.authentic for reply in answered):
        return Protection(host, proven=False)
    if isinstance(tlsa, LookupFailed):
        return Protection(host, proven=True, unanswered=tlsa.reason)
    if not tlsa.authentic:
        return Protection(host, proven=False)
    return Protection(host, proven=True, records=tuple(read_records(tlsa.records)))


def judge(domain: str, hosts: Sequence[Protection]) -> list[Finding]:
    """What holds about these mail servers; one finding says how far DANE protects the domain."""
    silent = [host for host in hosts if host.unanswered]
    spoilt = [host for host in hosts if host.records and not host.usable]
    good = [host for host in hosts if host.usable]
    bare = [host for host in hosts if not host.records and not host.unanswered]
    findings = [_finding("dane.no-answer", domain, hosts, silent)] if silent else []
    findings += [_finding("dane.unusable", domain, hosts, spoilt)] if spoilt else []
    if good and bare:
        return [*findings, _finding("dane.partial", domain, hosts, bare)]
    if findings:
        return findings
    proven = any(host.proven for host in hosts)
    return [_finding("dane.ok" if good else "dane.missing" if proven else "dane.not-checked", domain, hosts)]


def read_records(texts: Sequence[str]) -> list[Tlsa]:
    """The records in the order of the answer; one that cannot be read is one that senders cannot use."""
    return [_read_or_unusable(text) for text in texts]


def read_tlsa(text: str) -> Tlsa:
    """`3 1 1 0d6f…`, the data in one piece or several; raises BadTlsa."""
    parts = text.split()
    numbers, data = parts[:3], "".join(parts[3:]).lower()
    if len(numbers) < 3 or not all(re.fullmatch(r"[0-9]{1,3}", number) for number in numbers):
        raise BadTlsa("a TLSA record starts with three numbers")
    if not HEXADECIMAL.fullmatch(data):
        raise BadTlsa("the data of a TLSA record is hexadecimal")
    usage, selector, matching = map(int, numbers)
    return Tlsa(usage, selector, matching, data)


def _read_or_unusable(text: str) -> Tlsa:
    try:
        return read_tlsa(text)
    except BadTlsa:
        return Tlsa(-1, -1, -1, "")


def _finding(code: str, domain: str, hosts: Sequence[Protection], bad: Sequence[Protection] = ()) -> Finding:
    outcome = OUTCOMES[code]
    words = {
        "domain": shown(domain),
        "good": ", ".join(readable(host.host) for host in hosts if host.usable),
        "bad": ", ".join(readable(host.host) for host in bad),
        "reason": next((host.unanswered for host in bad if host.unanswered), ""),
    }
    facts = {
        "keys": {host.host: [str(record) for record in host.records] for host in hosts if host.records},
        "not_proven": [host.host for host in hosts if not host.proven],
    }
    says, step = outcome.says.format_map(words), outcome.step.format_map(words)
    return Finding("dane", domain, outcome.verdict, code, says, step, facts)
