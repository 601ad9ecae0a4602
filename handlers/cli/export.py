"""`mailcheck export`: every watch of the store with what became of it, as JSON lines or as one table."""

from __future__ import annotations

import csv
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from bot.app import MailWing, now
from bot.monitoring.history import History, Span, Track
from bot.monitoring.interfaces import Kept
from bot.monitoring.repository import Register
from handlers.cli.command import Json, print_json, run

WATCH = ("room", "id", "target", "name", "as", "every_s", "since", "by", "open")
SPAN = ("what", "list", "from", "until", "times", "lasted_s", "longest_s", "who")
STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"


def export(
    form: Annotated[
        Format, typer.Option("--format", help="json: an object a watch; csv: a row a spell.")
    ] = Format.JSON,
    as_json: Json = False,
) -> None:
    """All watches with their history, of the embedded store or of REDIS_URL; the bot may go on running."""

    async def work(wing: MailWing) -> None:
        assert wing.store
        found = everything(Register(wing.store.worker, now))
        if form is Format.JSON or as_json:
            async for kept, history in found:
                print_json({**watch_of(kept), "history": list(spans_of(history))})
            return
        table = csv.writer(sys.stdout)
        table.writerow((*WATCH, *SPAN))
        async for kept, history in found:
            for span in list(spans_of(history)) or [{}]:
                row = watch_of(kept) | span
                table.writerow([cell(row.get(name)) for name in (*WATCH, *SPAN)])

    run(work, needs_store=True)


async def everything(register: Register) -> AsyncIterator[tuple[Kept, History]]:
    """Room by room, so that the memory it takes does not grow with the store."""
    for platform, space in await register.spaces():
        for room in await register.rooms_of(platform, space):
            kept, histories = await register.of_room(room), await register.histories(room)
            for one in kept:
                yield one, histories.get(one.watch.id, History())


def watch_of(kept: Kept) -> dict[str, Any]:
    watch = kept.watch
    every_s = int(watch.every.total_seconds())
    known = (str(watch.room), watch.id, watch.subject, watch.name, str(watch.role), every_s, written(watch.since))
    return dict(zip(WATCH, (*known, watch.by, kept.incident.opened is not None), strict=True))


def spans_of(history: History) -> Iterator[dict[str, Any]]:
    for track in history.tracks:
        for span in track.spans:
            yield dict(zip(SPAN, values_of(track, span), strict=True))


def values_of(track: Track, span: Span) -> tuple[Any, ...]:
    """`until` and the lengths are null while it goes on; several spells that became one row keep their number and sums."""
    ended = span.until is not None
    lengths = [int(length.total_seconds()) if ended else None for length in (span.lasted, span.longest)]
    until = written(span.until) if span.until else None
    return track.key, track.name or None, written(span.since), until, span.times, *lengths, span.by or None


def written(at: datetime) -> str:
    """As in every other JSON of mailcheck: `2026-11-24T06:00:00Z`."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def cell(value: Any) -> Any:
    """A text that a spreadsheet would calculate with begins with an apostrophe: names are text of strangers."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if str(value).startswith(STARTS_A_FORMULA) else value
