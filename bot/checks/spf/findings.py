"""Findings about one address: what an SPF result means for its mail, and how to fix it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.checks.finding_codes import FindingText
from bot.checks.spf.include_tree import UNBOUNDED, IncludeTree, published, tree_rows
from bot.checks.spf.lint import lint, lookup_count
from bot.checks.spf.messages import CODES
from bot.checks.spf.phrases import (
    ADD_ADDRESS,
    CAUSE_STEPS,
    CHAIN,
    LOOKUPS_USED,
    MATCH,
    NO_MATCH,
    PROBLEMS,
    THE_NAMES,
    VOIDS_USED,
)
from bot.checks.spf.result import MAX_LOOKUP_TERMS, PermErrorCause, ResultCode, SpfResult, join_names, to_json
from bot.inputs.domain_names import display_domain, quoted
from bot.models import Address, Finding, Role, Verdict

NOT_LISTED = frozenset({ResultCode.FAIL, ResultCode.SOFTFAIL, ResultCode.NEUTRAL})
MAIL_FROM_CODES: Mapping[ResultCode, str] = {
    ResultCode.PASS: "spf.pass",
    ResultCode.FAIL: "spf.fail",
    ResultCode.SOFTFAIL: "spf.softfail",
    ResultCode.NEUTRAL: "spf.neutral",
    ResultCode.NONE: "spf.missing-record",
    ResultCode.PERMERROR: "spf.permanent-error",
    ResultCode.TEMPERROR: "spf.temporary-error",
    ResultCode.UNKNOWN: "spf.not-finished",
}
HELO_CODES: Mapping[ResultCode, str] = {
    ResultCode.PASS: "spf.helo-pass",
    ResultCode.NONE: "spf.helo-no-record",
    ResultCode.NEUTRAL: "spf.helo-neutral",
    ResultCode.SOFTFAIL: "spf.helo-softfail",
    ResultCode.FAIL: "spf.helo-fail",
    ResultCode.PERMERROR: "spf.helo-error",
    ResultCode.TEMPERROR: "spf.helo-no-answer",
    ResultCode.UNKNOWN: "spf.helo-no-answer",
}

# Codes of record findings that the finding about the address already covers.
COVERED_CODES: Mapping[PermErrorCause | ResultCode, frozenset[str]] = {
    PermErrorCause.SYNTAX: frozenset({"spf.syntax-error"}),
    PermErrorCause.MULTIPLE_RECORDS: frozenset({"spf.multiple-records"}),
    PermErrorCause.MISSING_RECORD: frozenset({"spf.missing-include"}),
    PermErrorCause.MISSING_FROM_MACRO: frozenset({"spf.missing-include"}),
    PermErrorCause.LOOKUPS: frozenset({"spf.too-many-lookups"}),
    PermErrorCause.VOID_LOOKUPS: frozenset({"spf.too-many-voids", "spf.dead-name", "spf.ipv6-voids"}),
    PermErrorCause.MX_HOSTS: frozenset({"spf.too-many-hosts"}),
    ResultCode.NEUTRAL: frozenset({"spf.neutral-default", "spf.no-default"}),
    ResultCode.NONE: frozenset({"spf.missing-record"}),
}


def mail_from_findings(ip: Address, role: Role, result: SpfResult, include_tree: IncludeTree) -> list[Finding]:
    """Return the finding about the address, then other problems of the records as warnings."""
    if not include_tree.root.exists or include_tree.root.near_miss:
        return lint(include_tree)
    covered = COVERED_CODES.get(result.cause or result.code, frozenset())
    others = [
        finding for finding in lint(include_tree) if finding.verdict >= Verdict.WARN and finding.code not in covered
    ]
    code = "spf.client-not-listed" if _is_unlisted_client(result, role) else MAIL_FROM_CODES[result.code]
    text = _text(code, role, result, include_tree)
    values = _values(ip, include_tree.domain, result) | {"count": lookup_count(include_tree)}
    facts = {**_facts(result), "tree": tree_rows(include_tree), **published(include_tree)}
    return [
        _finding(include_tree.domain, code, text, values | {"step": _step(result, values)}, facts),
        *(finding._replace(verdict=Verdict.WARN) for finding in others),
    ]


def helo_finding(ip: Address, helo: str, result: SpfResult) -> Finding:
    """Return the finding about the HELO identity (§2.3): used for bounces, by some for all mail."""
    code, values = HELO_CODES[result.code], _values(ip, helo, result)
    step = CAUSE_STEPS[result.cause].format_map(values) if result.cause else ""
    return _finding(helo, code, CODES[code], values | {"step": step}, _facts(result))


def mechanism_for(ip: Address) -> str:
    """Return the mechanism that lists one address without a DNS lookup."""
    return f"ip{ip.version}:{ip}"


def _is_unlisted_client(result: SpfResult, role: Role) -> bool:
    return role is Role.CLIENT and result.code in NOT_LISTED


def _text(code: str, role: Role, result: SpfResult, include_tree: IncludeTree) -> FindingText:
    row = CODES[code]
    if code == "spf.missing-record":
        text = row.variant("address")
        return replace(text, verdict=Verdict.WARN) if role is Role.CLIENT else text
    if result.cause is PermErrorCause.LOOKUPS and include_tree.lookup_terms > MAX_LOOKUP_TERMS:
        return row.variant("loop" if include_tree.lookup_terms >= UNBOUNDED else "lookups")
    if result.cause is PermErrorCause.VOID_LOOKUPS and all(rdtype == "AAAA" for _, rdtype in result.void_queries):
        return row.variant("no-ipv6")
    return row


def _step(result: SpfResult, values: Mapping[str, Any]) -> str:
    """Return how to list the address, or how to correct the record."""
    return (CAUSE_STEPS[result.cause] if result.cause else ADD_ADDRESS).format_map(values)


def _finding(
    subject: str, code: str, text: FindingText, values: Mapping[str, Any], facts: Mapping[str, Any]
) -> Finding:
    return Finding("spf", subject, text.verdict, code, *text.fill(values), facts)


def _values(ip: Address, domain: str, result: SpfResult) -> dict[str, Any]:
    return {
        "ip": ip,
        "domain": display_domain(domain),
        "why": _match_text(result),
        "used": _limits_text(result),
        "problem": result.problem.phrase(PROBLEMS) if result.problem else "",
        "where": display_domain(result.path[-1] if result.path else domain),
        "term": mechanism_for(ip),
        "names": join_names(list(dict.fromkeys(name for name, _ in result.void_queries)) or [THE_NAMES]),
    }


def _match_text(result: SpfResult) -> str:
    if result.mechanism is None:
        return NO_MATCH
    chain = CHAIN.format(chain=" → ".join(result.chain)) if len(result.chain) > 1 else ""
    return MATCH.format(term=quoted(result.mechanism)) + chain


def _limits_text(result: SpfResult) -> str:
    voids = VOIDS_USED.format(count=result.void_lookups) if result.void_lookups else ""
    return LOOKUPS_USED.format(count=result.lookups) + voids


def _facts(result: SpfResult) -> dict[str, Any]:
    return {**to_json(result), "matched_in": result.matched_in, "chain": list(result.chain)}
