"""What a sweep does otherwise: the lists are proved once for all its targets, and then again while it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from bot.checks.dnsbl.catalog import Kind
from bot.checks.dnsbl.classify import Reading, State, is_denial, read
from bot.checks.dnsbl.findings import finding_of, not_listed
from bot.checks.dnsbl.query import ask_in_rounds, text_of
from bot.checks.dnsbl.test_points import standing_of
from bot.checks.dnsbl.trust import Memory, Standing, Trust
from bot.checks.dnsbl.zones import Zone, labels
from bot.models import Finding, Order, SweepLookup

PROVED_WITHIN_S = 2.0
TRIED_AGAIN_AFTER = timedelta(minutes=1)  # a list that could not be proved
LOOKED_OVER_AFTER = timedelta(seconds=1)
JUST_NOW = timedelta(seconds=0.5)  # the second looks of one round share a proof


class SweepStandings:
    """The standings that a sweep goes by. Only its first target waits for them; later proofs run beside the sweep."""

    def __init__(self, memory: Memory, ids: Mapping[str, str]) -> None:
        self._memory = memory
        self._ids = ids  # of a standing, by the apex of the zone
        self._known: dict[str, Standing] = {}  # by apex
        self._tried: dict[str, datetime] = {}
        self._said: dict[str, Standing] = {}  # by apex: by its test points alone when they were asked last
        self._looked_over: datetime | None = None
        self._proof = asyncio.Lock()
        self._beside: asyncio.Task[None] | None = None

    async def believed(self, zones: Collection[Zone], lookup: SweepLookup, at: datetime) -> Mapping[str, Standing]:
        """The standing of every zone, by its apex."""
        unproved = [zone for zone in zones if zone.apex not in self._known]
        if unproved:
            async with self._proof:
                await self._prove([zone for zone in unproved if zone.apex not in self._known], lookup, at)
        elif self._looked_over is None or abs(at - self._looked_over) >= LOOKED_OVER_AFTER:
            self._looked_over = at
            due = [zone for zone in zones if self._is_due(zone.apex, at)]
            if due and (self._beside is None or self._beside.done()):
                self._beside = asyncio.create_task(self._prove(due, lookup, at))
        return self._known

    async def proved(self, zone: Zone, lookup: SweepLookup, at: datetime) -> Standing:
        """What its test points say of a zone just now. What held until now proves nothing about a listing that is to be
        told, so their silence leaves it open."""
        async with self._proof:
            if zone.apex not in self._said or abs(at - self._said[zone.apex].at) >= JUST_NOW:
                held = self._known.get(zone.apex)
                await self._ask([zone], {zone.apex: held} if held and held.holds(at) else {}, lookup, at)
        return self._said[zone.apex]

    def _is_due(self, apex: str, at: datetime) -> bool:
        return not self._known[apex].is_fresh(at) and abs(at - self._tried[apex]) >= TRIED_AGAIN_AFTER

    async def _prove(self, zones: Sequence[Zone], lookup: SweepLookup, at: datetime) -> None:
        remembered = await self._memory.recall([self._ids[zone.apex] for zone in zones])
        kept = {zone.apex: old for zone in zones if (old := remembered.get(self._ids[zone.apex])) and old.holds(at)}
        stale = [zone for zone in zones if zone.apex not in kept or not kept[zone.apex].is_fresh(at)]
        await self._ask(stale, kept, lookup, at)
        self._tried.update(dict.fromkeys((zone.apex for zone in zones), at))

    async def _ask(
        self, zones: Collection[Zone], kept: Mapping[str, Standing], lookup: SweepLookup, at: datetime
    ) -> None:
        seen = await prove(zones, lookup, at)
        await self._memory.remember(
            {self._ids[apex]: standing for apex, standing in seen.items() if standing.trust is not Trust.UNKNOWN}
        )
        self._said.update(seen)
        self._known.update(better(kept, seen))


async def prove(zones: Iterable[Zone], lookup: SweepLookup, at: datetime) -> dict[str, Standing]:
    """The standings of these zones, by apex, from their test points alone; asked in a round, which goes past every cache,
    because what a resolver said an hour ago does not prove that answers come through it now."""
    asked = list(zones)
    heard = await ask_in_rounds(lookup, (), asked, asyncio.get_running_loop().time() + PROVED_WITHIN_S)
    return {zone.apex: standing_of(zone, heard, at) for zone in asked}


def better(kept: Mapping[str, Standing], seen: Mapping[str, Standing]) -> dict[str, Standing]:
    """What was seen just now, unless that is silence and what was known still holds."""
    silent = {key for key, standing in seen.items() if standing.trust is Trust.UNKNOWN}
    return {**seen, **{key: old for key, old in kept.items() if key in silent or key not in seen}}


class Panel:
    """The lists by what they hold, so that a label goes to all that fit in one round."""

    def __init__(self, zones: Sequence[Zone]) -> None:
        self._zones = {kind: [zone for zone in zones if kind in zone.blocklist.kinds] for kind in Kind}
        self._places = {zone.blocklist.id: place for place, zone in enumerate(zones)}

    async def examine(
        self, order: Order, lookup: SweepLookup, standings: SweepStandings, at: datetime
    ) -> list[Finding]:
        """One finding for each list that fits the target, in the order of the catalogue."""
        findings: list[Finding] = []
        kinds = labels(order.target)
        for kind, (label, subject) in kinds.items():
            believed = await standings.believed(self._zones[kind], lookup, at)
            asked = [zone.apex for zone in self._zones[kind] if believed[zone.apex].trust is Trust.GOOD]
            outcomes = dict(zip(asked, await lookup.ask_all(label, asked), strict=True))
            for zone in self._zones[kind]:
                outcome = outcomes.get(zone.apex)
                if is_denial(outcome):
                    findings.append(not_listed(zone, subject))
                    continue
                standing = believed[zone.apex]
                reading = read(zone.blocklist, outcome, standing) if outcome else unproved(standing)
                if outcome and reading.state is State.LISTED and lookup.fresh:
                    reading = read(zone.blocklist, outcome, await standings.proved(zone, lookup, at))
                listed = reading.state is State.LISTED
                texts = await text_of(lookup, f"{label}.{zone.apex}") if listed else ()
                findings.append(finding_of(zone, subject, order.role, reading, texts))
        return findings if len(kinds) == 1 else sorted(findings, key=lambda finding: self._places[finding.about])


def unproved(standing: Standing) -> Reading:
    """A list that cannot be believed just now is not asked either: its answer would count for nothing."""
    state = State.UNUSABLE if standing.trust is Trust.UNUSABLE else State.UNKNOWN
    return Reading(state, standing.reason)
