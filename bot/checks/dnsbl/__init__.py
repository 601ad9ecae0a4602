"""Blocklists: is the address or the domain on one, what does that mean for its mail, and who can take it off.

`blocklist_check` makes the check; `health` tells which lists can be believed through the resolver in use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from bot.checks.dnsbl.bulk import Panel, SweepStandings, better
from bot.checks.dnsbl.catalog import Catalogue, CatalogueError, load
from bot.checks.dnsbl.classify import State, read
from bot.checks.dnsbl.findings import finding_of
from bot.checks.dnsbl.messages import CODES
from bot.checks.dnsbl.query import Heard, ask, ask_in_rounds
from bot.checks.dnsbl.test_points import Health, health, standing_of
from bot.checks.dnsbl.trust import Memory, ProcessMemory, Standing, Trust
from bot.checks.dnsbl.zones import Question, questions, zones
from bot.models import Check, Finding, Lookup, Order, Role, RoundLookup, SweepLookup

__all__ = [
    "BUDGET_S",
    "CODES",
    "CatalogueError",
    "Health",
    "Memory",
    "ProcessMemory",
    "Standing",
    "State",
    "Trust",
    "blocklist_check",
    "health",
    "load",
]

BUDGET_S = 2.0


def blocklist_check(
    catalogue: Catalogue,
    keys: Mapping[str, str],
    memory: Memory,
    resolver_id: str,
    now: Callable[[], datetime],
    budget_s: float = BUDGET_S,
) -> Check:
    """A check that gives one finding for each list that fits the target, within `budget_s` however silent a list is.

    A list known to be good is asked one question; the others are asked for their test points in the same round. A sweep (its
    lookup is a SweepLookup) proves the lists once for all its targets and has no budget for one of them: it waits its turn.
    `keys` are the secrets of the key zones (`{"spamhaus": …, "abusix": …}`); lists that need a key not given are left out.
    `resolver_id` tells one resolver from another; `now` gives the time with its zone.
    """
    asked = zones(catalogue, keys)
    ids = {zone.apex: zone.standing_id(resolver_id) for zone in asked}
    panel, standings = Panel(asked), SweepStandings(memory, ids)

    async def check(order: Order, lookup: Lookup, /) -> Sequence[Finding]:
        at = now()
        if isinstance(lookup, SweepLookup):
            return await panel.examine(order, lookup, standings, at)
        deadline = asyncio.get_running_loop().time() + budget_s
        asking = questions(asked, order.target)
        recalled = await memory.recall({ids[question.zone.apex] for question in asking})
        known = {apex: recalled[key] for apex, key in ids.items() if key in recalled and recalled[key].holds(at)}
        heard, seen = await in_one_round(asking, known, lookup, at, deadline)
        proved = {ids[apex]: standing for apex, standing in seen.items() if standing.trust is not Trust.UNKNOWN}
        await memory.remember(proved)
        believed = better(known, seen)
        return [_finding(question, heard, believed[question.zone.apex], order.role) for question in asking]

    return check


async def in_one_round(
    asking: Sequence[Question], known: Mapping[str, Standing], lookup: Lookup, at: datetime, deadline: float
) -> tuple[Heard, dict[str, Standing]]:
    """What the lists say, and the standing of those, by apex, whose test points had to be asked."""
    stale = [question.zone for question in asking if not is_fresh(known.get(question.zone.apex), at)]
    if isinstance(lookup, RoundLookup):
        heard = await ask_in_rounds(lookup, asking, stale, deadline)
    else:
        heard = await ask(lookup, asking, (name for zone in stale for name in zone.controls), deadline)
    return heard, {zone.apex: standing_of(zone, heard, at) for zone in stale}


def is_fresh(standing: Standing | None, at: datetime) -> bool:
    return standing is not None and standing.is_fresh(at)


def _finding(question: Question, heard: Heard, standing: Standing, role: Role) -> Finding:
    reading = read(question.zone.blocklist, heard.outcome(question.name), standing)
    return finding_of(question.zone, question.subject, role, reading, heard.texts.get(question.name, ()))
