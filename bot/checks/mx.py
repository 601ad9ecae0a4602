"""MX records of a domain (RFC 5321 §5.1, RFC 7505): replies and bounces need them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from bot.checks.finding_codes import FindingCode, FindingText
from bot.checks.lookups import Host, lookup_host, lookup_or_failure, readable
from bot.inputs.domain_names import display_domain
from bot.inputs.special_addresses import MEANINGS, special_purpose_of
from bot.models import CheckRequest, Finding, Lookup, LookupFailed, LookupResult, Verdict

# Placeholders: {domain}, {preference} (the highest), {hosts} (the first three mail servers), {bad} (mail servers,
# or why DNS did not answer).
CODES: Mapping[str, FindingCode] = {
    "mx.ok": FindingCode(
        "The domain has mail servers, and all their names have addresses.",
        "RFC 5321 §5.1",
        verdict=Verdict.PASS,
        summary="Mail for {domain} goes to {hosts}.",
    ),
    "mx.null": FindingCode(
        "A null MX: the domain says that it takes no mail (RFC 7505).",
        "RFC 7505 §4.2",
        verdict=Verdict.WARN,
        summary="{domain} takes no mail (null MX), so many receivers reject mail that uses it as the sender domain.",
        remediation="Send with a domain that can take bounces, or publish MX records for this one.",
        variants={
            "preference": FindingText(
                verdict=Verdict.WARN,
                summary="{domain} takes no mail (null MX), so many receivers reject mail that uses it as the sender "
                "domain. Its preference is {preference}; RFC 7505 wants 0.",
                remediation="Send with a domain that can take bounces, or publish MX records for this one.",
            )
        },
    ),
    "mx.parked": FindingCode(
        "A null MX and an SPF record that allows no sender: the marks of a parked domain.",
        "RFC 7505 §4.2",
        verdict=Verdict.PASS,
        summary="{domain} takes no mail (null MX) and sends none (v=spf1 -all), as a parked domain should.",
        variants={
            "preference": FindingText(
                verdict=Verdict.PASS,
                summary="{domain} takes no mail (null MX) and sends none (v=spf1 -all), as a parked domain should. The "
                "preference of the null MX is {preference}; RFC 7505 wants 0.",
            )
        },
    ),
    "mx.null-mixed": FindingCode(
        "A null MX stands beside other MX records.",
        "RFC 7505 §3",
        verdict=Verdict.FAIL,
        summary="{domain} has a null MX (takes no mail) beside other MX records, so servers differ in what they do.",
        remediation="Remove the MX record with “.” or all the others.",
    ),
    "mx.no-domain": FindingCode(
        "The domain does not exist.",
        "RFC 5321 §2.3.5",
        verdict=Verdict.FAIL,
        summary="{domain} does not exist in DNS, so receivers reject mail that uses it as the sender domain.",
        remediation="Check for a typing mistake, or for an expired registration.",
    ),
    "mx.missing": FindingCode(
        "The domain has neither MX records nor an address of its own.",
        "RFC 5321 §5.1",
        verdict=Verdict.FAIL,
        summary="{domain} has no mail server, so replies and bounces are lost and many receivers reject its mail.",
        remediation="Publish an MX record, or a null MX where the domain never sends.",
    ),
    "mx.implicit": FindingCode(
        "The domain has no MX records; mail goes to its own address.",
        "RFC 5321 §5.1",
        verdict=Verdict.WARN,
        summary="{domain} has no MX record, so replies and bounces go to the address of the domain itself.",
        remediation="Publish an MX record that names the mail server.",
    ),
    "mx.unresolvable": FindingCode(
        "No mail server of the domain has an address.",
        "RFC 5321 §5.1",
        verdict=Verdict.FAIL,
        summary="No mail server of {domain} has an address ({bad}), so replies and bounces are lost.",
        remediation="Add address records for the mail servers, or name other ones.",
        variants={
            "no-dot": FindingText(
                verdict=Verdict.FAIL,
                summary="No mail server of {domain} has an address ({bad}), so replies and bounces are lost.",
                remediation="The DNS editor has added {domain} to the name: write the MX record with a dot at its end.",
            )
        },
    ),
    "mx.partly-unresolvable": FindingCode(
        "Some mail servers of the domain have no address.",
        "RFC 5321 §5.1",
        "Remove the MX record, or give its name an address.",
        verdict=Verdict.WARN,
        summary="The mail server {bad} of {domain} has no address, so mail waits until another one takes it.",
        remediation="Remove its MX record, or give it an address.",
    ),
    "mx.literal": FindingCode(
        "An MX record holds an address where a name belongs.",
        "RFC 1035 §3.3.9",
        verdict=Verdict.FAIL,
        summary="An MX record of {domain} holds the address {bad} where a name belongs; most servers skip it.",
        remediation="Give the mail server a name and put that name into the MX record.",
    ),
    "mx.unreachable": FindingCode(
        "A mail server's name leads to an address that no server on the internet reaches.",
        "RFC 6890 §2.2, RFC 5321 §5.1",
        verdict=Verdict.FAIL,
        summary="The MX record of {domain} leads to {bad}, which no mail server on the internet reaches, so mail sent "
        "there is lost or delayed.",
        remediation="Name a mail server with a public address, or remove that MX record.",
    ),
    "mx.ipv6-only": FindingCode(
        "No mail server of the domain has an IPv4 address.",
        "RFC 3974 §2",
        verdict=Verdict.WARN,
        summary="The mail servers of {domain} have IPv6 addresses only ({bad}); many senders have no IPv6 and cannot "
        "deliver.",
        remediation="Add an A record for at least one of the mail servers.",
    ),
    "mx.alias": FindingCode(
        "An MX record names an alias (CNAME).",
        "RFC 2181 §10.3",
        verdict=Verdict.WARN,
        summary="The MX record of {domain} names an alias, {bad}; some servers do not deliver to one (RFC 2181 §10.3).",
        remediation="Name the host that has the address itself.",
    ),
    "mx.no-answer": FindingCode(
        "DNS did not answer for the MX records or for the mail servers' addresses.",
        "RFC 5321 §5.1",
        verdict=Verdict.UNKNOWN,
        summary="DNS did not answer for the mail servers of {domain} ({bad}), so it is not known where its mail goes.",
        remediation="Check again in a few minutes.",
    ),
}

MAX_MX_HOSTS = 10
LOCALHOST = "localhost"
UNREACHABLE = frozenset(
    MEANINGS[kind]
    for kind in (
        *("loopback", "private", "unique-local", "link-local", "site-local", "shared"),
        *("unspecified", "this-network", "multicast", "reserved", "discard"),
    )
)
NULL_MX = "."
SPF_DENY_ALL = "v=spf1 -all"


@dataclass(frozen=True, slots=True)
class MxRecord:
    """An MX record with the addresses of its host; a null MX or address literal has none."""

    preference: int
    name: str
    host: Host | None = None
    is_alias: bool = False

    @property
    def literal(self) -> bool:
        return is_literal(self.name)

    @property
    def unreachable(self) -> str:
        """The name with its first address, where all of them are of no use on the internet; else empty."""
        if self.name == LOCALHOST or self.name.endswith(f".{LOCALHOST}"):
            return self.name
        addresses = self.host.addresses if self.host else ()
        is_lost = bool(addresses) and all(special_purpose_of(ip_address(each)) in UNREACHABLE for each in addresses)
        return f"{readable(self.name)} ({addresses[0]})" if is_lost else ""


async def check(request: CheckRequest, lookup: Lookup) -> list[Finding]:
    """Check the MX records of the target domain; up to ten hosts are looked up concurrently."""
    domain = request.target.domain
    if domain is None:
        return []
    result = await lookup_or_failure(lookup, domain, "MX")
    if isinstance(result, LookupFailed):
        return [_finding("mx.no-answer", domain, bad=result.reason)]
    if not result.exists:
        return [_finding("mx.no-domain", domain)]
    if not result.records:
        return [_without_mx(domain, await lookup_host(lookup, domain))]
    records = sorted(map(parse_mx, result.records), key=lambda record: (record.preference, record.name))
    if all(record.name == NULL_MX for record in records) and await _sends_no_mail(lookup, domain):
        return [_finding("mx.parked", domain, records)]
    return judge(domain, await asyncio.gather(*(_resolve(lookup, record) for record in records[:MAX_MX_HOSTS])))


def parse_mx(record: str) -> MxRecord:
    """Parse `10 mx.example.com`; the name in lower case, `.` for a null MX."""
    preference, _, name = record.partition(" ")
    return MxRecord(int(preference) if preference.isdecimal() else 0, name.lower().rstrip(".") or NULL_MX)


def is_literal(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def has_no_dot(name: str, domain: str) -> bool:
    """Whether a DNS editor has added the domain to a name that had no dot at its end."""
    host = name.removesuffix(f".{domain}")
    return host != name and (is_literal(host) or host == domain or host.endswith(f".{domain}"))


def judge(domain: str, records: list[MxRecord]) -> list[Finding]:
    """Findings about these MX records; `mx.ok` if there is no other."""
    non_null = [record for record in records if record.name != NULL_MX]
    if not non_null:
        return [_finding("mx.null", domain, records)]
    by_code = {
        "mx.null-mixed": [NULL_MX] if len(non_null) < len(records) else [],
        "mx.literal": [readable(record.name) for record in non_null if record.literal],
        "mx.unreachable": [record.unreachable for record in non_null if record.unreachable],
        "mx.ipv6-only": _hosts_without_ipv4(non_null),
        "mx.alias": [readable(record.name) for record in non_null if record.is_alias],
        **_hosts_without_address([record.host for record in non_null if record.host and not record.unreachable]),
    }
    findings = [_finding(code, domain, records, ", ".join(names)) for code, names in by_code.items() if names]
    return findings or [_finding("mx.ok", domain, records)]


def _hosts_without_ipv4(records: list[MxRecord]) -> list[str]:
    """The mail servers, where all of them have IPv6 addresses only."""
    hosts = [record.host for record in records if record.host and record.host.addresses and not record.unreachable]
    versions = {ip_address(address).version for host in hosts for address in host.addresses}
    is_known = all(record.host and not record.host.unanswered for record in records)
    return [readable(host.name) for host in hosts] if versions == {6} and is_known else []


def _hosts_without_address(hosts: list[Host]) -> dict[str, list[str]]:
    no_address = [readable(host.name) for host in hosts if not host.addresses and not host.unanswered]
    unanswered = [readable(host.name) for host in hosts if not host.addresses and host.unanswered]
    if no_address and len(no_address) == len(hosts):
        return {"mx.unresolvable": no_address}
    return {"mx.partly-unresolvable": no_address, "mx.no-answer": unanswered}


def _without_mx(domain: str, host: Host) -> Finding:
    if host.addresses:
        return _finding("mx.implicit", domain)
    return _finding("mx.no-answer", domain, bad=host.unanswered) if host.unanswered else _finding("mx.missing", domain)


async def _sends_no_mail(lookup: Lookup, domain: str) -> bool:
    result = await lookup_or_failure(lookup, domain, "TXT")
    texts = () if isinstance(result, LookupFailed) else result.records
    return any(" ".join(text.lower().split()) == SPF_DENY_ALL for text in texts)


async def _resolve(lookup: Lookup, record: MxRecord) -> MxRecord:
    if record.name == NULL_MX or record.literal:
        return record
    host, cname = await asyncio.gather(
        lookup_host(lookup, record.name), lookup_or_failure(lookup, record.name, "CNAME")
    )
    return MxRecord(record.preference, record.name, host, _is_alias(cname))


def _is_alias(result: LookupResult) -> bool:
    """A failed CNAME lookup counts as no alias: for mail the addresses matter."""
    return not isinstance(result, LookupFailed) and bool(result.records)


def _variant(domain: str, records: list[MxRecord]) -> str:
    """The special case of a finding about these records."""
    if any(record.name == NULL_MX and record.preference for record in records):
        return "preference"
    return "no-dot" if any(has_no_dot(record.name, domain) for record in records) else ""


def _finding(code: str, domain: str, records: list[MxRecord] | None = None, bad: str | None = None) -> Finding:
    text = CODES[code].variant(_variant(domain, records or []))
    names = [record.name for record in records or []]
    preference = max((record.preference for record in records or []), default=0)
    values = {
        "domain": display_domain(domain),
        "preference": preference,
        "hosts": ", ".join(map(readable, names[:3])),
        "bad": bad or "",
    }
    facts = {
        "exchanges": [f"{record.preference} {record.name}" for record in records or []],
        "addresses": {
            record.name: sorted(record.host.addresses)
            for record in records or []
            if record.host and not record.host.unanswered
        },
    }
    return Finding("mx", domain, text.verdict, code, *text.fill(values), facts)
