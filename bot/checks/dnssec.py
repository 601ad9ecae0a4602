"""DNSSEC status of a domain, as reported by the resolver. Informational: DANE builds on it.

Only a validating resolver over a trusted path can tell. The root zone is signed, so a resolver that
does not set the AD bit on its SOA does not validate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.checks.finding_codes import FindingCode
from bot.checks.lookups import lookup_concurrently, organizational_domain
from bot.inputs.domain_names import display_domain
from bot.models import CheckRequest, DnsAnswer, Finding, Lookup, LookupResult, Verdict

CODES: Mapping[str, FindingCode] = {
    "network.dnssec-signed": FindingCode(
        "The resolver has validated the answers about the domain (DNSSEC).",
        "RFC 4035 §3.2.3",
        verdict=Verdict.PASS,
        summary="{domain} is signed with DNSSEC, so its records cannot be changed in transit.",
    ),
    "network.dnssec-unsigned": FindingCode(
        "The resolver validates DNSSEC, and the domain is not signed.",
        "RFC 4033 §5",
        verdict=Verdict.PASS,
        summary="{domain} is not signed with DNSSEC; mail works without it, and DANE does not.",
    ),
    "network.dnssec-not-checked": FindingCode(
        "The resolver does not validate DNSSEC, so it is not known whether the domain is signed.",
        "RFC 4035 §3.2.3",
        verdict=Verdict.PASS,
        summary="DNSSEC of {domain}: not checked, because this resolver does not validate.",
    ),
}

ROOT = "."


async def check(request: CheckRequest, lookup: Lookup) -> list[Finding]:
    """Compare the AD bits of the domain's MX answer and of the root's SOA; the facts name the name servers."""
    domain = request.target.domain
    if domain is None:
        return []
    queries = [(domain, "MX"), (ROOT, "SOA"), (organizational_domain(domain), "NS")]
    mx, root_soa, servers = await lookup_concurrently(lookup, queries)
    code = judge(mx, root_soa)
    text = CODES[code]
    facts: dict[str, Any] = {"root_answers": isinstance(root_soa, DnsAnswer)}
    if isinstance(servers, DnsAnswer) and servers.records:
        facts["name_servers"] = sorted(servers.records)
    return [Finding("network", domain, text.verdict, code, *text.fill({"domain": display_domain(domain)}), facts)]


def judge(mx: LookupResult, root_soa: LookupResult) -> str:
    """The finding code."""
    if _is_authentic(mx):
        return "network.dnssec-signed"
    if _is_authentic(root_soa) and isinstance(mx, DnsAnswer):
        return "network.dnssec-unsigned"
    return "network.dnssec-not-checked"


def _is_authentic(result: LookupResult) -> bool:
    return isinstance(result, DnsAnswer) and result.authentic
