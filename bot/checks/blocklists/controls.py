"""The controls of RFC 5782 section 5: an entry that must be there, one that must not, and what both together prove."""

from __future__ import annotations

from datetime import datetime

from bot.checks.blocklists.answers import Outcome, Reading, State, read_alone
from bot.checks.blocklists.asking import Heard
from bot.checks.blocklists.catalogue import Blocklist
from bot.checks.blocklists.standing import Standing, Trust
from bot.checks.blocklists.zones import Zone

GOOD = (Trust.GOOD, "")
Judgement = tuple[Trust, str]


def standing_of(zone: Zone, heard: Heard, at: datetime) -> Standing:
    """The standing of a list after a round in which its test points (`zone.controls`) were asked."""
    present, absent = (heard.outcome(name) if name else None for name in (zone.must_list, zone.must_not_list))
    return judge(zone.blocklist, present, absent, at)


def judge(blocklist: Blocklist, must_list: Outcome | None, must_not_list: Outcome | None, at: datetime) -> Standing:
    """The standing of a list from the outcomes of its test points; None stands for a point that the list does not keep.

    A list without test points is good as long as nothing speaks against it: there is no more to know about it.
    """
    present = None if must_list is None else _judge_present(read_alone(blocklist, must_list))
    absent = None if must_not_list is None else _judge_absent(read_alone(blocklist, must_not_list), present == GOOD)
    trust, reason = _worse(absent or GOOD, present or GOOD)
    return Standing(trust, reason, at)


def _judge_present(reading: Reading) -> Judgement:
    match reading.state:
        case State.LISTED:
            return GOOD
        case State.NOT_LISTED:
            return Trust.UNUSABLE, "emptied"
        case State.UNUSABLE:
            return Trust.UNUSABLE, reading.reason
        case State.UNKNOWN:
            return Trust.UNKNOWN, reading.reason


def _judge_absent(reading: Reading, answers_come_through: bool) -> Judgement:
    match reading.state:
        case State.NOT_LISTED:
            return GOOD
        case State.LISTED:
            return Trust.UNUSABLE, "lists-everything"
        case State.UNUSABLE:
            return Trust.UNUSABLE, reading.reason
        case State.UNKNOWN if reading.reason == "stripped" and answers_come_through:
            return GOOD
        case State.UNKNOWN:
            return Trust.UNKNOWN, reading.reason


def _worse(first: Judgement, second: Judgement) -> Judgement:
    badness = [Trust.GOOD, Trust.UNKNOWN, Trust.UNUSABLE]
    return max(first, second, key=lambda judgement: badness.index(judgement[0]))
