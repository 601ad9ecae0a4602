"""When a list itself is the news: it lists the world, or it has fallen silent. One note a list, and no alert a target. Pure.

A list that is sold, parked or broken turns every watched address into a listing at once. It is put in quarantine, what it
said is held back, and it is believed again after good rounds of its own test entries (RFC 5782 section 5).

What is remembered of every list between rounds, and the notes that come of it. Pure; the sweep keeps it in Redis.

A round of the lists takes some minutes, so that a short silence is no silence and a few good answers prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from bot.models import Finding, Report
from bot.monitoring.models import Incident, Observation, State
from bot.monitoring.observations import BLOCKLIST, about_domain


@dataclass(frozen=True, slots=True)
class Limits:
    """`flips` and `share`: so many, and so large a part of the targets asked, must turn to listed. `sample` bounds how far
    back that part looks. `trusted_for`: after quarantine only the test entries can bring a list back into it, so that
    listings which are real are told."""

    flips: int = 5
    share: float = 0.2
    sample: int = 25
    good_rounds: int = 3
    silent_rounds: int = 3
    trusted_for: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class ListHealth:
    """What is remembered of one list. `asked` and `flipped` count recent looks with an answer; `good` counts rounds in a
    row with right test entries while in quarantine, `silent` rounds in a row without any verified answer; `episode` the
    notes' occasions. Never in quarantine: `held_since` is None."""

    list: str
    asked: float = 0
    flipped: float = 0
    held_since: datetime | None = None
    trusted_until: datetime | None = None
    good: int = 0
    silent: int = 0
    degraded: bool = False
    episode: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """What one or many looks said of one list: targets with a verified answer, and those that turned to listed."""

    asked: int = 0
    flipped: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.asked + other.asked, self.flipped + other.flipped)


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a list. `answered`: there was a verified answer. `must_not_listed`: its "never listed" entry is listed."""

    answered: bool
    must_not_listed: bool = False


class NoteReason(StrEnum):
    """QUARANTINED and DEGRADED each end with TRUSTED and ANSWERING."""

    QUARANTINED = "quarantined"
    TRUSTED = "trusted"
    DEGRADED = "degraded"
    ANSWERING = "answering"


@dataclass(frozen=True, slots=True)
class ListNote:
    """One note to whoever runs the bot. Several lists in one note: it is not them, it is DNS here.

    `flipped` of `asked` recent looks turned to listed; both zero where the list's own test entries gave it away.
    """

    key: str
    reason: NoteReason
    lists: tuple[str, ...]
    flipped: int = 0
    asked: int = 0

    @property
    def thread(self) -> str:
        """The name under which its end finds its beginning."""
        return self.key.rpartition(".")[0]

    @property
    def begins(self) -> bool:
        return self.reason in (NoteReason.QUARANTINED, NoteReason.DEGRADED)


def tallies(before: Incident | None, observations: Iterable[Observation]) -> dict[str, Tally]:
    """What one look at one watch adds to each list; a first look flips nothing, because nobody knows what was before."""
    known = {(p.sight.about, p.sight.address) for p in before.problems if p.phase != "clean"} if before else set()
    flips: dict[tuple[str, str], bool] = {}  # a domain counts once, however many addresses go with it
    for seen in observations:
        if seen.check == BLOCKLIST and seen.state in (State.LISTED, State.NOT_LISTED):
            subject = seen.about, seen.address
            flips[subject] = before is not None and seen.state is State.LISTED and subject not in known
    counted: dict[str, Tally] = {}
    for (name, _), flipped in flips.items():
        counted[name] = counted.get(name, Tally()) + Tally(1, int(flipped))
    return counted


def hold(observations: Iterable[Observation], quarantined: Set[str]) -> tuple[Observation, ...]:
    """The observations with those of quarantined lists held back."""
    return tuple(
        replace(seen, state=State.HELD) if seen.check == BLOCKLIST and seen.about in quarantined else seen
        for seen in observations
    )


def count(health: ListHealth, tally: Tally, now: datetime, limits: Limits) -> tuple[ListHealth, ListNote | None]:
    """Add looks to a list's health, and put it in quarantine when too many of them turned to listed.

    Count before the looks are told of, and ask again whether the list is held: the looks that broke it are held as well.
    No target is told of when the flips that break it come within one `Policy.confirm_after`, as they do from some 250
    targets an hour on. With fewer, its test entries give a list away: every second look asks them, too. Only of a list that
    keeps none can those targets have been told whose second look came sooner.
    """
    if health.held_since:
        return health, None
    asked, flipped = health.asked + tally.asked, health.flipped + tally.flipped
    trusted = health.trusted_until is not None and now < health.trusted_until
    if not trusted and flipped >= max(limits.flips, limits.share * asked):
        return _quarantined(replace(health, asked=asked, flipped=flipped), now)
    # The past counts as much as one sample, so that a quiet day hides no bad minute.
    weight = min(1.0, limits.sample / asked) if asked else 1.0
    return replace(health, asked=round(asked * weight, 3), flipped=round(flipped * weight, 3)), None


def gave_itself_away(health: ListHealth, now: datetime) -> tuple[ListHealth, ListNote | None]:
    """A list that lists its own "never listed" entry is in quarantine at once, before anything that it said is told."""
    return (health, None) if health.held_since else _quarantined(health, now)


def round_ended(
    health: ListHealth, seen: Round, now: datetime, limits: Limits
) -> tuple[ListHealth, tuple[ListNote, ...]]:
    """A list's health after one round of it, whether it was in quarantine or not."""
    notes: list[ListNote | None] = []
    health, note = _heard(health, seen, limits)
    notes.append(note)
    if seen.must_not_listed and not health.held_since:
        health, note = _quarantined(health, now)
    else:
        health, note = _believed(health, seen, now, limits)
    notes.append(note)
    return health, tuple(note for note in notes if note)


