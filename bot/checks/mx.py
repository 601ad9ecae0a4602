"""Where the mail of a domain goes: replies and bounces come back by its MX records (RFC 5321 §5.1, RFC 7505)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from bot.checks.finding_codes import Code, Outcome
from bot.checks.lookups import Host, Reply, ask, find_host, readable
from bot.inputs.domain_names import shown
from bot.models import Finding, Lookup, LookupFailed, Order, Verdict

CODES: Mapping[str, Code] = {
    "mx.ok": Code("The domain has mail servers, and all their names have addresses.", "RFC 5321 §5.1"),
    "mx.null": Code(
        "A null MX: the domain says that it takes no mail (RFC 7505).",
        "RFC 7505 §4.2",
        "Send with a domain that can take bounces, or publish MX records for this one.",
    ),
    "mx.parked": Code(
        "A null MX beside an SPF record that nobody may send: the marks of a parked domain.", "RFC 7505 §4.2"
    ),
    "mx.null-mixed": Code(
        "A null MX stands beside other MX records.", "RFC 7505 §3", "Remove the MX record with “.” or all the others."
    ),
    "mx.no-domain": Code(
        "The domain does not exist.", "RFC 5321 §2.3.5", "Look for a typing mistake, or for an expired registration."
    ),
    "mx.missing": Code(
        "The domain has neither MX records nor an address of its own.",
        "RFC 5321 §5.1",
        "Publish an MX record, or a null MX where the domain never sends.",
    ),
    "mx.implicit": Code(
        "The domain has no MX records; mail goes to its own address.",
        "RFC 5321 §5.1",
        "Publish an MX record that names the mail server.",
    ),
    "mx.unresolvable": Code(
        "No mail server of the domain has an address.",
        "RFC 5321 §5.1",
        "Add address records for the mail servers, or name other ones.",
    ),
    "mx.partly-unresolvable": Code(
        "Some mail servers of the domain have no address.",
        "RFC 5321 §5.1",
        "Remove the MX record, or give its name an address.",
    ),
    "mx.literal": Code(
        "An MX record holds an address where a name belongs.",
        "RFC 1035 §3.3.9",
        "Give the mail server a name and put that name into the MX record.",
    ),
    "mx.alias": Code(
        "An MX record names an alias (CNAME).", "RFC 2181 §10.3", "Name the host that has the address itself."
    ),
    "mx.no-answer": Code(
        "The DNS did not answer for the MX records or for the mail servers' addresses.",
        "RFC 5321 §5.1",
        "Check again in a few minutes.",
    ),
}

MOST_EXCHANGES = 10
NULL = "."
NOBODY_SENDS = "v=spf1 -all"


# The texts take the words of `_finding`.
OUTCOMES: Mapping[str, Outcome] = {
    "mx.ok": Outcome(Verdict.PASS, "Mail for {domain} goes to {hosts}."),
    "mx.parked": Outcome(
        Verdict.PASS, "{domain} takes no mail (null MX) and sends none (v=spf1 -all), as a parked domain should say."
    ),
    "mx.null": Outcome(
        Verdict.WARN,
        "{domain} takes no mail (null MX), so many receivers refuse mail that gives it as the sender.",
        "Send with a domain that can take bounces, or publish MX records for this one.",
    ),
    "mx.null-mixed": Outcome(
        Verdict.FAIL,
        "{domain} says both that it takes no mail (null MX) and where its mail goes, so servers differ in what they do.",
        "Remove the MX record with “.” or all the others.",
    ),
    "mx.no-domain": Outcome(
        Verdict.FAIL,
        "{domain} does not exist in the DNS, so receivers refuse mail that gives it as the sender.",
        "Look for a typing mistake, or for an expired registration.",
    ),
    "mx.missing": Outcome(
        Verdict.FAIL,
        "{domain} has no mail server, so replies and bounces are lost and many receivers refuse it as a sender.",
        "Publish an MX record, or a null MX where the domain never sends.",
    ),
    "mx.implicit": Outcome(
        Verdict.WARN,
        "{domain} has no MX record, so replies and bounces go to the address of the domain itself.",
        "Publish an MX record that names the mail server.",
    ),
    "mx.unresolvable": Outcome(
        Verdict.FAIL,
        "No mail server of {domain} has an address ({bad}), so replies and bounces are lost.",
        "Add address records for the mail servers, or name other ones.",
    ),
    "mx.partly-unresolvable": Outcome(
        Verdict.WARN,
        "The mail server {bad} of {domain} has no address, so mail waits until another one takes it.",
        "Remove its MX record, or give it an address.",
    ),
    "mx.literal": Outcome(
        Verdict.FAIL,
        "An MX record of {domain} holds the address {bad} where a name belongs; most servers skip it.",
        "Give the mail server a name and put that name into the MX record.",
    ),
    "mx.alias": Outcome(
        Verdict.WARN,
        "The MX record of {domain} names an alias, {bad}; some servers do not deliver to one (RFC 2181 §10.3).",
        "Name the host that has the address itself.",
    ),
    "mx.no-answer": Outcome(
        Verdict.UNKNOWN,
        "The DNS did not answer about the mail servers of {domain} ({bad}), so it is not known where its mail goes.",
        "Check again in a few minutes.",
    ),
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One MX record, and what its name leads to; a null MX and a literal are not looked up."""

    preference: int
    name: str
    host: Host | None = None
    alias: bool = False

    @property
    def literal(self) -> bool:
        return is_literal(self.name)


