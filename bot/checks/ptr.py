"""The name a server greets with (HELO): it should be its reverse name, and lead back to its address. Pure.

The reverse name of an address: it exists, leads back to the address, and is one that somebody chose.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bot.checks.finding_codes import Code
from bot.checks.generic_rdns import why_generic
from bot.checks.hosting_providers import Provider, provider_of, providers
from bot.checks.lookups import Host, ask, find_host, readable, reverse_name
from bot.inputs.domain_names import BadName, read_domain
from bot.models import Address, Finding, Lookup, LookupFailed, Order, Role, Verdict

HELO_CODES: Mapping[str, Code] = {
    "helo.ok": Code("The HELO name is the confirmed reverse name of the address.", "RFC 5321 §4.1.4"),
    "helo.other-name": Code(
        "The HELO name leads to the address, but the reverse name is another one.",
        "RFC 5321 §2.3.5",
        "Make the server greet with its reverse name.",
    ),
    "helo.elsewhere": Code(
        "The HELO name leads to other addresses than the one that greets with it.",
        "RFC 5321 §4.1.4",
        "Make the server greet with its reverse name, and let that name lead to the address.",
    ),
    "helo.missing": Code(
        "The HELO name has no address.",
        "RFC 5321 §2.3.5",
        "Give the name an address record, or greet with the reverse name.",
    ),
    "helo.not-a-name": Code(
        "The HELO is not a full domain name.", "RFC 5321 §4.1.1.1", "Make the server greet with its full domain name."
    ),
    "helo.no-answer": Code(
        "The DNS did not answer for the HELO name.", "RFC 5321 §2.3.5", "Check again in a few minutes."
    ),
}
SAME = "Make the server greet with its reverse name, and let that name lead to the address."


def judge_helo(helo: str, ip: Address, confirmed: Collection[str], host: Host | None) -> Finding:
    """`confirmed` are the reverse names of the address that lead back to it; `host` is None for a HELO that is no name."""
    if host is None:
        says = "The server greets with something that is not a full domain name; some receivers refuse that."
        return _helo_finding(helo, Verdict.FAIL, "helo.not-a-name", says, SAME)
    name = host.name
    if name in confirmed:
        return _helo_finding(
            helo, Verdict.PASS, "helo.ok", f"The server greets as {name}, which is its reverse name.", ""
        )
    if str(ip) in host.addresses:
        says = f"The server greets as {name}, which leads to {ip}, but its reverse name is another one."
        return _helo_finding(helo, Verdict.WARN, "helo.other-name", says, SAME)
    if host.unanswered:
        says = f"The DNS did not answer for the HELO name {name} ({host.unanswered}), so it is not known to be right."
        return _helo_finding(helo, Verdict.UNKNOWN, "helo.no-answer", says, "Check again in a few minutes.")
    if host.addresses:
        says = f"The server greets as {name}, but that name leads to other addresses than {ip}."
        return _helo_finding(helo, Verdict.WARN, "helo.elsewhere", says, SAME)
    says = f"The server greets as {name}, a name without an address; many receivers refuse that."
    return _helo_finding(helo, Verdict.FAIL, "helo.missing", says, SAME)


def _helo_finding(helo: str, verdict: Verdict, code: str, says: str, step: str) -> Finding:
    return Finding("helo", helo, verdict, code, says, step, facts={"helo": helo})


CODES: Mapping[str, Code] = {
    **HELO_CODES,
    "ptr.ok": Code("The address has a reverse name, and the name leads back to the address.", "RFC 1912 §2.1"),
    "ptr.missing": Code(
        "The address has no reverse name.",
        "[Gmail's rules for senders](https://support.google.com/a/answer/81126)",
        "Have the provider of the address set the name of the mail server as its reverse name.",
    ),
    "ptr.not-confirmed": Code(
        "The address has a reverse name, but no such name leads back to the address.",
        "[Gmail's rules for senders](https://support.google.com/a/answer/81126)",
        "Add an address record to the name, or have the reverse name changed to one that leads back.",
    ),
    "ptr.private-name": Code(
        "The reverse name exists only inside a private network.",
        "RFC 6762 §3",
        "Have the reverse name changed to the public name of the mail server.",
    ),
    "ptr.provider-default": Code(
        "The reverse name is the one that the provider gives to every address.",
        "[Draft: generic DNS naming schemes](https://datatracker.ietf.org/doc/draft-msullivan-dnsop-generic-naming-schemes/)",
        "Set a reverse name of your own at the provider.",
    ),
    "ptr.generic": Code(
        "The reverse name looks made by a machine for a leased line.",
        "[Draft: generic DNS naming schemes](https://datatracker.ietf.org/doc/draft-msullivan-dnsop-generic-naming-schemes/)",
        "Have the reverse name changed to the name of the mail server, without the address in it.",
    ),
    "ptr.several": Code(
        "The address has more than one reverse name.",
        "RFC 1912 §2.1",
        "Keep one PTR record, with the name that the server greets with.",
    ),
    "ptr.no-answer": Code(
        "The DNS did not answer for the reverse name or for the way back.",
        "RFC 1035 §3.5",
        "Check again in a few minutes.",
    ),
}

MOST_NAMES = 10  # as many as receivers look at (RFC 7208 §4.6.4)
PRIVATE_ENDINGS = (".local", ".internal", ".lan", ".localdomain", ".home.arpa", ".localhost")
FINE_FOR_A_CLIENT = "that is fine for a machine that hands its mail to a server with a password"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one code means to an address that delivers mail itself. The texts take the words of `_words`."""

    verdict: Verdict
    fact: str
    means: str
    step: str = ""


