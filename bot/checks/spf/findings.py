"""Findings about one address: what an SPF result means for its mail, and how to fix it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.checks.spf.include_tree import UNBOUNDED, IncludeTree, tree_rows
from bot.checks.spf.lint import MAX_RECORD_BYTES, MAX_RECORD_CHARS, lint
from bot.checks.spf.messages import (
    CLIENT_NOT_LISTED,
    HELO_TEMPLATES,
    INCLUDE_LOOP,
    MAIL_FROM_TEMPLATES,
    NO_IPV6_HOSTS,
    RECORD_TOO_LONG,
    REMEDIATIONS,
    TOO_MANY_LOOKUPS,
    SpfTemplate,
)
from bot.checks.spf.record import VERSION
from bot.checks.spf.result import (
    MAX_LOOKUP_TERMS,
    MAX_VOID_LOOKUPS,
    PermErrorCause,
    ResultCode,
    SpfResult,
    join_names,
    to_json,
)
from bot.inputs.domain_names import quoted
from bot.models import Address, Finding, Role, Verdict

NOT_LISTED = frozenset({ResultCode.FAIL, ResultCode.SOFTFAIL, ResultCode.NEUTRAL})

# Codes of record findings that the finding about the address already covers.
COVERED_CODES: Mapping[PermErrorCause | ResultCode, frozenset[str]] = {
    PermErrorCause.SYNTAX: frozenset({"spf.syntax-error"}),
    PermErrorCause.MULTIPLE_RECORDS: frozenset({"spf.multiple-records"}),
    PermErrorCause.MISSING_RECORD: frozenset({"spf.missing-include"}),
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
    template = _template(ip, role, result, include_tree)
    values = {**_values(ip, include_tree.domain, result), **_record_values(ip, include_tree)}
    facts = {**_facts(result), "tree": tree_rows(include_tree)}
    facts |= _record_to_add(ip, include_tree) if result.code in NOT_LISTED else {}
    return [
        _finding(include_tree.domain, template, values, facts),
        *(finding._replace(verdict=Verdict.WARN) for finding in others),
    ]


def helo_finding(ip: Address, helo: str, result: SpfResult) -> Finding:
    """Return the finding about the HELO identity (§2.3): used for bounces, by some for all mail."""
    template = HELO_TEMPLATES[result.code]
    if result.cause:
        template = replace(template, remediation=REMEDIATIONS[result.cause])
    return _finding(helo, template, _values(ip, helo, result), _facts(result))


def mechanism_for(ip: Address) -> str:
    """Return the mechanism that lists one address without a DNS lookup."""
    return f"ip{ip.version}:{ip}"


def with_address(ip: Address, record: str) -> str:
    """Return the record with the address in front, where no other term is evaluated before it."""
    return f"{VERSION} {mechanism_for(ip)}{record[len(VERSION) :]}"


def _template(ip: Address, role: Role, result: SpfResult, include_tree: IncludeTree) -> SpfTemplate:
    template = MAIL_FROM_TEMPLATES[result.code]
    if result.code in NOT_LISTED and role is Role.CLIENT:
        return CLIENT_NOT_LISTED
    if result.code in NOT_LISTED and _record_values(ip, include_tree)["size"] > MAX_RECORD_BYTES:
        return replace(template, remediation=RECORD_TOO_LONG)
    if result.code is ResultCode.NONE and role is Role.CLIENT:
        return replace(template, verdict=Verdict.WARN)
    if result.cause is PermErrorCause.LOOKUPS and include_tree.lookup_terms > MAX_LOOKUP_TERMS:
        return INCLUDE_LOOP if include_tree.lookup_terms >= UNBOUNDED else TOO_MANY_LOOKUPS
    if result.cause is PermErrorCause.VOID_LOOKUPS and all(rdtype == "AAAA" for _, rdtype in result.void_queries):
        return NO_IPV6_HOSTS
    return replace(template, remediation=REMEDIATIONS[result.cause]) if result.cause else template


def _finding(subject: str, template: SpfTemplate, values: Mapping[str, Any], facts: Mapping[str, Any]) -> Finding:
    summary, remediation = (template.summary.format_map(values), template.remediation.format_map(values))
    return Finding("spf", subject, template.verdict, template.code, summary, remediation, facts)


def _values(ip: Address, domain: str, result: SpfResult) -> dict[str, Any]:
    return {
        "ip": ip,
        "domain": domain,
        "why": _match_text(result),
        "used": _limits_text(result),
        "problem": _after_colon(result.problem),
        "where": result.path[-1] if result.path else domain,
        "term": mechanism_for(ip),
        "names": join_names(list(dict.fromkeys(name for name, _ in result.void_queries)) or ["the names"]),
    }


def _record_values(ip: Address, include_tree: IncludeTree) -> dict[str, Any]:
    record = include_tree.root.texts[0] if include_tree.root.texts else VERSION
    count = f"at least {include_tree.lookup_terms}" if include_tree.stop_reason else str(include_tree.lookup_terms)
    return {"size": len(with_address(ip, record).encode()), "count": count}


def _after_colon(sentence: str) -> str:
    """Format a sentence to follow a colon."""
    start = sentence[:1].lower() if sentence[1:2].islower() else sentence[:1]
    return f"{start}{sentence[1:].removesuffix('.')}"


def _match_text(result: SpfResult) -> str:
    if result.mechanism is None:
        return "no term of its record matches"
    path = f", reached over {' → '.join(result.chain)}" if len(result.chain) > 1 else ""
    return f"{quoted(result.mechanism)} matches{path}"


def _limits_text(result: SpfResult) -> str:
    voids = f", {result.void_lookups} of {MAX_VOID_LOOKUPS} dead names" if result.void_lookups else ""
    return f"{result.lookups} of {MAX_LOOKUP_TERMS} lookups{voids}"


def _facts(result: SpfResult) -> dict[str, Any]:
    return {**to_json(result), "matched_in": result.matched_in, "chain": list(result.chain)}


def _record_to_add(ip: Address, include_tree: IncludeTree) -> dict[str, Any]:
    """Return what to add where: to the domain's own record, which its owner controls."""
    record = with_address(ip, include_tree.root.texts[0] if include_tree.root.texts else VERSION)
    return {
        "add": mechanism_for(ip),
        "add_to": include_tree.domain,
        "new_record": record if len(record) <= MAX_RECORD_CHARS else None,
        "fits": len(record.encode()) <= MAX_RECORD_BYTES,
    }
