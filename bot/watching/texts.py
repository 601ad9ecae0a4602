"""Watches, incidents and letters as the texts that the store keeps, and the names under which it keeps them. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, TypeVar

from bot.store.watches import Entry, Place, Remembered
from bot.watching.history import from_text, recorded, to_text
from bot.watching.kept import AnyLetter, DigestLetter, Letter, ListLetter
from bot.watching.model import Incident, Room, Watch
from bot.watching.plan import wishes_of
from bot.watching.stored import from_json, to_json

T = TypeVar("T")


def entry_of(watch: Watch) -> Entry:
    return Entry(place_of(watch.room), watch.id, subject_of(watch), dump(watch, but="room"), wishes_of(watch))


def watch_of(kept: Remembered) -> Watch:
    """The room, which the key names, is not in the text: at a hundred thousand watches that counts."""
    return from_json(Watch, {"room": kept.room, **json.loads(kept.watch)})


def incident_of(kept: Remembered) -> Incident:
    return from_json(Incident, {"watch": kept.id, **json.loads(kept.incident)})


def history_text(kept: Remembered, before: Incident, after: Incident, now: datetime) -> str:
    """The history of a watch whose incident became another; empty where there is nothing to write."""
    text = to_text(recorded(from_text(kept.history), before, after, now))
    return "" if text == kept.history else text


def incident_text(incident: Incident) -> str:
    return dump(incident, but="watch")


def letter_of(text: str) -> AnyLetter:
    document = json.loads(text)
    kinds = {"note": ListLetter, "alert": Letter}
    return from_json(next((kind for name, kind in kinds.items() if name in document), DigestLetter), document)


def place_of(room: Room) -> Place:
    return Place(str(room), f"{room.platform}/{room.space}")


def subject_of(watch: Watch) -> str:
    """The question that rooms share: as whom, and about what."""
    return f"{watch.role} {watch.subject}"


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def dump(value: Any, but: str = "") -> str:
    fields = {name: held for name, held in to_json(value).items() if name != but}
    return json.dumps(fields, separators=(",", ":"))


def load(kind: type[T], text: str) -> T:
    return from_json(kind, json.loads(text))
