"""`mailcheck export`: every stored watch with its history, as JSON lines or CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from bot.app import Core
from bot.monitoring.history import History, Span, Track
from bot.monitoring.interfaces import StoredWatch
from bot.monitoring.repository import RedisRepository
from handlers.cli.command import Json, print_json, run

WATCH_COLUMNS = ("room", "id", "target", "name", "as", "every_s", "since", "by", "open")
SPAN_COLUMNS = ("what", "list", "from", "until", "times", "lasted_s", "longest_s", "who")
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"


def export(
    form: Annotated[
        Format, typer.Option("--format", help="json: an object a watch; csv: a row a spell.")
    ] = Format.JSON,
    as_json: Json = False,
) -> None:
    """All watches with their history, of the embedded store or of REDIS_URL;
    the bot may go on running.
    """

    async def work(core: Core) -> None:
        assert core.store
        rows = all_watches(RedisRepository(core.store.worker, core.clock))
        if form is Format.JSON or as_json:
            async for stored, history in rows:
                print_json({**watch_values(stored), "history": list(span_rows(history))})
            return
        table = csv.writer(sys.stdout)
        table.writerow((*WATCH_COLUMNS, *SPAN_COLUMNS))
        async for stored, history in rows:
            for span in list(span_rows(history)) or [{}]:
                row = watch_values(stored) | span
                table.writerow([csv_cell(row.get(name)) for name in (*WATCH_COLUMNS, *SPAN_COLUMNS)])

    run(work, needs_store=True)


async def all_watches(repository: RedisRepository) -> AsyncIterator[tuple[StoredWatch, History]]:
    """Channel by channel, so that memory does not grow with the store."""
    for platform, workspace in await repository.list_workspaces():
        for channel in await repository.list_channels(platform, workspace):
            watches = await repository.list_watches(channel)
            histories = await repository.histories(channel)
            for stored in watches:
                yield stored, histories.get(stored.watch.id, History())


def watch_values(stored: StoredWatch) -> dict[str, Any]:
    watch = stored.watch
    values = (
        str(watch.channel),
        watch.id,
        watch.subject,
        watch.name,
        str(watch.role),
        int(watch.interval.total_seconds()),
        iso_utc(watch.created_at),
        watch.created_by,
        stored.incident.opened_at is not None,
    )
    return dict(zip(WATCH_COLUMNS, values, strict=True))


def span_rows(history: History) -> Iterator[dict[str, Any]]:
    for track in history.tracks:
        for span in track.spans:
            yield dict(zip(SPAN_COLUMNS, span_values(track, span), strict=True))


def span_values(track: Track, span: Span) -> tuple[Any, ...]:
    """Values in the order of SPAN_COLUMNS.

    `until` and the lengths are null while the span is open; a span that compaction merged from
    several has their number and total length.
    """
    ended = span.until is not None
    lengths = [int(length.total_seconds()) if ended else None for length in (span.duration, span.longest)]
    until = iso_utc(span.until) if span.until else None
    return (track.key, track.name or None, iso_utc(span.since), until, span.count, *lengths, span.actor or None)


def iso_utc(at: datetime) -> str:
    """ISO 8601 as in all JSON of mailcheck: `2026-11-24T06:00:00Z`."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def csv_cell(value: Any) -> Any:
    """Prefix formula-like text with an apostrophe: names are user input (CSV injection)."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if str(value).startswith(FORMULA_PREFIXES) else value
