"""`mailcheck export`: everything that is kept, from a process of its own, also while a bot uses the same store."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.monitoring.alert_state import acknowledge
from bot.monitoring.repository import Register
from bot.storage.embedded_valkey import Embedded
from bot.storage.redis_client import client
from handlers.cli.export import SPAN, WATCH, cell
from tests.support.incident_stories import T0
from tests.support.stored_watches import ELSEWHERE, ROOM, Clock, baseline, opened, watch
from tests.test_command_line import Door
from tests.test_command_line import opened as door_opened

QUIET = watch("198.51.100.0/28", room=replace(ELSEWHERE, space="T9"))
LISTED = watch(name="=1+1")


async def fill(register: Register, clock: Clock) -> None:
    """One watch that was listed, and is acknowledged; one to which nothing happened, in another workspace."""
    await register.add(QUIET, baseline(QUIET), T0)
    begun = baseline(LISTED)
    await register.add(LISTED, begun, T0)
    incident, _ = opened(begun, at=T0 + timedelta(hours=1))
    clock.now = T0 + timedelta(hours=2)
    assert await register.change(ROOM, LISTED.id, incident, was=begun)
    assert await register.change(ROOM, LISTED.id, acknowledge(incident, "Ada", clock()), was=incident)


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_all_watches_and_their_histories_are_written(tmp_path: Path, form: str) -> None:
    clock = Clock()
    async with door_opened(tmp_path) as door, Embedded(tmp_path / "state") as store, client(store.url, 5.0) as redis:
        await fill(Register(redis, clock), clock)
        ran = await door("export", "--format", form)
    assert ran.status == 0, ran.errors
    if form == "json":
        listed, quiet = ran.rows
        history = listed.pop("history")
        assert (listed["room"], listed["target"], listed["as"], listed["open"]) == (
            str(ROOM),
            "203.0.113.5",
            "mta",
            True,
        )
        assert (quiet["room"], quiet["every_s"], quiet["history"]) == (str(QUIET.room), 3600, [])
    else:
        first, *history, last = csv.DictReader(io.StringIO(ran.out))
        assert (first["name"], last["room"], last["what"]) == ("'=1+1", str(QUIET.room), "")
        history = [first, *history]
    assert [(row["what"], row["from"], row["who"] or None) for row in history] == [
        ("blocklist:a", "2026-11-24T07:00:00Z", None),
        ("acknowledged", "2026-11-24T08:00:00Z", "Ada"),
    ]


async def test_json_is_the_same_word_as_everywhere_and_an_empty_store_is_no_fault(tmp_path: Path) -> None:
    async with door_opened(tmp_path) as door:
        asked: Door = door
        assert (await asked("export", "--json")).rows == []
        table = await asked("export", "--format", "csv")
        assert table.out.strip() == ",".join((*WATCH, *SPAN))
        wrong = await asked("export", "--format", "xml")
        assert wrong.status == 2


@pytest.mark.parametrize(
    ("value", "written"),
    [("=cmd()", "'=cmd()"), ("@x", "'@x"), ("-1", "'-1"), ("HQ", "HQ"), (None, ""), (True, "true"), (7, 7)],
)
def test_no_name_is_a_formula_of_a_spreadsheet(value: object, written: object) -> None:
    assert cell(value) == written
