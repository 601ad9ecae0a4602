"""What the code reads in a saved store, as plain JSON: all that a value holds but what is empty.

Every value is named here once, so that one that is not read any more is missed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.watching.breaker import ListHealth, ListNote
from bot.watching.history import History, Span
from bot.watching.kept import AnyLetter, DigestLetter, Kept, Letter, RoomSettings
from bot.watching.lists import Heard
from bot.watching.model import Alert, Incident, Problem, Room
from bot.watching.register import Register

Facts = dict[str, Any]
Read = Callable[[Register, Sequence[Room], datetime], Awaitable[Any]]
LONG = timedelta(days=30)


async def watches(register: Register, rooms: Sequence[Room], now: datetime) -> list[Facts]:
    return [watch_facts(kept) for room in rooms for kept in await register.of_room(room)]


async def histories(register: Register, rooms: Sequence[Room], now: datetime) -> Facts:
    found = [await register.histories(room) for room in rooms]
    return {id: history_facts(history) for those in found for id, history in those.items()}


async def letters(register: Register, rooms: Sequence[Room], now: datetime) -> list[Facts]:
    """Each is taken out, so that the next can be read."""
    facts: list[Facts] = []
    for room in rooms:
        while letter := await register.first(room):
            facts.append(letter_facts(letter))
            await register.sent(letter, "read")
    return facts


async def places(register: Register, rooms: Sequence[Room], now: datetime) -> Facts:
    spaces = [f"{platform}/{space}" for platform, space in await register.spaces()]
    return {
        "rooms": {space: await rooms_of(register, space) for space in spaces},
        "settings": {str(room): settings_facts(await register.settings(room)) for room in rooms},
        "digests": dict(await register.digests.due((now + LONG).timestamp(), 99)),
        "resting": dict(await register.rooms_kept.resting()),
        "to be told now": sorted(map(str, await register.rooms())),
        "who did what": {space: await register.rooms_kept.notes(space, 99) for space in spaces},
    }


async def rooms_of(register: Register, space: str) -> list[str]:
    return [str(room) for room in await register.rooms_of(*space.split("/"))]


async def lists(register: Register, rooms: Sequence[Room], now: datetime) -> Facts:
    memory, asked = await register.list_memory(), ["spamhaus-zen", "spamhaus-dbl", "nordspam"]
    assert memory
    return {
        "since": at(memory.since),
        "health": [health_facts(health) for health in memory.healths],
        "heard": [heard_facts(heard) for heard in memory.heard],
        "quarantined": sorted(await register.quarantined()),
        "notes": [note_facts(note) for note in await register.list_notes()],
        "used": await register.sweeping.used(asked, now.timestamp()),
        "wishes": await register.watches.wishes(),
        "swept": at(await register.swept_at()),
    }


PARTS: Mapping[str, Read] = {
    "watches": watches,
    "histories": histories,
    "letters": letters,
    "places": places,
    "lists": lists,
}


def filled(**facts: Any) -> Facts:
    return {name: fact for name, fact in facts.items() if fact not in (None, "", 0, False, [], {})}


def at(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def watch_facts(kept: Kept) -> Facts:
    watch, every = kept.watch, kept.every
    return filled(
        room=str(watch.room),
        id=watch.id,
        subject=watch.subject,
        network=str(watch.network or ""),
        domain=watch.domain,
        role=str(watch.role),
        every=watch.every.total_seconds(),
        by=watch.by,
        since=at(watch.since),
        name=watch.name,
        due=at(kept.due),
        granted=every.total_seconds() if every else None,
        rests=kept.paused,
        incident=incident_facts(kept.incident),
    )


def incident_facts(incident: Incident) -> Facts:
    hand, mute = incident.acknowledged, incident.muted
    return filled(
        watch=incident.watch,
        began=at(incident.began),
        thread=incident.thread,
        opened=at(incident.opened),
        spoken=incident.spoken,
        told_at=at(incident.told_at),
        acknowledged=[hand.by, at(hand.at)] if hand else None,
        muted=[mute.by, at(mute.until)] if mute else None,
        settings=dict(incident.settings),
        problems=[problem_facts(problem) for problem in incident.problems],
    )


def problem_facts(problem: Problem) -> Facts:
    sight = problem.sight
    is_so = {
        "told": problem.told,
        "quiet": problem.quiet,
        "unstable": problem.unstable,
        "noted": problem.noted,
    }
    return filled(
        key=problem.key,
        phase=str(problem.phase),
        since=at(problem.since),
        turned=at(problem.turned),
        asked=at(problem.asked),
        clean=problem.clean,
        misses=problem.misses,
        opens=[at(moment) for moment in problem.opens],
        so=[word for word, holds in is_so.items() if holds],
        seen=f"{sight.state} {at(sight.at)}",
        severity=str(sight.severity),
        sublists=list(sight.sublists),
        says=sight.says,
        step=sight.step,
        links=[f"{link.label} {link.url}" for link in sight.links],
        setting=sight.setting,
        was=sight.was,
        value=sight.value,
        passing=sight.passing,
        name=sight.name,
        text=sight.text,
    )


def letter_facts(letter: AnyLetter) -> Facts:
    common = filled(
        id=letter.id,
        room=str(letter.room),
        at=at(letter.at),
        began=at(letter.began),
        root=letter.root,
        thread=letter.thread,
        intent=at(letter.intent),
        tries=letter.tries,
    )
    if isinstance(letter, Letter):
        watch = watch_facts(Kept(letter.watch, letter.incident))
        return common | {"watch": watch, "alert": alert_facts(letter.alert)}
    if isinstance(letter, DigestLetter):
        return common
    return common | {"list": letter.name, "note": note_facts(letter.note)}


def alert_facts(alert: Alert) -> Facts:
    told = {"new": alert.new, "still": alert.still, "gone": alert.gone, "lost": alert.lost}
    return filled(
        key=alert.key,
        watch=alert.watch,
        reason=str(alert.reason),
        at=at(alert.at),
        thread=alert.thread,
        root=alert.root,
        loud=alert.loud,
        opened=at(alert.opened),
        broadcast=alert.broadcast,
        addresses=list(alert.addresses),
        **{name: [problem_facts(p) for p in problems] for name, problems in told.items()},
    )


def note_facts(note: ListNote) -> Facts:
    return filled(
        key=note.key,
        reason=str(note.reason),
        lists=list(note.lists),
        flipped=note.flipped,
        asked=note.asked,
    )


def history_facts(history: History) -> Facts:
    return {track.key: [track.name, *map(span_facts, track.spans)] for track in history.tracks}


def span_facts(span: Span) -> list[Any]:
    lasted = [span.times, span.lasted.total_seconds(), span.longest.total_seconds()]
    return [at(span.since), at(span.until), *lasted, span.by]


def settings_facts(settings: RoomSettings) -> Facts:
    return filled(
        updates=settings.updates,
        reminder=settings.reminder,
        restrict=settings.restrict,
        lists=settings.lists,
        digest=settings.digest,
    )


def health_facts(health: ListHealth) -> Facts:
    return filled(
        list=health.list,
        asked=health.asked,
        flipped=health.flipped,
        held_since=at(health.held_since),
        trusted_until=at(health.trusted_until),
        good=health.good,
        silent=health.silent,
        degraded=health.degraded,
        episode=health.episode,
    )


def heard_facts(heard: Heard) -> Facts:
    return filled(
        list=heard.list,
        asked=heard.asked,
        answered=heard.answered,
        listed=heard.listed,
        lists_everything=heard.lists_everything,
    )
