"""What an evaluation means for mail from one address, and the one thing to do about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.checks.spf.include_tree import ENDLESS, Survey, tree
from bot.checks.spf.lint import MOST_BYTES, MOST_SHOWN, lint
from bot.checks.spf.messages import (
    CIRCLE,
    CLIENT_NOT_LISTED,
    COUNTED,
    HELO,
    MAIL_FROM,
    NO_IPV6_HOSTS,
    REPAIRS,
    TOO_LONG,
    Words,
)
from bot.checks.spf.record import VERSION
from bot.checks.spf.result import MOST_TERMS, MOST_VOIDS, Cause, Evaluation, Result, names, to_json
from bot.inputs.domain_names import quoted
from bot.models import Address, Finding, Role, Verdict

NOT_LISTED = frozenset({Result.FAIL, Result.SOFTFAIL, Result.NEUTRAL})

# What the finding about the address has said already, so that the findings about the records need not.
SAID: Mapping[Cause | Result, frozenset[str]] = {
    Cause.SYNTAX: frozenset({"spf.syntax-error"}),
    Cause.SEVERAL_RECORDS: frozenset({"spf.multiple-records"}),
    Cause.NO_RECORD: frozenset({"spf.missing-include"}),
    Cause.LOOKUPS: frozenset({"spf.too-many-lookups"}),
    Cause.VOIDS: frozenset({"spf.too-many-voids", "spf.dead-name", "spf.ipv6-voids"}),
    Cause.MAIL_SERVERS: frozenset({"spf.too-many-hosts"}),
    Result.NEUTRAL: frozenset({"spf.neutral-default", "spf.no-default"}),
    Result.NONE: frozenset({"spf.missing-record"}),
}


def mail_from_findings(ip: Address, role: Role, evaluation: Evaluation, seen: Survey) -> list[Finding]:
    """The finding about the address first, then what else is wrong with the records: beside it, at most a warning."""
    if not seen.top.exists or seen.top.similar:
        return lint(seen)
    said = SAID.get(evaluation.cause or evaluation.result, frozenset())
    others = [finding for finding in lint(seen) if finding.verdict >= Verdict.WARN and finding.code not in said]
    words = _choose(ip, role, evaluation, seen)
    values = {**_values(ip, seen.domain, evaluation), **_record_values(ip, seen)}
    facts = {**_facts(evaluation), "tree": tree(seen)}
    facts |= _addition(ip, seen) if evaluation.result in NOT_LISTED else {}
    return [_finding(seen.domain, words, values, facts), *(other._replace(verdict=Verdict.WARN) for other in others)]


def helo_finding(ip: Address, helo: str, evaluation: Evaluation) -> Finding:
    """The finding about the HELO identity, which receivers check for bounces and some for all mail (RFC 7208 §2.3)."""
    words = HELO[evaluation.result]
    if evaluation.cause:
        words = replace(words, step=REPAIRS[evaluation.cause])
    return _finding(helo, words, _values(ip, helo, evaluation), _facts(evaluation))


def mechanism_for(ip: Address) -> str:
    """The term that lists one address and costs no lookup."""
    return f"ip{ip.version}:{ip}"


def with_address(ip: Address, record: str) -> str:
    """The record with the address in front, where no earlier term can match or fail before it."""
    return f"{VERSION} {mechanism_for(ip)}{record[len(VERSION) :]}"


def _choose(ip: Address, role: Role, evaluation: Evaluation, seen: Survey) -> Words:
    words = MAIL_FROM[evaluation.result]
    if evaluation.result in NOT_LISTED and role is Role.CLIENT:
        return CLIENT_NOT_LISTED
    if evaluation.result in NOT_LISTED and _record_values(ip, seen)["size"] > MOST_BYTES:
        return replace(words, step=TOO_LONG)
    if evaluation.result is Result.NONE and role is Role.CLIENT:
        return replace(words, verdict=Verdict.WARN)
    if evaluation.cause is Cause.LOOKUPS and seen.terms > MOST_TERMS:
        return CIRCLE if seen.terms >= ENDLESS else COUNTED
    if evaluation.cause is Cause.VOIDS and all(kind == "AAAA" for _, kind in evaluation.void_questions):
        return NO_IPV6_HOSTS
    return replace(words, step=REPAIRS[evaluation.cause]) if evaluation.cause else words


def _finding(about: str, words: Words, values: Mapping[str, Any], facts: Mapping[str, Any]) -> Finding:
    says, step = words.says.format_map(values), words.step.format_map(values)
    return Finding("spf", about, words.verdict, words.code, says, step, facts)


def _values(ip: Address, domain: str, evaluation: Evaluation) -> dict[str, Any]:
    return {
        "ip": ip,
        "domain": domain,
        "why": _why(evaluation),
        "used": _used(evaluation),
        "problem": _continued(evaluation.problem),
        "where": evaluation.path[-1] if evaluation.path else domain,
        "term": mechanism_for(ip),
        "names": names(list(dict.fromkeys(name for name, _ in evaluation.void_questions)) or ["the names"]),
    }


def _record_values(ip: Address, seen: Survey) -> dict[str, Any]:
    record = seen.top.texts[0] if seen.top.texts else VERSION
    count = f"at least {seen.terms}" if seen.stopped else str(seen.terms)
    return {"size": len(with_address(ip, record).encode()), "count": count}


def _continued(sentence: str) -> str:
    """A sentence as it reads behind a colon."""
    start = sentence[:1].lower() if sentence[1:2].islower() else sentence[:1]
    return f"{start}{sentence[1:].removesuffix('.')}"


def _why(evaluation: Evaluation) -> str:
    if evaluation.mechanism is None:
        return "no term of its record matches"
    way = f", reached over {' → '.join(evaluation.chain)}" if len(evaluation.chain) > 1 else ""
    return f"{quoted(evaluation.mechanism)} matches{way}"


def _used(evaluation: Evaluation) -> str:
    voids = f", {evaluation.voids} of {MOST_VOIDS} dead names" if evaluation.voids else ""
    return f"{evaluation.lookups} of {MOST_TERMS} lookups{voids}"


def _facts(evaluation: Evaluation) -> dict[str, Any]:
    return {**to_json(evaluation), "matched_in": evaluation.matched_in, "chain": list(evaluation.chain)}


def _addition(ip: Address, seen: Survey) -> dict[str, Any]:
    """What to add where: a domain's own record is the first of the chain, and the one that its owner controls."""
    record = with_address(ip, seen.top.texts[0] if seen.top.texts else VERSION)
    return {
        "add": mechanism_for(ip),
        "add_to": seen.domain,
        "new_record": record if len(record) <= MOST_SHOWN else None,
        "fits": len(record.encode()) <= MOST_BYTES,
    }
