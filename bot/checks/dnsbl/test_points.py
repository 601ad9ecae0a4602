"""The controls of RFC 5782 section 5: an entry that must be there, one that must not, and what both together prove.

Which lists can be believed through the resolver in use: their test points asked, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.checks.dnsbl.catalog import Blocklist, Catalogue
from bot.checks.dnsbl.classify import Outcome, Reading, State, read_alone
from bot.checks.dnsbl.query import Heard, ask
from bot.checks.dnsbl.trust import Standing, Trust
from bot.checks.dnsbl.zones import Zone, zone_of
from bot.models import Lookup, LookupFailed

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


BUDGET_S = 5.0


@dataclass(frozen=True, slots=True)
class Health:
    """One list as the resolver in use shows it; `ms` is how long its slowest test point took."""

    id: str
    name: str
    standing: Trust
    reason: str
    ms: int


async def health(
    catalogue: Catalogue,
    keys: Mapping[str, str],
    lookup: Lookup,
    now: Callable[[], datetime],
    budget_s: float = BUDGET_S,
) -> AsyncIterator[Health]:
    """The health of every list, each as soon as it is known. A list that needs a key not given is unknown: `no-key`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + budget_s

    async def examine(blocklist: Blocklist) -> Health:
        started = loop.time()
        zone = zone_of(blocklist, keys)
        if zone is None:
            return Health(blocklist.id, blocklist.name, Trust.UNKNOWN, "no-key", 0)
        standing = await _examine(zone, lookup, now(), deadline)
        return Health(
            blocklist.id, blocklist.name, standing.trust, standing.reason, round((loop.time() - started) * 1e3)
        )

    examinations = [asyncio.ensure_future(examine(blocklist)) for blocklist in catalogue.lists]
    try:
        for done in asyncio.as_completed(examinations):
            yield await done
    finally:
        for examination in examinations:
            examination.cancel()


async def _examine(zone: Zone, lookup: Lookup, at: datetime, deadline: float) -> Standing:
    if zone.controls:
        return standing_of(zone, await ask(lookup, (), zone.controls, deadline), at)
    # Without a test point all that can be learnt is whether anybody answers for the zone.
    outcome = (await ask(lookup, (), [zone.apex], deadline)).outcome(zone.apex)
    if isinstance(outcome, LookupFailed):
        return Standing(Trust.UNKNOWN, read_alone(zone.blocklist, outcome).reason, at)
    return Standing(Trust.GOOD, "", at)