async def check(order: Order, lookup: Lookup) -> list[Finding]:
    """Findings about the mail servers of the order's domain, the names of up to ten of them looked up at once."""
    domain = order.target.domain
    if domain is None:
        return []
    reply = await ask(lookup, domain, "MX")
    if isinstance(reply, LookupFailed):
        return [_finding("mx.no-answer", domain, bad=reply.reason)]
    if not reply.exists:
        return [_finding("mx.no-domain", domain)]
    if not reply.records:
        return [_without_mx(domain, await find_host(lookup, domain))]
    exchanges = sorted(map(read_exchange, reply.records), key=lambda exchange: (exchange.preference, exchange.name))
    if all(exchange.name == NULL for exchange in exchanges) and await _sends_nothing(lookup, domain):
        return [_finding("mx.parked", domain, exchanges)]
    return judge(domain, await asyncio.gather(*(_follow(lookup, exchange) for exchange in exchanges[:MOST_EXCHANGES])))


def read_exchange(record: str) -> Exchange:
    """`10 mx.example.com` in its two parts; the name in lower case, `.` for a null MX."""
    preference, _, name = record.partition(" ")
    return Exchange(int(preference) if preference.isdecimal() else 0, name.lower().rstrip(".") or NULL)


def is_literal(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def judge(domain: str, exchanges: list[Exchange]) -> list[Finding]:
    """What holds about these MX records; `mx.ok` where nothing else does."""
    named = [exchange for exchange in exchanges if exchange.name != NULL]
    if not named:
        return [_finding("mx.null", domain, exchanges)]
    wrong = {
        "mx.null-mixed": [NULL] if len(named) < len(exchanges) else [],
        "mx.literal": [exchange.name for exchange in named if exchange.literal],
        "mx.alias": [exchange.name for exchange in named if exchange.alias],
        **_unreachable([exchange.host for exchange in named if exchange.host]),
    }
    findings = [_finding(code, domain, exchanges, ", ".join(map(readable, bad))) for code, bad in wrong.items() if bad]
    return findings or [_finding("mx.ok", domain, exchanges)]


def _unreachable(hosts: list[Host]) -> dict[str, list[str]]:
    empty = [host.name for host in hosts if not host.addresses and not host.unanswered]
    silent = [host.name for host in hosts if not host.addresses and host.unanswered]
    if empty and len(empty) == len(hosts):
        return {"mx.unresolvable": empty}
    return {"mx.partly-unresolvable": empty, "mx.no-answer": silent}


def _without_mx(domain: str, host: Host) -> Finding:
    if host.addresses:
        return _finding("mx.implicit", domain)
    return _finding("mx.no-answer", domain, bad=host.unanswered) if host.unanswered else _finding("mx.missing", domain)


async def _sends_nothing(lookup: Lookup, domain: str) -> bool:
    reply = await ask(lookup, domain, "TXT")
    records = () if isinstance(reply, LookupFailed) else reply.records
    return any(" ".join(text.lower().split()) == NOBODY_SENDS for text in records)


async def _follow(lookup: Lookup, exchange: Exchange) -> Exchange:
    if exchange.name == NULL or exchange.literal:
        return exchange
    host, alias = await asyncio.gather(find_host(lookup, exchange.name), ask(lookup, exchange.name, "CNAME"))
    return Exchange(exchange.preference, exchange.name, host, _is_alias(alias))


def _is_alias(reply: Reply) -> bool:
    """Silence about an alias is no alias: what counts for mail is whether the name has addresses."""
    return not isinstance(reply, LookupFailed) and bool(reply.records)


def _finding(code: str, domain: str, exchanges: list[Exchange] | None = None, bad: str | None = None) -> Finding:
    outcome = OUTCOMES[code]
    names = [exchange.name for exchange in exchanges or []]
    words = {"domain": shown(domain), "hosts": ", ".join(map(readable, names[:3])), "bad": bad or ""}
    return Finding(
        check="mx",
        about=domain,
        verdict=outcome.verdict,
        code=code,
        says=outcome.says.format_map(words),
        step=outcome.step,
        facts={"exchanges": [f"{exchange.preference} {exchange.name}" for exchange in exchanges or []]},
    )
