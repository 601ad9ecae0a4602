"""The answer table: what a list, an outcome of DNS and the standing of the list together mean. Pure.

Silence is not clean, a refusal is not a listing, and "no such name" counts only while the test points answer right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.checks.dnsbl.catalog import Blocklist, Controls
from bot.checks.dnsbl.return_codes import Code, octets_of
from bot.checks.dnsbl.trust import Standing, Trust
from bot.models import Answer, LookupFailed

Outcome = Answer | LookupFailed

STRIPPED = "stripped"
# Garbage is no better than silence: in both cases nobody who knows has spoken.
SAME_AS = {"malformed": "timeout"}


class State(StrEnum):
    """The state of one list for one target. Only `listed` and `not_listed` are answers."""

    LISTED = "listed"
    NOT_LISTED = "not_listed"
    UNKNOWN = "unknown"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Reading:
    """What came out of the table. `answers` holds every A record, `unrecognised` those that the list does not explain."""

    state: State
    reason: str = ""
    answers: tuple[str, ...] = ()
    codes: tuple[Code, ...] = ()
    unrecognised: tuple[str, ...] = ()


NOT_LISTED = Reading(State.NOT_LISTED)


def read(blocklist: Blocklist, outcome: Outcome, standing: Standing) -> Reading:
    """The state of the list for what was asked, given what its test points showed through the same resolver."""
    good = standing.trust is Trust.GOOD
    if good and is_denial(outcome):
        return NOT_LISTED
    heard = read_alone(blocklist, outcome)
    if heard.state is State.UNUSABLE:
        return heard
    if standing.trust is Trust.UNUSABLE:
        return Reading(State.UNUSABLE, standing.reason, heard.answers)
    if heard.reason == STRIPPED and good and blocklist.controls is Controls.BOTH:
        return NOT_LISTED  # the entry that must be there came through, so nothing strips answers
    if heard.state is State.UNKNOWN:
        return heard
    if not good:
        return Reading(State.UNKNOWN, standing.reason, heard.answers)
    return heard


def is_denial(outcome: Outcome | None) -> bool:
    """Whether the list said that it has no such name: of a list in good standing, this is "not listed"."""
    return isinstance(outcome, Answer) and not outcome.exists and not outcome.records


def read_alone(blocklist: Blocklist, outcome: Outcome) -> Reading:
    """One outcome by itself, as though the list were in good standing."""
    if isinstance(outcome, LookupFailed):
        return Reading(State.UNKNOWN, SAME_AS.get(outcome.reason, outcome.reason))
    if not outcome.records:
        return Reading(State.UNKNOWN, STRIPPED) if outcome.exists else NOT_LISTED
    if not outcome.exists:  # "no such name" and an address in one breath
        return Reading(State.UNKNOWN, "contradiction")
    return _read_records(blocklist, outcome.records)


def _read_records(blocklist: Blocklist, records: Sequence[str]) -> Reading:
    answers = tuple(sorted(set(records), key=lambda record: (octets_of(record) or (0, 0, 0, 0), record)))
    if not all(_is_loopback(answer) for answer in answers):
        return Reading(State.UNUSABLE, "parked", answers)
    found = {answer: blocklist.codes.find(answer) for answer in answers}
    codes = tuple(dict.fromkeys(code for meanings in found.values() for code in meanings))
    if refusal := next((code for code in codes if not code.effect.is_answer), None):
        return Reading(State.UNUSABLE, refusal.reason, answers)
    unrecognised = tuple(answer for answer in answers if not found[answer])
    return Reading(State.LISTED, "", answers, codes, unrecognised)


def _is_loopback(answer: str) -> bool:
    octets = octets_of(answer)
    return octets is not None and octets[0] == 127
