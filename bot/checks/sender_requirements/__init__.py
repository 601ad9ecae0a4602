"""Would Gmail, Yahoo and Outlook.com take this mail? Judged from what the other checks found; asks nothing itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from bot.checks.finding_codes import Code
from bot.checks.sender_requirements.rules import RECEIVERS, RULES, SIGNALS, Demand, Effect, Receiver, Rule, State
from bot.models import Finding, SharedFacts, Verdict

__all__ = ["CODES", "judge"]

CODES: Mapping[str, Code] = {
    "senders.would-take": Code(
        "Nothing that was seen speaks against the receiver taking the mail.",
        "[Gmail](https://support.google.com/a/answer/81126), [Yahoo](https://senders.yahooinc.com/best-practices/), [Outlook.com](https://sendersupport.olc.protection.outlook.com/pm/)",
    ),
    "senders.would-refuse": Code(
        "The mail breaks a rule that the receiver holds every sender to.",
        "[Gmail](https://support.google.com/a/answer/81126), [Yahoo](https://senders.yahooinc.com/best-practices/), [Outlook.com](https://sendersupport.olc.protection.outlook.com/pm/)",
        "Put right the rule that the finding names; its reply codes are those in the bounces.",
    ),
    "senders.would-refuse-bulk": Code(
        "The mail breaks a rule that the receiver holds those to who send much.",
        "[Gmail](https://support.google.com/a/answer/81126), [Yahoo](https://senders.yahooinc.com/best-practices/), [Outlook.com](https://sendersupport.olc.protection.outlook.com/pm/)",
        "Put right the rule that the finding names before you send much.",
    ),
    "senders.may-refuse": Code(
        "The mail breaks a rule that lowers the trust of the receiver.",
        "[Gmail](https://support.google.com/a/answer/81126), [Yahoo](https://senders.yahooinc.com/best-practices/), [Outlook.com](https://sendersupport.olc.protection.outlook.com/pm/)",
        "Put right the rule that the finding names.",
    ),
    "senders.not-known": Code(
        "Something that the receiver asks for could not be checked.",
        "[Gmail](https://support.google.com/a/answer/81126), [Yahoo](https://senders.yahooinc.com/best-practices/), [Outlook.com](https://sendersupport.olc.protection.outlook.com/pm/)",
        "Check again in a few minutes.",
    ),
}
SAYS: Mapping[str, str] = {
    "senders.would-take": "Nothing that can be seen from outside keeps {name} from taking this mail.",
    "senders.would-refuse": "{name} would refuse this mail: {why}.",
    "senders.would-refuse-bulk": "{name} would refuse this mail from {bulk}: {why}.",
    "senders.may-refuse": "{name} may refuse this mail or call it spam: {why}.",
    "senders.not-known": "It is not known whether {name} would take this mail; not checked: {why}.",
}
NOT_VISIBLE = "not-visible"
AGAIN = "Check again in a few minutes."


class Sign(NamedTuple):
    """What of a finding counts here."""

    code: str
    verdict: Verdict
    step: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A signal or a rule as it stands, and the finding that decided it."""

    state: State
    finding: Sign | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """One demand of a receiver as it stands."""

    demand: Demand
    seen: Seen

    @property
    def rule(self) -> Rule:
        return RULES[self.demand.rule]

    @property
    def code(self) -> str:
        """The code that a broken demand brings."""
        if self.demand.bulk:
            return "senders.would-refuse-bulk"
        return "senders.would-refuse" if self.rule.effect is Effect.REFUSED else "senders.may-refuse"


def judge(findings: Sequence[Finding]) -> list[Finding]:
    """One finding per receiver, `about` its id; none where nothing was found that a receiver looks at.

    `facts["rules"]` is the table: rule, asks, of (all, bulk), state (met, broken, unknown, unseen, not-visible) and replies.
    No finding is worse than those it was judged from.
    """
    signs = dict.fromkeys([(finding.code, finding.verdict, finding.step) for finding in findings])
    return list(_judge(tuple([Sign(*sign) for sign in signs])))


@lru_cache(maxsize=256)  # the addresses of a sweep are mostly alike
def _judge(signs: tuple[Sign, ...]) -> tuple[Finding, ...]:
    signals = {name: _signal(name, signs) for name in SIGNALS}
    if all(seen.state is State.UNSEEN for seen in signals.values()):
        return ()
    return tuple(_about(receiver, signals) for receiver in RECEIVERS)


def _signal(name: str, signs: Sequence[Sign]) -> Seen:
    for row in SIGNALS[name]:
        fitting = [sign for sign in signs if sign.code in row.codes and sign.verdict >= row.at_least]
        if fitting:
            return Seen(row.state, max(fitting, key=lambda sign: sign.verdict))
    return Seen(State.UNSEEN)


def _rule(rule: Rule, signals: Mapping[str, Seen]) -> Seen:
    """The first of its signals in the state that decides: one good one, or one bad one, may be enough."""
    seen = [signals[name] for name in rule.signals]
    enough, whole = (State.MET, State.BROKEN) if rule.any_signal else (State.BROKEN, State.MET)
    if seen and all(each.state is whole for each in seen):
        return max(seen, key=lambda each: each.finding.verdict if each.finding else Verdict.PASS)
    return next((each for state in (enough, State.UNKNOWN) for each in seen if each.state is state), Seen(State.UNSEEN))


def _about(receiver: Receiver, signals: Mapping[str, Seen]) -> Finding:
    standings = [Standing(demand, _rule(RULES[demand.rule], signals)) for demand in receiver.demands]
    code, deciding = _decide(standings)
    causes = [standing.seen.finding for standing in deciding if standing.seen.finding]
    worst = max(causes, key=lambda finding: finding.verdict, default=None)
    ceiling = Verdict.FAIL if code == "senders.would-refuse" else Verdict.WARN
    return Finding(
        check="senders",
        about=receiver.id,
        verdict=min(worst.verdict, ceiling) if worst else Verdict.PASS,
        code=code,
        says=SAYS[code].format(name=receiver.name, bulk=receiver.bulk, why=_why(deciding)),
        step=(worst.step or AGAIN) if worst else "",
        facts=SharedFacts(name=receiver.name, rules=[_row(standing) for standing in standings]),
        links=receiver.links,
    )


def _decide(standings: Sequence[Standing]) -> tuple[str, list[Standing]]:
    """The gravest code, and the demands that brought it."""
    broken = [standing for standing in standings if standing.seen.state is State.BROKEN]
    for code in ("senders.would-refuse", "senders.would-refuse-bulk", "senders.may-refuse"):
        if deciding := [standing for standing in broken if standing.code == code]:
            return code, deciding
    unknown = [standing for standing in standings if standing.seen.state is State.UNKNOWN]
    return ("senders.not-known", unknown) if unknown else ("senders.would-take", [])


def _why(standings: Sequence[Standing]) -> str:
    return ", ".join(_reason(standing) for standing in standings)


def _reason(standing: Standing) -> str:
    if standing.seen.state is State.UNKNOWN:
        return standing.rule.asks
    replies = " or ".join(standing.demand.replies)
    return f"{standing.rule.lacks} ({replies})" if replies else standing.rule.lacks


def _row(standing: Standing) -> dict[str, Any]:
    rule = standing.rule
    return {
        "rule": rule.id,
        "asks": rule.asks,
        "of": "bulk" if standing.demand.bulk else "all",
        "state": standing.seen.state.value if rule.signals else NOT_VISIBLE,
        "replies": list(standing.demand.replies),
    }
