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
from bot.checks.blocklists.words import CODES
from bot.checks.blocklists.zones import Question, questions, zones
from bot.model import Check, Finding, Lookup, Order, Role

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

    A list known to be good is asked one question; the others are asked for their test points in the same round.
    `keys` are the secrets of the key zones (`{"spamhaus": …, "abusix": …}`); lists that need a key not given are left out.
    `resolver_id` tells one resolver from another; `now` gives the time with its zone.
    """
    asked = zones(catalogue, keys)

    def standing_id(question: Question) -> str:
        return question.zone.standing_id(resolver_id)

    async def check(order: Order, lookup: Lookup, /) -> Sequence[Finding]:
        deadline = asyncio.get_running_loop().time() + budget_s
        at = now()
        asking = questions(asked, order.target)
        known = await memory.recall([standing_id(question) for question in asking])
        fresh = {key for key, standing in known.items() if standing.is_fresh(at)}
        stale = {standing_id(question): question.zone for question in asking if standing_id(question) not in fresh}
        heard = await ask(
            lookup,
            {question.name: question.zone.blocklist for question in asking},
            (name for zone in stale.values() for name in zone.controls),
            deadline,
        )
        seen = {key: standing_of(zone, heard, at) for key, zone in stale.items()}
        await memory.remember({key: standing for key, standing in seen.items() if standing.trust is not Trust.UNKNOWN})
        believed = _believed(known, seen, at)
        return [_finding(question, heard, believed[standing_id(question)], order.role) for question in asking]

    return check


def _believed(known: Mapping[str, Standing], seen: Mapping[str, Standing], at: datetime) -> dict[str, Standing]:
    """What was seen just now, unless that is silence and what was known still holds."""
    silent = {key for key, standing in seen.items() if standing.trust is Trust.UNKNOWN}
    kept = {key: old for key, old in known.items() if old.holds(at) and (key in silent or key not in seen)}
    return {**seen, **kept}


def _finding(question: Question, heard: Heard, standing: Standing, role: Role) -> Finding:
    reading = read(question.zone.blocklist, heard.outcome(question.name), standing)
    return finding_of(question.zone, question.subject, role, reading, heard.texts.get(question.name, ()))