def together(notes: Iterable[ListNote], lists: int) -> tuple[ListNote, ...]:
    """The notes of one round over all `lists`: when half of them fall silent or come back at once, that is one note."""
    by_reason: dict[NoteReason, list[ListNote]] = {}
    for note in notes:
        by_reason.setdefault(note.reason, []).append(note)
    merged: list[ListNote] = []
    for reason, alike in by_reason.items():
        if reason in (NoteReason.DEGRADED, NoteReason.ANSWERING) and len(alike) > 1 and 2 * len(alike) >= lists:
            names = tuple(sorted(name for note in alike for name in note.lists))
            merged.append(ListNote(f"lists.{max(note.key for note in alike)}", reason, names))
        else:
            merged += alike
    return tuple(merged)


def quarantined(healths: Mapping[str, ListHealth]) -> frozenset[str]:
    return frozenset(name for name, health in healths.items() if health.held_since)


def _heard(health: ListHealth, seen: Round, limits: Limits) -> tuple[ListHealth, ListNote | None]:
    if seen.answered:
        back = replace(health, silent=0, degraded=False)
        return back, _note(back, NoteReason.ANSWERING) if health.degraded else None
    silent = min(health.silent + 1, limits.silent_rounds)
    if silent < limits.silent_rounds or health.degraded:
        return replace(health, silent=silent), None
    degraded = replace(health, silent=silent, degraded=True, episode=health.episode + 1)
    return degraded, _note(degraded, NoteReason.DEGRADED)


def _quarantined(health: ListHealth, now: datetime) -> tuple[ListHealth, ListNote]:
    held = ListHealth(
        health.list,
        held_since=now,
        silent=health.silent,
        degraded=health.degraded,
        episode=health.episode + 1,
    )
    note = _note(held, NoteReason.QUARANTINED)
    return held, replace(note, flipped=round(health.flipped), asked=round(health.asked))


def _believed(health: ListHealth, seen: Round, now: datetime, limits: Limits) -> tuple[ListHealth, ListNote | None]:
    if not health.held_since:
        return health, None
    if seen.must_not_listed or not seen.answered:
        return replace(health, good=0), None
    if health.good + 1 < limits.good_rounds:
        return replace(health, good=health.good + 1), None
    trusted = replace(health, held_since=None, good=0, trusted_until=now + limits.trusted_for)
    return trusted, _note(trusted, NoteReason.TRUSTED)


def _note(health: ListHealth, reason: NoteReason) -> ListNote:
    return ListNote(f"{health.list}.{health.episode}.{reason}", reason, (health.list,))


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
                said[finding.about, domain if about_domain(finding) else ip] = _list_heard(finding)
    heard: dict[str, Heard] = {}
    for one in said.values():
        heard[one.list] = heard.get(one.list, Heard(one.list)) + one
    return tuple(heard.values())


def _list_heard(finding: Finding) -> Heard:
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
