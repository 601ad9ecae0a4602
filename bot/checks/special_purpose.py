"""What kind of address and what kind of name this is, before anything is asked about them."""

from __future__ import annotations

from collections.abc import Mapping

from bot.checks.finding_codes import Code
from bot.inputs.domain_names import look_alike, shown
from bot.inputs.special_addresses import special
from bot.models import Address, Finding, Lookup, Order, Verdict

CODES: Mapping[str, Code] = {
    "network.special-purpose": Code(
        "The address is not one of the public internet, so nobody can say anything about it.",
        "RFC 6890 §2.2",
        "Check the public address that your mail leaves from.",
    ),
    "network.look-alike": Code(
        "The domain holds letters that a reader takes for others, so it may pose as another name.",
        "[UTS 39: confusable letters](https://www.unicode.org/reports/tr39/)",
        "Make sure that this is the domain you mean.",
    ),
}


def runs_ip_checks(ip: Address, special_allowed: bool) -> bool:
    """Whether the lists and the reverse name of this address are worth asking for."""
    return special_allowed or special(ip) is None


async def check(order: Order, _lookup: Lookup, *, special_allowed: bool = False) -> list[Finding]:
    """Names a special-purpose address for what it is, and warns of a domain that may be mistaken. Asks nothing."""
    ip, domain = order.target.ip, order.target.domain
    findings = [_special_purpose(ip, special_allowed)] if ip is not None else []
    findings += [_look_alike(domain)] if domain is not None else []
    return [finding for finding in findings if finding is not None]


def _special_purpose(ip: Address, special_allowed: bool) -> Finding | None:
    meaning = special(ip)
    if meaning is None:
        return None
    return Finding(
        check="network",
        about=str(ip),
        verdict=Verdict.PASS if special_allowed else Verdict.UNKNOWN,
        code="network.special-purpose",
        says=f"{ip} is {meaning.name}: {meaning.says}",
        step="" if special_allowed else "Check the public address that your mail leaves from.",
        facts={"kind": meaning.name, "checked": special_allowed},
    )


def _look_alike(domain: str) -> Finding | None:
    label = look_alike(domain)
    if label is None:
        return None
    return Finding(
        check="network",
        about=domain,
        verdict=Verdict.WARN,
        code="network.look-alike",
        says=f"{shown(domain)} holds letters of another alphabet that look like the usual ones, as names used for fraud do.",
        step="Make sure that this is the domain you mean.",
        facts={"label": label},
    )
