"""Special-purpose addresses and lookalike domains, recognized without DNS queries."""

from __future__ import annotations

from collections.abc import Mapping

from bot.checks.finding_codes import FindingCode, FindingText
from bot.inputs.domain_names import display_domain, find_lookalike
from bot.inputs.special_addresses import special_purpose_of
from bot.models import Address, CheckRequest, Finding, Lookup, Verdict

# Placeholders: {ip}, {kind} (such as “a private address”), {explanation} (a sentence about that kind), {domain}.
CODES: Mapping[str, FindingCode] = {
    "network.special-purpose": FindingCode(
        "The address is not one of the public internet, so no blocklist and no public DNS knows it.",
        "RFC 6890 §2.2",
        verdict=Verdict.UNKNOWN,
        summary="{ip} is {kind}. {explanation}",
        remediation="Check the public address that your mail leaves from.",
        variants={"allowed": FindingText(verdict=Verdict.PASS, summary="{ip} is {kind}. {explanation}")},
    ),
    "network.look-alike": FindingCode(
        "The domain holds letters that a reader takes for others, so it may imitate another name.",
        "[UTS 39: confusable letters](https://www.unicode.org/reports/tr39/)",
        verdict=Verdict.WARN,
        summary="{domain} holds letters of another alphabet that look like the usual ones, as names used for fraud do.",
        remediation="Make sure that this is the domain you mean.",
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
    code, values = "network.special-purpose", {"ip": ip, "kind": meaning.name, "explanation": meaning.summary}
    text = CODES[code].variant("allowed") if allow_special else CODES[code]
    facts = {"kind": meaning.name, "checked": allow_special}
    return Finding("network", str(ip), text.verdict, code, *text.fill(values), facts)


def _lookalike(domain: str) -> Finding | None:
    label = find_lookalike(domain)
    if label is None:
        return None
    code, values = "network.look-alike", {"domain": display_domain(domain)}
    text = CODES[code]
    return Finding("network", domain, text.verdict, code, *text.fill(values), {"label": label})
