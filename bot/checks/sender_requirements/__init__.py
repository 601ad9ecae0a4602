"""Would Gmail, Yahoo and Outlook.com accept this mail?

Judged from the findings of the other checks; sends no queries. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from bot.checks.sender_requirements.messages import BULK_SENDERS, CHECK_AGAIN, CODES, EITHER_REPLY, RULE_TEXTS
from bot.checks.sender_requirements.rules import (
    RECEIVERS,
    RULES,
    SIGNALS,
    Effect,
    Receiver,
    Requirement,
    Rule,
    RuleState,
)
from bot.models import Finding, SharedFacts, Verdict

__all__ = ["CODES", "judge"]

NOT_VISIBLE = "not-visible"


class RelevantFinding(NamedTuple):
    """The part of a finding that requirements depend on."""

    code: str
    verdict: Verdict
    remediation: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """State of a signal or rule, and the finding that decided it."""

    state: RuleState
    finding: RelevantFinding | None = None


@dataclass(frozen=True, slots=True)
class RequirementStatus:
    """State of one requirement of a receiver."""

    requirement: Requirement
    assessment: Assessment

    @property
    def rule(self) -> Rule:
        return RULES[self.requirement.rule]

    @property
    def code(self) -> str:
        """The finding code if the requirement is broken."""
        if self.requirement.bulk:
            return "senders.would-refuse-bulk"
        return "senders.would-refuse" if self.rule.effect is Effect.REFUSED else "senders.may-refuse"


def judge(findings: Sequence[Finding]) -> list[Finding]:
    """One finding per receiver, its `subject` the receiver id; none without relevant findings.

    `facts["rules"]` has one row per requirement: rule, asks, of (all, bulk), state (met, broken,
    unknown, unseen, not-visible), replies. No finding is worse than those it is based on.
    """
    relevant = dict.fromkeys([(finding.code, finding.verdict, finding.remediation) for finding in findings])
    return list(_judge(tuple([RelevantFinding(*row) for row in relevant])))


@lru_cache(maxsize=256)  # most addresses of a bulk check have the same findings
def _judge(relevant: tuple[RelevantFinding, ...]) -> tuple[Finding, ...]:
    signals = {name: _signal(name, relevant) for name in SIGNALS}
    if all(assessment.state is RuleState.UNSEEN for assessment in signals.values()):
        return ()
    return tuple(_receiver_finding(receiver, signals) for receiver in RECEIVERS)


def _signal(name: str, relevant: Sequence[RelevantFinding]) -> Assessment:
    for row in SIGNALS[name]:
        matching = [finding for finding in relevant if finding.code in row.codes and finding.verdict >= row.at_least]
        if matching:
            return Assessment(row.state, max(matching, key=lambda finding: finding.verdict))
    return Assessment(RuleState.UNSEEN)


def _rule(rule: Rule, signals: Mapping[str, Assessment]) -> Assessment:
    """Combine the signals of a rule.

    With `any_signal` one met signal is enough, else all must be met.
    """
    assessments = [signals[name] for name in rule.signals]
    deciding, unanimous = (RuleState.MET, RuleState.BROKEN) if rule.any_signal else (RuleState.BROKEN, RuleState.MET)
    if assessments and all(assessment.state is unanimous for assessment in assessments):
        return max(
            assessments, key=lambda assessment: assessment.finding.verdict if assessment.finding else Verdict.PASS
        )
    return next(
        (
            assessment
            for state in (deciding, RuleState.UNKNOWN)
            for assessment in assessments
            if assessment.state is state
        ),
        Assessment(RuleState.UNSEEN),
    )


def _receiver_finding(receiver: Receiver, signals: Mapping[str, Assessment]) -> Finding:
    statuses = [RequirementStatus(demand, _rule(RULES[demand.rule], signals)) for demand in receiver.requirements]
    code, deciding = _decide(statuses)
    causes = [status.assessment.finding for status in deciding if status.assessment.finding]
    worst = max(causes, key=lambda finding: finding.verdict, default=None)
    text = CODES[code]
    values = {"name": receiver.name, "bulk": BULK_SENDERS[receiver.id], "why": _why(deciding)}
    summary, remediation = text.fill(values)
    return Finding(
        check="senders",
        subject=receiver.id,
        verdict=min(worst.verdict, text.verdict) if worst else Verdict.PASS,
        code=code,
        summary=summary,
        remediation=(worst.remediation or CHECK_AGAIN) if worst else remediation,
        facts=SharedFacts(name=receiver.name, rules=[_row(status) for status in statuses]),
        links=receiver.links,
    )


def _decide(statuses: Sequence[RequirementStatus]) -> tuple[str, list[RequirementStatus]]:
    """The worst code, and the requirements that caused it."""
    broken = [status for status in statuses if status.assessment.state is RuleState.BROKEN]
    for code in ("senders.would-refuse", "senders.would-refuse-bulk", "senders.may-refuse"):
        if deciding := [status for status in broken if status.code == code]:
            return code, deciding
    unknown = [status for status in statuses if status.assessment.state is RuleState.UNKNOWN]
    return ("senders.not-known", unknown) if unknown else ("senders.would-take", [])


def _why(statuses: Sequence[RequirementStatus]) -> str:
    return ", ".join(_reason(status) for status in statuses)


def _reason(status: RequirementStatus) -> str:
    if status.assessment.state is RuleState.UNKNOWN:
        return RULE_TEXTS[status.rule.id].label
    violation = RULE_TEXTS[status.rule.id].violation
    replies = EITHER_REPLY.join(status.requirement.reply_codes)
    return f"{violation} ({replies})" if replies else violation


def _row(status: RequirementStatus) -> dict[str, Any]:
    rule = status.rule
    return {
        "rule": rule.id,
        "asks": RULE_TEXTS[rule.id].label,
        "of": "bulk" if status.requirement.bulk else "all",
        "state": status.assessment.state.value if rule.signals else NOT_VISIBLE,
        "replies": list(status.requirement.reply_codes),
    }