OUTCOMES: Mapping[str, Outcome] = {
    "ptr.ok": Outcome(
        Verdict.PASS,
        "{ip} is called {name}, and that name leads back to it",
        "receivers ask for just that",
    ),
    "ptr.missing": Outcome(
        Verdict.FAIL,
        "{ip} has no reverse name",
        "Gmail and many others refuse mail from such an address",
        "Ask the provider of the address to give it the name of your mail server. For a Cato address: {cato}",
    ),
    "ptr.not-confirmed": Outcome(
        Verdict.FAIL,
        "{ip} is called {name}, but that name does not lead back to it",
        "Gmail and many others treat that like no reverse name at all",
        "Add an {kind} record with {ip} to {name}, or have the reverse name changed to your mail server's name.",
    ),
    "ptr.private-name": Outcome(
        Verdict.FAIL,
        "{ip} is called {name}, a name that exists only inside a private network",
        "receivers cannot look it up and may refuse the mail",
        "Have the reverse name changed to your mail server's public name. {how}",
    ),
    "ptr.provider-default": Outcome(
        Verdict.WARN,
        "{ip} still has the name {name} that {provider} gives to every address",
        "receivers distrust such names",
        "{how}",
    ),
    "ptr.generic": Outcome(
        Verdict.WARN,
        "{ip} is called {name}, which contains {generic} and looks like a leased line",
        "receivers distrust such names",
        "Have the reverse name changed to your mail server's name. {how}",
    ),
    "ptr.several": Outcome(
        Verdict.WARN,
        "{ip} has {count} reverse names",
        "a receiver looks at one of them, and not always at the right one",
        "Keep one PTR record, with the name your server greets with.",
    ),
    "ptr.no-answer": Outcome(
        Verdict.UNKNOWN,
        "The DNS did not answer about the reverse name of {ip} ({reason})",
        "it is not known whether receivers accept it",
        "Check again in a few minutes.",
    ),
}


@dataclass(frozen=True, slots=True)
class Reverse:
    """What the DNS says about an address: its names, where each leads, and why something is not known."""

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


