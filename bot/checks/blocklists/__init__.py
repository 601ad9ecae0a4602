"""Blocklists: is the address or the domain on one, what does that mean for its mail, and who can take it off.

`blocklist_check` makes the check; `health` tells which lists can be believed through the resolver in use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from bot.checks.blocklists.answers import State, read
from bot.checks.blocklists.asking import Heard, ask
from bot.checks.blocklists.catalogue import Catalogue, CatalogueError, load
from bot.checks.blocklists.controls import standing_of
from bot.checks.blocklists.findings import finding_of
from bot.checks.blocklists.standing import Memory, ProcessMemory, Standing, Trust
from bot.checks.blocklists.survey import Health, health
from bot.checks.blocklists.sweeping import Panel, SweepStandings, better
from bot.checks.blocklists.words import CODES
from bot.checks.blocklists.zones import Question, questions, zones
from bot.model import Check, Finding, Lookup, Order, Role, SweepLookup

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
Standings = Mapping[str, Standing]  # by the apex of the zone


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
        asking = questions(asked, order.target)
        heard, believed = await in_one_round(asking, lookup, at)
        return [_finding(question, heard, believed[question.zone.apex], order.role) for question in asking]

    async def in_one_round(asking: Sequence[Question], lookup: Lookup, at: datetime) -> tuple[Heard, Standings]:
        deadline = asyncio.get_running_loop().time() + budget_s
        apexes = {ids[question.zone.apex]: question.zone.apex for question in asking}
        remembered = await memory.recall(apexes)
        known = {apexes[key]: standing for key, standing in remembered.items() if standing.holds(at)}
        fresh = {apex for apex, standing in known.items() if standing.is_fresh(at)}
        stale = [question.zone for question in asking if question.zone.apex not in fresh]
        heard = await ask(lookup, asking, (name for zone in stale for name in zone.controls), deadline)
        seen = {zone.apex: standing_of(zone, heard, at) for zone in stale}
        await memory.remember(
            {ids[apex]: standing for apex, standing in seen.items() if standing.trust is not Trust.UNKNOWN}
        )
        return heard, better(known, seen)

    return check


def _finding(question: Question, heard: Heard, standing: Standing, role: Role) -> Finding:
    reading = read(question.zone.blocklist, heard.outcome(question.name), standing)
    return finding_of(question.zone, question.subject, role, reading, heard.texts.get(question.name, ()))
