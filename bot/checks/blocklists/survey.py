"""Which lists can be believed through the resolver in use: their test points asked, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.checks.blocklists.answers import read_alone
from bot.checks.blocklists.asking import ask
from bot.checks.blocklists.catalogue import Blocklist, Catalogue
from bot.checks.blocklists.controls import standing_of
from bot.checks.blocklists.standing import Standing, Trust
from bot.checks.blocklists.zones import Zone, zone_of
from bot.model import Lookup, LookupFailed

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