async def check(order: Order, lookup: Lookup) -> list[Finding]:
    """Findings about the reverse name of the order's address and, where it is known, about the HELO name."""
    ip = order.target.ip
    if ip is None:
        return []
    if order.helo is None:  # nothing to do beside it, and two tasks are not for nothing in a sweep
        reverse, greeting = await find_reverse(ip, lookup), None
    else:
        reverse, greeting = await asyncio.gather(find_reverse(ip, lookup), _find_greeting(order.helo, lookup))
    findings = [_finding(code, reverse, order.role) for code in judge(reverse)]
    if order.helo and order.role is Role.MTA:
        findings.append(judge_helo(order.helo, ip, reverse.confirmed, greeting))
    return findings


async def find_reverse(ip: Address, lookup: Lookup) -> Reverse:
    """The names of an address, and the addresses of each name, all asked at once."""
    reply = await ask(lookup, reverse_name(ip), "PTR")
    if isinstance(reply, LookupFailed):
        return Reverse(ip, unanswered=reply.reason)
    if not reply.records:
        return Reverse(ip)
    names = list(dict.fromkeys(name.lower().rstrip(".") for name in reply.records))
    hosts = await asyncio.gather(*(find_host(lookup, name) for name in names[:MOST_NAMES] if name))
    unanswered = next((host.unanswered for host in hosts if host.unanswered), None)
    return Reverse(ip, tuple(hosts), len(names), unanswered)


def judge(reverse: Reverse) -> list[str]:
    """The codes that hold, the worst first; never none."""
    if not reverse.hosts:
        return ["ptr.no-answer" if reverse.unanswered else "ptr.missing"]
    if not reverse.confirmed:
        if all(f".{name}".endswith(PRIVATE_ENDINGS) for name in reverse.names):
            return ["ptr.private-name"]
        return ["ptr.no-answer" if reverse.unanswered else "ptr.not-confirmed"]
    several = ["ptr.several"] if reverse.count > 1 else []
    return [*_unchosen(reverse), *several] or ["ptr.ok"]


def _unchosen(reverse: Reverse) -> list[str]:
    """One name that somebody chose is enough."""
    if not all(why_generic(name, reverse.ip) or _is_default(name) for name in reverse.confirmed):
        return []
    return ["ptr.provider-default" if _is_default(reverse.confirmed[0]) else "ptr.generic"]


def _is_default(name: str) -> bool:
    provider = provider_of(name)
    return provider is not None and provider.named_by_default(name)


def _finding(code: str, reverse: Reverse, role: Role) -> Finding:
    outcome, words = OUTCOMES[code], _words(reverse)
    excused = role is Role.CLIENT and outcome.verdict > Verdict.UNKNOWN
    provider = reverse.provider
    says = f"{outcome.fact}; {FINE_FOR_A_CLIENT if excused else outcome.means}."
    return Finding(
        check="ptr",
        about=str(reverse.ip),
        verdict=Verdict.PASS if excused else outcome.verdict,
        code=code,
        says=says.format_map(words),
        step="" if excused else outcome.step.format_map(words).strip(),
        facts={
            "names": reverse.names,
            "confirmed": reverse.confirmed,
            "provider": provider.id if provider else None,
        },
        links=(provider.link,) if provider and provider.link and outcome.verdict > Verdict.UNKNOWN else (),
    )


def _words(reverse: Reverse) -> dict[str, str]:
    name = (reverse.confirmed or reverse.names or [""])[0]
    provider = reverse.provider
    return {
        "ip": str(reverse.ip),
        "kind": "A" if reverse.ip.version == 4 else "AAAA",
        "name": readable(name),
        "count": str(reverse.count),
        "generic": why_generic(name, reverse.ip) or "",
        "provider": provider.name if provider else "the provider",
        "how": provider.how if provider else "The provider of the address can do that.",
        "cato": providers()["cato"].how,
        "reason": reverse.unanswered or "",
    }


async def _find_greeting(name: str, lookup: Lookup) -> Host | None:
    try:
        return await find_host(lookup, read_domain(name))
    except BadName:
        return None
