"""`mailcheck export` as a process, also while a bot uses the same store."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.monitoring.alert_state import acknowledge
from bot.monitoring.repository import RedisRepository
from bot.storage.embedded_valkey import EmbeddedValkey
from bot.storage.redis_client import open_client
from handlers.cli.export import SPAN_COLUMNS, WATCH_COLUMNS, csv_cell
from tests.support.incident_stories import T0
from tests.support.stored_watches import CHANNEL, OTHER_CHANNEL, Clock, baseline, open_incident, watch
from tests.test_command_line import open_cli

QUIET = watch("198.51.100.0/28", channel=replace(OTHER_CHANNEL, workspace="T9"))
LISTED = watch(name="=1+1")


async def fill(repository: RedisRepository, clock: Clock) -> None:
    """A watch with a listing, acknowledged; one without history in another workspace."""
    await repository.add(QUIET, baseline(QUIET), T0)
    first_incident = baseline(LISTED)
    await repository.add(LISTED, first_incident, T0)
    incident, _ = open_incident(first_incident, at=T0 + timedelta(hours=1))
    clock.now = T0 + timedelta(hours=2)
    assert await repository.update_incident(CHANNEL, LISTED.id, incident, expected=first_incident)
    acknowledged = acknowledge(incident, "Ada", clock())
    assert await repository.update_incident(CHANNEL, LISTED.id, acknowledged, expected=incident)


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_export_writes_all_watches_with_history(tmp_path: Path, form: str) -> None:
    clock = Clock()
    async with (
        open_cli(tmp_path) as cli,
        EmbeddedValkey(tmp_path / "state") as store,
        open_client(store.url, 5.0) as redis,
    ):
        await fill(RedisRepository(redis, clock), clock)
        result = await cli("export", "--format", form)
    assert result.status == 0, result.errors
    if form == "json":
        listed, quiet = result.rows
        history = listed.pop("history")
        assert (listed["room"], listed["target"], listed["as"], listed["open"]) == (
            str(CHANNEL),
            "203.0.113.5",
            "mta",
            True,
        )
        assert (quiet["room"], quiet["every_s"], quiet["history"]) == (str(QUIET.channel), 3600, [])
    else:
        first, *history, last = csv.DictReader(io.StringIO(result.out))
        assert (first["name"], last["room"], last["what"]) == ("'=1+1", str(QUIET.channel), "")
        history = [first, *history]
    assert [(row["what"], row["from"], row["who"] or None) for row in history] == [
        ("blocklist:a", "2026-11-24T07:00:00Z", None),
        ("acknowledged", "2026-11-24T08:00:00Z", "Ada"),
    ]


async def test_export_of_empty_store_succeeds_in_every_format(tmp_path: Path) -> None:
    async with open_cli(tmp_path) as cli:
        assert (await cli("export", "--json")).rows == []
        table = await cli("export", "--format", "csv")
        assert table.out.strip() == ",".join((*WATCH_COLUMNS, *SPAN_COLUMNS))
        unknown_format = await cli("export", "--format", "xml")
        assert unknown_format.status == 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [("=cmd()", "'=cmd()"), ("@x", "'@x"), ("-1", "'-1"), ("HQ", "HQ"), (None, ""), (True, "true"), (7, 7)],
)
def test_csv_cell_with_formula_is_escaped(value: object, expected: object) -> None:
    assert csv_cell(value) == expected
