"""Reverse name of an address (PTR, FCrDNS) and the HELO name of the server.

The reverse name must exist, resolve back to the address and not be generic; the HELO name should be
the same name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bot.checks.finding_codes import FindingCode
from bot.checks.generic_rdns import why_generic
from bot.checks.hosting_providers import Provider, provider_of, providers
from bot.checks.lookups import Host, lookup_host, lookup_or_failure, readable, reverse_name
from bot.inputs.domain_names import BadDomain, parse_domain
from bot.models import Address, CheckRequest, Finding, Lookup, LookupFailed, Role, Verdict

HELO_CODES: Mapping[str, FindingCode] = {
    "helo.ok": FindingCode("The HELO name is the confirmed reverse name of the address.", "RFC 5321 §4.1.4"),
    "helo.other-name": FindingCode(
        "The HELO name leads to the address, but the reverse name is another one.",
        "RFC 5321 §2.3.5",
        "Make the server greet with its reverse name.",
    ),
    "helo.elsewhere": FindingCode(
        "The HELO name leads to other addresses than the one that greets with it.",
        "RFC 5321 §4.1.4",
        "Make the server greet with its reverse name, and let that name lead to the address.",
    ),
    "helo.missing": FindingCode(
        "The HELO name has no address.",
        "RFC 5321 §2.3.5",
        "Give the name an address record, or greet with the reverse name.",
    ),
    "helo.not-a-name": FindingCode(
        "The HELO is not a full domain name.", "RFC 5321 §4.1.1.1", "Make the server greet with its full domain name."
    ),
    "helo.no-answer": FindingCode(
        "The DNS did not answer for the HELO name.", "RFC 5321 §2.3.5", "Check again in a few minutes."
    ),
}
HELO_FIX = "Make the server greet with its reverse name, and let that name lead to the address."


def judge_helo(helo: str, ip: Address, confirmed: Collection[str], host: Host | None) -> Finding:
    """Judge a HELO name.

    `confirmed` are the reverse names that resolve back to the address; `host` is None if the HELO
    is not a domain name.
    """
    if host is None:
        summary = "The server greets with something that is not a full domain name; some receivers refuse that."
        return _helo_finding(helo, Verdict.FAIL, "helo.not-a-name", summary, HELO_FIX)
    name = host.name
    if name in confirmed:
        return _helo_finding(
            helo, Verdict.PASS, "helo.ok", f"The server greets as {name}, which is its reverse name.", ""
        )
    if str(ip) in host.addresses:
        summary = f"The server greets as {name}, which leads to {ip}, but its reverse name is another one."
        return _helo_finding(helo, Verdict.WARN, "helo.other-name", summary, HELO_FIX)
    if host.unanswered:
        summary = (
            f"The DNS did not answer for the HELO name {name} ({host.unanswered}), so it is not known to be right."
        )
        return _helo_finding(helo, Verdict.UNKNOWN, "helo.no-answer", summary, "Check again in a few minutes.")
    if host.addresses:
        summary = f"The server greets as {name}, but that name leads to other addresses than {ip}."
        return _helo_finding(helo, Verdict.WARN, "helo.elsewhere", summary, HELO_FIX)
    summary = f"The server greets as {name}, a name without an address; many receivers refuse that."
    return _helo_finding(helo, Verdict.FAIL, "helo.missing", summary, HELO_FIX)


def _helo_finding(helo: str, verdict: Verdict, code: str, summary: str, remediation: str) -> Finding:
    return Finding("helo", helo, verdict, code, summary, remediation, facts={"helo": helo})


CODES: Mapping[str, FindingCode] = {
    **HELO_CODES,
    "ptr.ok": FindingCode("The address has a reverse name, and the name leads back to the address.", "RFC 1912 §2.1"),
    "ptr.missing": FindingCode(
        "The address has no reverse name.",
        "[Gmail's rules for senders](https://support.google.com/a/answer/81126)",
        "Have the provider of the address set the name of the mail server as its reverse name.",
    ),
    "ptr.not-confirmed": FindingCode(
        "The address has a reverse name, but no such name leads back to the address.",
        "[Gmail's rules for senders](https://support.google.com/a/answer/81126)",
        ("Add an address record to the name, or have the reverse name changed to one that leads back."),
    ),
    "ptr.private-name": FindingCode(
        "The reverse name exists only inside a private network.",
        "RFC 6762 §3",
        "Have the reverse name changed to the public name of the mail server.",
    ),
    "ptr.provider-default": FindingCode(
        "The reverse name is the one that the provider gives to every address.",
        (
            "[Draft: generic DNS naming"
            " schemes](https://datatracker.ietf.org/doc/draft-msullivan-dnsop-generic-naming-schemes/)"
        ),
        "Set a reverse name of your own at the provider.",
    ),
    "ptr.generic": FindingCode(
        "The reverse name looks made by a machine for a leased line.",
        (
            "[Draft: generic DNS naming"
            " schemes](https://datatracker.ietf.org/doc/draft-msullivan-dnsop-generic-naming-schemes/)"
        ),
        "Have the reverse name changed to the name of the mail server, without the address in it.",
    ),
    "ptr.several": FindingCode(
        "The address has more than one reverse name.",
        "RFC 1912 §2.1",
        "Keep one PTR record, with the name that the server greets with.",
    ),
    "ptr.no-answer": FindingCode(
        "The DNS did not answer for the reverse name or for the way back.",
        "RFC 1035 §3.5",
        "Check again in a few minutes.",
    ),
}

MAX_NAMES = 10  # the limit of RFC 7208 §4.6.4
PRIVATE_SUFFIXES = (".local", ".internal", ".lan", ".localdomain", ".home.arpa", ".localhost")
CLIENT_NOTE = "that is fine for a machine that hands its mail to a server with a password"


@dataclass(frozen=True, slots=True)
class PtrTemplate:
    """Texts of one finding code for an address that sends mail itself (role `mta`).

    Placeholders: see `_template_values`.
    """

    verdict: Verdict
    fact: str
    consequence: str
    remediation: str = ""


TEMPLATES: Mapping[str, PtrTemplate] = {
    "ptr.ok": PtrTemplate(
        Verdict.PASS, "{ip} is called {name}, and that name leads back to it", "receivers ask for just that"
    ),
    "ptr.missing": PtrTemplate(
        Verdict.FAIL,
        "{ip} has no reverse name",
        "Gmail and many others refuse mail from such an address",
        ("Ask the provider of the address to give it the name of your mail server. For a Cato address: {cato}"),
    ),
    "ptr.not-confirmed": PtrTemplate(
        Verdict.FAIL,
        "{ip} is called {name}, but that name does not lead back to it",
        "Gmail and many others treat that like no reverse name at all",
        ("Add an {kind} record with {ip} to {name}, or have the reverse name changed to your mail server's name."),
    ),
    "ptr.private-name": PtrTemplate(
        Verdict.FAIL,
        "{ip} is called {name}, a name that exists only inside a private network",
        "receivers cannot look it up and may refuse the mail",
        "Have the reverse name changed to your mail server's public name. {how}",
    ),
    "ptr.provider-default": PtrTemplate(
        Verdict.WARN,
        "{ip} still has the name {name} that {provider} gives to every address",
        "receivers distrust such names",
        "{how}",
    ),
    "ptr.generic": PtrTemplate(
        Verdict.WARN,
        "{ip} is called {name}, which contains {generic} and looks like a leased line",
        "receivers distrust such names",
        "Have the reverse name changed to your mail server's name. {how}",
    ),
    "ptr.several": PtrTemplate(
        Verdict.WARN,
        "{ip} has {count} reverse names",
        "a receiver looks at one of them, and not always at the right one",
        "Keep one PTR record, with the name your server greets with.",
    ),
    "ptr.no-answer": PtrTemplate(
        Verdict.UNKNOWN,
        "The DNS did not answer about the reverse name of {ip} ({reason})",
        "it is not known whether receivers accept it",
        "Check again in a few minutes.",
    ),
}


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


def _finding(code: str, rdns: ReverseDns, role: Role) -> Finding:
    template, values = TEMPLATES[code], _template_values(rdns)
    is_excused = role is Role.CLIENT and template.verdict > Verdict.UNKNOWN
    provider = rdns.provider
    text = f"{template.fact}; {CLIENT_NOTE if is_excused else template.consequence}."
    return Finding(
        check="ptr",
        subject=str(rdns.ip),
        verdict=Verdict.PASS if is_excused else template.verdict,
        code=code,
        summary=text.format_map(values),
        remediation="" if is_excused else template.remediation.format_map(values).strip(),
        facts={"names": rdns.names, "confirmed": rdns.confirmed, "provider": provider.id if provider else None},
        links=(provider.link,) if provider and provider.link and template.verdict > Verdict.UNKNOWN else (),
    )


def _template_values(rdns: ReverseDns) -> dict[str, str]:
    name = (rdns.confirmed or rdns.names or [""])[0]
    provider = rdns.provider
    return {
        "ip": str(rdns.ip),
        "kind": "A" if rdns.ip.version == 4 else "AAAA",
        "name": readable(name),
        "count": str(rdns.count),
        "generic": why_generic(name, rdns.ip) or "",
        "provider": provider.name if provider else "the provider",
        "how": provider.rdns_steps if provider else "The provider of the address can do that.",
        "cato": providers()["cato"].rdns_steps,
        "reason": rdns.unanswered or "",
    }


async def _lookup_helo(name: str, lookup: Lookup) -> Host | None:
    try:
        return await lookup_host(lookup, parse_domain(name))
    except BadDomain:
        return None
