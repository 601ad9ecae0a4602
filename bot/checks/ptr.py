"""Reverse DNS of an address (PTR, FCrDNS) and the HELO name of the server.

The PTR name must exist, resolve back to the address and not be generic; the HELO name should be
the same name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bot.checks.finding_codes import FindingCode, FindingText
from bot.checks.generic_rdns import ADDRESS, why_generic
from bot.checks.hosting_providers import Provider, provider_of
from bot.checks.lookups import Host, lookup_host, lookup_or_failure, readable, reverse_name
from bot.inputs.domain_names import BadDomain, parse_domain
from bot.models import Address, CheckRequest, Finding, Lookup, LookupFailed, Role, Verdict

# Placeholders: {ip}, {name} (PTR record), {names} (all of them), {rdtype} (A or AAAA), {count}, {generic} (word in
# the name), {provider}, {how} (a sentence of the provider), {reason}, {helo}.
CODES: Mapping[str, FindingCode] = {
    "helo.ok": FindingCode(
        "The HELO name is the forward-confirmed PTR name of the address.",
        "RFC 5321 §4.1.4",
        verdict=Verdict.PASS,
        summary="The HELO name {helo} is the PTR name of {ip}.",
    ),
    "helo.other-name": FindingCode(
        "The HELO name resolves to the address, but the PTR record holds another name.",
        "RFC 5321 §2.3.5",
        verdict=Verdict.WARN,
        summary="The HELO name {helo} resolves to {ip}, but the PTR record of {ip} holds another name.",
        remediation="Set the HELO name of the server to its PTR name.",
    ),
    "helo.elsewhere": FindingCode(
        "The HELO name resolves to other addresses than the one that uses it.",
        "RFC 5321 §4.1.4",
        verdict=Verdict.WARN,
        summary="The HELO name {helo} resolves to other addresses than {ip}.",
        remediation="Set the HELO name of the server to its PTR name, and point that name at the address.",
    ),
    "helo.missing": FindingCode(
        "The HELO name has no address.",
        "RFC 5321 §2.3.5",
        "Add an address record for the name, or set the HELO name to the PTR name.",
        verdict=Verdict.FAIL,
        summary="The HELO name {helo} has no address; many receivers reject that.",
        remediation="Set the HELO name of the server to its PTR name, and point that name at the address.",
    ),
    "helo.not-a-name": FindingCode(
        "The HELO is not a full domain name.",
        "RFC 5321 §4.1.1.1",
        "Set the HELO name of the server to its full domain name.",
        verdict=Verdict.FAIL,
        summary="The HELO of the server is not a full domain name; some receivers reject that.",
        remediation="Set the HELO name of the server to its PTR name, and point that name at the address.",
    ),
    "helo.no-answer": FindingCode(
        "DNS did not answer for the HELO name.",
        "RFC 5321 §2.3.5",
        verdict=Verdict.UNKNOWN,
        summary="DNS did not answer for the HELO name {helo} ({reason}), so it is not known to be right.",
        remediation="Check again in a few minutes.",
    ),
    "ptr.ok": FindingCode(
        "The address has a PTR record, and its name resolves back to the address (FCrDNS).",
        "RFC 1912 §2.1",
        verdict=Verdict.PASS,
        summary="PTR of {ip} is {name}, which resolves back to it (FCrDNS), as receivers require.",
    ),
    "ptr.missing": FindingCode(
        "The address has no PTR record (reverse DNS).",
        "[Gmail's rules for senders](https://support.google.com/a/answer/81126)",
        "Have the provider of the address set its PTR record to the name of the mail server.",
        verdict=Verdict.FAIL,
        summary="{ip} has no PTR record; Gmail and many others reject mail from such an address.",
        remediation="Ask the provider of the address to set its PTR record to the name of your mail server.",
    ),
    "ptr.not-confirmed": FindingCode(
        "The address has a PTR record, but no name in it resolves back to the address (FCrDNS fails).",
        "[Gmail's rules for senders](https://support.google.com/a/answer/81126)",
        "Add an address record for the name, or have the PTR record changed to a name that resolves to the address.",
        verdict=Verdict.FAIL,
        summary="PTR of {ip} is {name}, which does not resolve back to it (FCrDNS fails); Gmail and many others treat "
        "that like no PTR record.",
        remediation="Add an {rdtype} record with {ip} for {name}, or have the PTR record changed to your mail "
        "server's name.",
    ),
    "ptr.private-name": FindingCode(
        "The name in the PTR record exists only inside a private network.",
        "RFC 6762 §3",
        "Have the PTR record changed to the public name of the mail server.",
        verdict=Verdict.FAIL,
        summary="PTR of {ip} is {name}, which exists only inside a private network; receivers cannot resolve it and "
        "may reject the mail.",
        remediation="Have the PTR record changed to your mail server's public name. {how}",
    ),
    "ptr.provider-default": FindingCode(
        "The PTR record is the default that the provider sets for every address.",
        "[Draft: generic DNS naming schemes]"
        "(https://datatracker.ietf.org/doc/draft-msullivan-dnsop-generic-naming-schemes/)",
        "Set a PTR record of your own at the provider.",
        verdict=Verdict.WARN,
        summary="PTR of {ip} is still {name}, the default of {provider}; receivers distrust such names.",
        remediation="{how}",
    ),
    "ptr.generic": FindingCode(
        "The PTR record looks generated, as for a leased line.",
        "[Draft: generic DNS naming schemes]"
        "(https://datatracker.ietf.org/doc/draft-msullivan-dnsop-generic-naming-schemes/)",
        "Have the PTR record changed to the name of the mail server, without the address in it.",
        verdict=Verdict.WARN,
        summary="PTR of {ip} is {name}, which contains the word “{generic}”; receivers distrust such generic names.",
        remediation="Have the PTR record changed to your mail server's name. {how}",
        variants={
            ADDRESS: FindingText(
                verdict=Verdict.WARN,
                summary="PTR of {ip} is {name}, which contains the numbers of the address; receivers distrust such "
                "generic names.",
                remediation="Have the PTR record changed to your mail server's name. {how}",
            )
        },
    ),
    "ptr.several": FindingCode(
        "The address has more than one PTR record.",
        "RFC 1912 §2.1",
        verdict=Verdict.WARN,
        summary="{ip} has {count} PTR records; a receiver uses one of them, and not always the right one.",
        remediation="Keep one PTR record, with the HELO name of the server.",
    ),
    "ptr.no-answer": FindingCode(
        "DNS did not answer for the PTR record, or for the addresses of the name in it.",
        "RFC 1035 §3.5",
        verdict=Verdict.UNKNOWN,
        summary="DNS did not answer for the PTR record of {ip} ({reason}), so it is not known whether receivers "
        "accept it.",
        remediation="Check again in a few minutes.",
    ),
}
CLIENT = FindingText(
    verdict=Verdict.PASS,
    summary="PTR of {ip}: {names}; that is fine for a client, which submits its mail with authentication.",
)
NO_PTR = "no record"
THE_PROVIDER = "the provider"
PROVIDER_SETS_PTR = "The provider of the address can do that."

MAX_NAMES = 10  # the limit of RFC 7208 §4.6.4
PRIVATE_SUFFIXES = (".local", ".internal", ".lan", ".localdomain", ".home.arpa", ".localhost")


@dataclass(frozen=True, slots=True)
class ReverseDns:
    """Reverse DNS of an address.

    `hosts` are the PTR names with their addresses, `count` the number of PTR records, `unanswered`
    the reason of a failed lookup.
    """

    ip: Address
    hosts: tuple[Host, ...] = ()
    count: int = 0
    unanswered: str | None = None

    @property
    def names(self) -> list[str]:
        return [host.name for host in self.hosts]

    @property
    def confirmed(self) -> list[str]:
        return [host.name for host in self.hosts if str(self.ip) in host.addresses]

    @property
    def provider(self) -> Provider | None:
        return next((provider for name in self.names if (provider := provider_of(name))), None)


async def check(request: CheckRequest, lookup: Lookup) -> list[Finding]:
    """Check the reverse name of the target address and, where it is known, the HELO name."""
    ip = request.target.ip
    if ip is None:
        return []
    if request.helo is None:  # no second task: tasks are not free in a bulk check
        rdns, helo_host = await lookup_reverse_dns(ip, lookup), None
    else:
        rdns, helo_host = await asyncio.gather(lookup_reverse_dns(ip, lookup), _lookup_helo(request.helo, lookup))
    findings = [_finding(code, rdns, request.role) for code in judge(rdns)]
    if request.helo and request.role is Role.MTA:
        findings.append(judge_helo(request.helo, ip, rdns.confirmed, helo_host))
    return findings


async def lookup_reverse_dns(ip: Address, lookup: Lookup) -> ReverseDns:
    """Look up the PTR records of an address and the addresses of each name concurrently."""
    result = await lookup_or_failure(lookup, reverse_name(ip), "PTR")
    if isinstance(result, LookupFailed):
        return ReverseDns(ip, unanswered=result.reason)
    if not result.records:
        return ReverseDns(ip)
    names = list(dict.fromkeys(name.lower().rstrip(".") for name in result.records))
    hosts = await asyncio.gather(*(lookup_host(lookup, name) for name in names[:MAX_NAMES] if name))
    unanswered = next((host.unanswered for host in hosts if host.unanswered), None)
    return ReverseDns(ip, tuple(hosts), len(names), unanswered)


def judge(rdns: ReverseDns) -> list[str]:
    """The finding codes, worst first; never empty."""
    if not rdns.hosts:
        return ["ptr.no-answer" if rdns.unanswered else "ptr.missing"]
    if not rdns.confirmed:
        if all(f".{name}".endswith(PRIVATE_SUFFIXES) for name in rdns.names):
            return ["ptr.private-name"]
        return ["ptr.no-answer" if rdns.unanswered else "ptr.not-confirmed"]
    several = ["ptr.several"] if rdns.count > 1 else []
    return [*_generic_codes(rdns), *several] or ["ptr.ok"]


def _generic_codes(rdns: ReverseDns) -> list[str]:
    """Codes for generic names; one confirmed name that is not generic is enough."""
    if not all(why_generic(name, rdns.ip) or _is_provider_default(name) for name in rdns.confirmed):
        return []
    return ["ptr.provider-default" if _is_provider_default(rdns.confirmed[0]) else "ptr.generic"]


def _is_provider_default(name: str) -> bool:
    provider = provider_of(name)
    return provider is not None and provider.is_default_name(name)


def judge_helo(helo: str, ip: Address, confirmed: Collection[str], host: Host | None) -> Finding:
    """Judge a HELO name.

    `confirmed` are the PTR names that resolve back to the address; `host` is None if the HELO is
    not a domain name.
    """
    code = _helo_code(ip, confirmed, host)
    values = {"ip": ip, "helo": host.name if host else "", "reason": (host.unanswered if host else None) or ""}
    text = CODES[code]
    return Finding("helo", helo, text.verdict, code, *text.fill(values), facts={"helo": helo})


def _helo_code(ip: Address, confirmed: Collection[str], host: Host | None) -> str:
    if host is None:
        return "helo.not-a-name"
    if host.name in confirmed:
        return "helo.ok"
    if str(ip) in host.addresses:
        return "helo.other-name"
    if host.unanswered:
        return "helo.no-answer"
    return "helo.elsewhere" if host.addresses else "helo.missing"


def _finding(code: str, rdns: ReverseDns, role: Role) -> Finding:
    values, provider = _values(rdns), rdns.provider
    row = CODES[code]
    is_excused = role is Role.CLIENT and row.verdict > Verdict.UNKNOWN
    text = CLIENT if is_excused else row.variant(values["generic"])
    summary, remediation = text.fill(values)
    return Finding(
        check="ptr",
        subject=str(rdns.ip),
        verdict=text.verdict,
        code=code,
        summary=summary,
        remediation=remediation.strip(),
        facts={"names": rdns.names, "confirmed": rdns.confirmed, "provider": provider.id if provider else None},
        links=(provider.link,) if provider and provider.link and row.verdict > Verdict.UNKNOWN else (),
    )


def _values(rdns: ReverseDns) -> dict[str, str]:
    name = (rdns.confirmed or rdns.names or [""])[0]
    provider = rdns.provider
    return {
        "ip": str(rdns.ip),
        "rdtype": "A" if rdns.ip.version == 4 else "AAAA",
        "name": readable(name),
        "names": ", ".join(map(readable, rdns.names)) or NO_PTR,
        "count": str(rdns.count),
        "generic": why_generic(name, rdns.ip) or "",
        "provider": provider.name if provider else THE_PROVIDER,
        "how": provider.rdns_steps if provider else PROVIDER_SETS_PTR,
        "reason": rdns.unanswered or "",
    }


async def _lookup_helo(name: str, lookup: Lookup) -> Host | None:
    try:
        return await lookup_host(lookup, parse_domain(name))
    except BadDomain:
        return None
