"""Values of watching as JSON, for the store and the outbox.

What equals its default is not written, so a quiet watch is small; a field that is not known is not read, so a process of
the version before can read what the next one wrote. Times are seconds since 1970, lengths of time are seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache, reduce
from ipaddress import ip_network
from operator import or_
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from bot.watching.model import Network, Problem, Room
from bot.watching.packing import packed, unpacked

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
