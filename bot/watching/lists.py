"""What is remembered of every list between rounds, and the notes that come of it. Pure; the sweep keeps it in Redis.

A round of the lists takes some minutes, so that a short silence is no silence and a few good answers prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.model import Finding, Report
from bot.watching.breaker import (
    Limits,
    ListHealth,
    ListNote,
    Round,
    Tally,
    count,
    gave_itself_away,
    quarantined,
    round_ended,
    together,
)
from bot.watching.observations import BLOCKLIST, about_domain

LIST_ROUND = timedelta(minutes=5)
BUDGET, LISTS_EVERYTHING = "budget", "lists-everything"
NOT_ASKED = (BUDGET, "day-limit")
KNOWLEDGE = ("listed", "not_listed")


@dataclass(frozen=True, slots=True)
class Heard:
    """What one list said since the round began: targets asked, answers that can be believed, listings among them, and
    whether it lists the entry that must never be listed."""

    list: str
    asked: int = 0
    answered: int = 0
    listed: int = 0
    lists_everything: bool = False

    def __add__(self, more: Heard) -> Heard:
        return Heard(
            self.list,
            self.asked + more.asked,
            self.answered + more.answered,
            self.listed + more.listed,
            self.lists_everything or more.lists_everything,
        )


@dataclass(frozen=True, slots=True)
class ListMemory:
    """Every list's health, and what was heard since the present round began."""

    since: datetime
    healths: tuple[ListHealth, ...] = ()
    heard: tuple[Heard, ...] = ()

    @property
    def quarantined(self) -> frozenset[str]:
        return quarantined({health.list: health for health in self.healths})


@dataclass(frozen=True, slots=True)
class Used:
    """What watches have asked of a list since midnight UTC, of the `per_day` questions that its operator allows."""

    list: str
    per_day: int
    used: int


def heard_in(reports: Iterable[Report]) -> tuple[Heard, ...]:
    """What the lists said in these reports."""
    said: dict[tuple[str, str], Heard] = {}  # a domain counts once, however many addresses go with it
    for report in reports:
        ip, domain = str(report.order.target.ip), str(report.order.target.domain)
        for finding in report.findings:
            if finding.check == BLOCKLIST:
                said[finding.about, domain if about_domain(finding) else ip] = _heard(finding)
    heard: dict[str, Heard] = {}
    for one in said.values():
        heard[one.list] = heard.get(one.list, Heard(one.list)) + one
    return tuple(heard.values())


def _heard(finding: Finding) -> Heard:
    state, reason = finding.facts.get("state"), finding.facts.get("reason")
    return Heard(finding.about, 1, state in KNOWLEDGE, state == "listed", reason == LISTS_EVERYTHING)


def counted(
    memory: ListMemory, tallies: Mapping[str, Tally], heard: Iterable[Heard], now: datetime, limits: Limits
) -> tuple[ListMemory, tuple[ListNote, ...]]:
    """The memory after some looks, before anybody is told of them."""
    healths = {health.list: health for health in memory.healths}
    notes: list[ListNote] = []
    for name, tally in tallies.items():
        healths[name], note = count(healths.get(name, ListHealth(name)), tally, now, limits)
        notes += [note] if note else []
    sums = {one.list: one for one in memory.heard}
    for one in heard:
        if one.lists_everything:
            healths[one.list], note = gave_itself_away(healths.get(one.list, ListHealth(one.list)), now)
            notes += [note] if note else []
        sums[one.list] = sums.get(one.list, Heard(one.list)) + one
    return replace(memory, healths=tuple(healths.values()), heard=tuple(sums.values())), tuple(notes)


def round_over(
    memory: ListMemory, unproven: Set[str], now: datetime, limits: Limits
) -> tuple[ListMemory, tuple[ListNote, ...]]:
    """The memory with its round ended, where that has lasted long enough; `unproven` lists have no test entries."""
    if now - memory.since < LIST_ROUND and now >= memory.since:
        return memory, ()
    healths = {health.list: health for health in memory.healths}
    notes: list[ListNote] = []
    for one in memory.heard:
        # A list that lists everything is not silent, though nothing that it says can be believed.
        seen = Round(one.answered > 0 or one.lists_everything, _lists_everything(one, one.list in unproven, limits))
        healths[one.list], more = round_ended(healths.get(one.list, ListHealth(one.list)), seen, now, limits)
        notes += more
    return ListMemory(now, tuple(healths.values())), together(notes, len(memory.heard))


def _lists_everything(heard: Heard, unproven: bool, limits: Limits) -> bool:
    """Where a list has no entry that must not be listed, the targets stand in: no true list holds half of them."""
    if not unproven:
        return heard.lists_everything
    return heard.listed >= max(limits.flips, heard.answered / 2)
