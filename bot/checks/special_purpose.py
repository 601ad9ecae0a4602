"""Special-purpose addresses and lookalike domains, recognized without DNS queries."""

from __future__ import annotations

from collections.abc import Mapping

from bot.checks.finding_codes import FindingCode
from bot.inputs.domain_names import display_domain, find_lookalike
from bot.inputs.special_addresses import special_purpose_of
from bot.models import Address, CheckRequest, Finding, Lookup, Verdict

CODES: Mapping[str, FindingCode] = {
    "network.special-purpose": FindingCode(
        "The address is not one of the public internet, so nobody can say anything about it.",
        "RFC 6890 §2.2",
        "Check the public address that your mail leaves from.",
    ),
    "network.look-alike": FindingCode(
        "The domain holds letters that a reader takes for others, so it may pose as another name.",
        "[UTS 39: confusable letters](https://www.unicode.org/reports/tr39/)",
        "Make sure that this is the domain you mean.",
    ),
}


def runs_ip_checks(ip: Address, allow_special: bool) -> bool:
    """Whether DNSBL and reverse name checks make sense for this address."""
    return allow_special or special_purpose_of(ip) is None


async def check(request: CheckRequest, _lookup: Lookup, *, allow_special: bool = False) -> list[Finding]:
    """Report a special-purpose address and a lookalike domain. Sends no query."""
    ip, domain = request.target.ip, request.target.domain
    findings = [_special_purpose(ip, allow_special)] if ip is not None else []
    findings += [_lookalike(domain)] if domain is not None else []
    return [finding for finding in findings if finding is not None]


def _special_purpose(ip: Address, allow_special: bool) -> Finding | None:
    meaning = special_purpose_of(ip)
    if meaning is None:
        return None
    return Finding(
        check="network",
        subject=str(ip),
        verdict=Verdict.PASS if allow_special else Verdict.UNKNOWN,
        code="network.special-purpose",
        summary=f"{ip} is {meaning.name}: {meaning.summary}",
        remediation="" if allow_special else "Check the public address that your mail leaves from.",
        facts={"kind": meaning.name, "checked": allow_special},
    )


def _lookalike(domain: str) -> Finding | None:
    label = find_lookalike(domain)
    if label is None:
        return None
    return Finding(
        check="network",
        subject=domain,
        verdict=Verdict.WARN,
        code="network.look-alike",
        summary=(
            f"{display_domain(domain)} holds letters of another alphabet that look like the usual "
            "ones, as names used for fraud do."
        ),
        remediation="Make sure that this is the domain you mean.",
        facts={"label": label},
    )
