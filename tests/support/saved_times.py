"""The times in the saved store of an earlier version, found by their values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.support.saved_store import read

SAVED = Path(__file__).parent.parent / "fixtures" / "store_26e3500.json"
YEAR_S = 365 * 86_400.0
NO_TIMES = ("mc1:thread", "mc1:audit", "mc1:notes", "mc1:ask")  # ids of messages and of streams, requests
FLAT_HASHES = ("mc1:intent", "mc1:bucket")
TURN_TTL = "mc1:turn ttl"

Change = Callable[[str, float], float]
Keys = dict[str, dict[str, Any]]


def saved_keys() -> tuple[datetime, Keys]:
    document = read(SAVED)
    keys = {key: value for key, value in document["keys"].items() if key.startswith("mc1:")}
    return datetime.fromisoformat(document["at"]), keys


def time_fields() -> list[str]:
    """Every place of the store that holds a time, such as `mc1:incidents problems.since`."""
    found: set[str] = set()

    def note(place: str, value: float) -> float:
        found.add(place)
        return value

    _, keys = saved_keys()
    for key, value in keys.items():
        changed(key, value, note)
    return [*sorted(found), TURN_TTL]


def put_ahead(keys: Keys, place: str) -> Keys:
    """The keys with every time at this place a year ahead."""

    def move(this: str, value: float) -> float:
        return value + YEAR_S if this == place else value

    moved = {key: changed(key, value, move) for key, value in keys.items()}
    if place == TURN_TTL:
        moved["mc1:turn:plan"]["ttl"] += YEAR_S
    return moved


def changed(key: str, value: dict[str, Any], change: Change) -> dict[str, Any]:
    family = ":".join(key.split(":")[:2])
    if family in NO_TIMES:
        return dict(value)
    return {kind: item if kind == "ttl" else _walk(family, item, change, kind) for kind, item in value.items()}


def _walk(place: str, node: Any, change: Change, kind: str = "") -> Any:
    """`kind` is the type of the key, for its top only."""
    match node:
        case dict():
            return {
                name: _walk(f"{place} {name}" if _is_field(place, kind, name) else place, item, change)
                for name, item in node.items()
            }
        case list():
            return [_walk(place, item, change) for item in node]
        case str() if part := _json_part(node):
            start, document = part
            return node[:start] + json.dumps(_walk(place, document, change), separators=(",", ":"))
        case str() if _is_time(node):
            return f"{change(place, float(node)):.3f}"
        case float() | int() if not isinstance(node, bool) and _is_time(node):
            return change(place, float(node))
    return node


def _is_field(place: str, kind: str, name: str) -> bool:
    """Whether this is the name of a field and not of a watch, a channel or a problem."""
    if kind:
        return place in FLAT_HASHES
    return ":" not in name and place != "mc1:history"


def _json_part(text: str) -> tuple[int, Any] | None:
    start = min((index for sign in "{[" if (index := text.find(sign)) >= 0), default=len(text))
    try:
        document = json.loads(text[start:])
    except ValueError:
        return None
    return (start, document) if isinstance(document, dict | list) else None


def _is_time(value: str | float) -> bool:
    try:
        return 1.7e9 < float(value) < 1.9e9
    except ValueError:
        return False


def members(keys: Keys, family: str) -> Iterator[tuple[str, str]]:
    """Name of the channel and text of each member of the hashes of a family."""
    for key, value in keys.items():
        if key.startswith(family):
            for text in value["hash"].values():
                yield key.removeprefix(family), text
