"""The problems of a range, put together for the store: what is the same at many addresses is written once. Pure.

A /24 that is on fifty lists has thousands of problems that differ only in their address, and a look reads and writes them all.

Values of watching as JSON, for the store and the outbox.

What equals its default is not written, so a quiet watch is small; a field that is not known is not read, so a process of
the version before can read what the next one wrote. Times are seconds since 1970, lengths of time are seconds.

Watches, incidents and letters as the texts that the store keeps, and the names under which it keeps them. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache, reduce
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from operator import or_
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from bot.monitoring.history import from_text, recorded, to_text
from bot.monitoring.interfaces import AnyLetter, DigestLetter, Letter, ListLetter
from bot.monitoring.models import Incident, Network, Observation, Problem, Room, Watch
from bot.monitoring.schedule import wishes_of
from bot.storage.watch_store import Entry, Place, Remembered

Address = IPv4Address | IPv6Address

HERE = "{address}"  # stands for the address in a sentence, a step or a link


def packed(problems: Iterable[Problem]) -> list[tuple[Problem, str]]:
    """Problems without an address, each with the addresses where it is: `203.0.113.0-203.0.113.7 203.0.113.9`, or nothing."""
    alike: dict[Problem, list[str]] = {}
    groups: list[tuple[Problem, list[str]]] = []
    for problem in problems:
        common = _without_address(problem)
        if common is problem:
            groups.append((problem, []))
        elif common in alike:
            alike[common].append(problem.sight.address)
        else:
            alike[common] = [problem.sight.address]
            groups.append((common, alike[common]))
    return [(common, _runs(addresses)) for common, addresses in groups]


def unpacked(common: Problem, addresses: str) -> Iterator[Problem]:
    """The inverse. Raises ValueError for addresses that are none."""
    if not addresses:
        yield common
    for address in _addresses(addresses):
        yield replace(common, sight=_moved(common.sight, address, HERE, address))


def _without_address(problem: Problem) -> Problem:
    """The problem itself where it has no address, or names the placeholder as it is."""
    sight = problem.sight
    if not sight.address:
        return problem
    common = _moved(sight, "", sight.address, HERE)
    return replace(problem, sight=common) if _moved(common, sight.address, HERE, sight.address) == sight else problem


def _moved(sight: Observation, address: str, old: str, new: str) -> Observation:
    links = tuple(replace(link, url=link.url.replace(old, new)) for link in sight.links)
    says, step = sight.says.replace(old, new), sight.step.replace(old, new)
    return replace(sight, address=address, says=says, step=step, links=links)


def _runs(addresses: Iterable[str]) -> str:
    """Addresses of one range, those that follow each other as first and last."""
    runs: list[list[Address]] = []
    for address in sorted(map(ip_address, addresses), key=int):
        if runs and int(address) == int(runs[-1][1]) + 1:
            runs[-1][1] = address
        else:
            runs.append([address, address])
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _addresses(text: str) -> Iterator[str]:
    for run in text.split():
        first, _, last = run.partition("-")
        start, end = ip_address(first), ip_address(last or first)
        yield from (str(start + more) for more in range(int(end) - int(start) + 1))


T = TypeVar("T")
Turn = Callable[[Any], Any]

# Values that are one word or number: how each is written and read.
WORDS: Mapping[Any, tuple[Turn, Turn]] = {
    datetime: (datetime.timestamp, lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    timedelta: (timedelta.total_seconds, lambda seconds: timedelta(seconds=seconds)),
    Room: (str, Room.of),
    Network: (str, ip_network),
}


def to_json(value: Any) -> dict[str, Any]:
    """A frozen dataclass of this room as a JSON object."""
    return {
        name: write(held)
        for name, write, _, default in _fields(value.__class__)
        if (held := getattr(value, name)) != default
    }


def from_json(kind: type[T], document: Mapping[str, Any]) -> T:
    """The inverse of `to_json`. Raises TypeError or ValueError for a document that is no `kind`."""
    known: Any = kind
    return kind(**{name: read(document[name]) for name, _, read, _ in _fields(known) if name in document})


@cache  # reading the annotations of a class is slow, and they never change
def _fields(kind: Any) -> tuple[tuple[str, Turn, Turn, Any], ...]:
    hints = get_type_hints(kind)
    return tuple((f.name, *_turns(hints[f.name]), _default(f)) for f in fields(kind))


def _default(field: Any) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _turns(hint: Any) -> tuple[Turn, Turn]:
    """How a value of this type is written, and how it is read."""
    if get_origin(hint) in (Union, UnionType) and type(None) in get_args(hint):
        write, read = _turns(reduce(or_, (part for part in get_args(hint) if part is not type(None))))
        return (
            lambda value: None if value is None else write(value),
            lambda value: None if value is None else read(value),
        )
    if hint in WORDS:
        return WORDS[hint]
    if hint == tuple[Problem, ...]:
        return _packed, _unpacked
    if get_origin(hint) is tuple:
        write, read = _turns(get_args(hint)[0])
        return lambda values: [write(value) for value in values], lambda values: tuple(read(value) for value in values)
    if is_dataclass(hint):
        kind: Any = hint
        return to_json, lambda document: from_json(kind, document)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return lambda value: value.value, hint
    return dict if get_origin(hint) is not None else _same, _same


def _packed(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [to_json(one) | ({"at": addresses} if addresses else {}) for one, addresses in packed(problems)]


def _unpacked(documents: Iterable[Mapping[str, Any]]) -> tuple[Problem, ...]:
    return tuple(one for held in documents for one in unpacked(from_json(Problem, held), held.get("at", "")))


def _same(value: Any) -> Any:
    return value


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
