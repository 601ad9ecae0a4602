"""JSON serialization of watches, incidents and outbox messages. Pure.

Default values are omitted, so that a quiet watch is small; unknown keys are ignored, so that the
previous version can read what the next one wrote. Times are seconds since 1970, durations are
seconds. Problems of a range that differ only in the address are stored once: a /24 on fifty lists
has thousands of them, and every poll reads and writes them all.
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

from bot.monitoring.dnsbl_quarantine import ListHealth, ListNotice, QuarantineState
from bot.monitoring.history import dump_history, load_history, record_changes
from bot.monitoring.interfaces import (
    AlertMessage,
    ChannelSettings,
    DigestMessage,
    ListNoticeMessage,
    OutboxMessage,
    StoredWatch,
)
from bot.monitoring.list_counts import RoundCounts
from bot.monitoring.models import Acknowledged, Alert, Channel, Incident, Muted, Network, Observation, Problem, Watch
from bot.monitoring.schedule import demand_of
from bot.storage.unreadable import check_text
from bot.storage.watch_store import ChannelLocation, WatchEntry, WatchRow

Address = IPv4Address | IPv6Address

ADDRESS_PLACEHOLDER = "{address}"  # placeholder for the address in texts and links


def pack_problems(problems: Iterable[Problem]) -> list[tuple[Problem, str]]:
    """Group equal problems: `(problem, "203.0.113.0-203.0.113.7 203.0.113.9" or "")`."""
    addresses_by_problem: dict[Problem, list[str]] = {}
    groups: list[tuple[Problem, list[str]]] = []
    for problem in problems:
        common = _without_address(problem)
        if common is problem:
            groups.append((problem, []))
        elif common in addresses_by_problem:
            addresses_by_problem[common].append(problem.last_observation.address)
        else:
            addresses_by_problem[common] = [problem.last_observation.address]
            groups.append((common, addresses_by_problem[common]))
    return [(common, _to_ranges(addresses)) for common, addresses in groups]


def unpack_problem(common: Problem, addresses: str) -> Iterator[Problem]:
    """Inverse of `pack_problems`. Raises ValueError for malformed addresses."""
    if not addresses:
        yield common
    for address in _from_ranges(addresses):
        yield replace(
            common, last_observation=_with_address(common.last_observation, address, ADDRESS_PLACEHOLDER, address)
        )


def _without_address(problem: Problem) -> Problem:
    """The problem itself if it has no address or its text contains the placeholder."""
    observation = problem.last_observation
    if not observation.address:
        return problem
    common = _with_address(observation, "", observation.address, ADDRESS_PLACEHOLDER)
    return (
        replace(problem, last_observation=common)
        if _with_address(common, observation.address, ADDRESS_PLACEHOLDER, observation.address) == observation
        else problem
    )


def _with_address(observation: Observation, address: str, old: str, new: str) -> Observation:
    links = tuple(replace(link, url=link.url.replace(old, new)) for link in observation.links)
    summary, remediation = (observation.summary.replace(old, new), observation.remediation.replace(old, new))
    return replace(observation, address=address, summary=summary, remediation=remediation, links=links)


def _to_ranges(addresses: Iterable[str]) -> str:
    """Collapse consecutive addresses to `first-last`."""
    ranges: list[list[Address]] = []
    for address in sorted(map(ip_address, addresses), key=int):
        if ranges and int(address) == int(ranges[-1][1]) + 1:
            ranges[-1][1] = address
        else:
            ranges.append([address, address])
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def _from_ranges(text: str) -> Iterator[str]:
    for part in text.split():
        first, _, last = part.partition("-")
        start, end = ip_address(first), ip_address(last or first)
        yield from (str(start + offset) for offset in range(int(end) - int(start) + 1))


T = TypeVar("T")
Converter = Callable[[Any], Any]
MAX_NUMBER = 1e10  # seconds since 1970 in the year 2286, and more than any count


def identity(value: Any) -> Any:
    return value


def check_type(value: Any, kind: type) -> Any:
    """Raises TypeError; a stored value of another type would fail far from here."""
    if type(value) is not kind:
        raise TypeError(f"not a {kind.__name__}")
    return value


def check_seconds(number: Any) -> Any:
    """Raises TypeError or ValueError for what is no number, or larger than any that is written."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise TypeError("not a number")
    if not -MAX_NUMBER <= number <= MAX_NUMBER:  # NaN neither
        raise ValueError("out of range")
    return number


def from_timestamp(seconds: float) -> datetime:
    """Raises TypeError or ValueError for a time that nobody meant."""
    return datetime.fromtimestamp(check_seconds(seconds), UTC)


# Scalar types: how each is written and read.
SCALARS: Mapping[Any, tuple[Converter, Converter]] = {
    datetime: (datetime.timestamp, from_timestamp),
    timedelta: (timedelta.total_seconds, lambda seconds: timedelta(seconds=check_seconds(seconds))),
    str: (identity, lambda value: check_type(value, str)),
    bool: (identity, lambda value: check_type(value, bool)),
    int: (identity, lambda value: check_seconds(check_type(value, int))),
    float: (identity, check_seconds),
    Channel: (str, Channel.parse),
    Network: (str, ip_network),
}

# Stored JSON keys of dataclass fields that were renamed: class -> field name -> key. Stored data
# and messages in the outbox keep their keys over upgrades.
STORED_KEYS: Mapping[Any, Mapping[str, str]] = {
    Watch: {"channel": "room", "interval": "every", "created_by": "by", "created_at": "since"},
    Observation: {
        "subject": "about",
        "summary": "says",
        "remediation": "step",
        "config_key": "setting",
        "previous_value": "was",
        "notify_once": "passing",
    },
    Problem: {
        "last_observation": "sight",
        "phase_changed_at": "turned",
        "last_polled_at": "asked",
        "clean_polls": "clean",
        "unanswered_polls": "misses",
        "confirmations": "opens",
        "notified": "told",
        "informational": "quiet",
        "flapping": "unstable",
    },
    Acknowledged: {"actor": "by"},
    Muted: {"actor": "by"},
    Incident: {
        "watch_id": "watch",
        "started_at": "began",
        "config": "settings",
        "opened_at": "opened",
        "alert_count": "spoken",
        "notified_at": "told_at",
    },
    Alert: {
        "watch_id": "watch",
        "watching_since": "began",
        "thread_key": "thread",
        "is_root": "root",
        "is_alerting": "loud",
        "opened_at": "opened",
        "remaining": "still",
        "cleared": "gone",
        "unverified": "lost",
        "is_escalation": "broadcast",
    },
    AlertMessage: {"channel": "room", "send_started_at": "intent", "attempts": "tries"},
    ListNoticeMessage: {
        "channel": "room",
        "notice": "note",
        "list_name": "name",
        "send_started_at": "intent",
        "attempts": "tries",
    },
    DigestMessage: {"channel": "room", "send_started_at": "intent", "attempts": "tries"},
    ChannelSettings: {
        "update_mode": "updates",
        "reminders": "reminder",
        "creator_only": "restrict",
        "list_notices": "lists",
        "weekly_digest": "digest",
    },
    ListNotice: {"list_ids": "lists", "newly_listed": "flipped", "answered": "asked"},
    ListHealth: {
        "list_id": "list",
        "answered": "asked",
        "newly_listed": "flipped",
        "quarantined_since": "held_since",
        "good_rounds": "good",
        "silent_rounds": "silent",
    },
    RoundCounts: {"list_id": "list", "queried": "asked"},
    QuarantineState: {"round_started_at": "since", "round_counts": "heard"},
}


def to_json(value: Any) -> dict[str, Any]:
    """Serialize a frozen dataclass of monitoring as a JSON object."""
    return {
        key: write(item)
        for name, key, write, _, default in _fields(value.__class__)
        if (item := getattr(value, name)) != default
    }


def from_json(kind: type[T], document: Mapping[str, Any]) -> T:
    """Inverse of `to_json`. Raises TypeError or ValueError for an invalid document."""
    known: Any = kind
    values = {name: read(document[key]) for name, key, _, read, _ in _fields(known) if key in document}
    return kind(**values)


@cache  # get_type_hints is slow
def _fields(kind: Any) -> tuple[tuple[str, str, Converter, Converter, Any], ...]:
    """Name, stored key, writer, reader and default of every field."""
    hints, keys = get_type_hints(kind), STORED_KEYS.get(kind, {})
    return tuple(
        (field.name, keys.get(field.name, field.name), *_converters(hints[field.name]), _default(field))
        for field in fields(kind)
    )


def _default(field: Any) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _converters(hint: Any) -> tuple[Converter, Converter]:
    """Writer and reader of values of this type."""
    if get_origin(hint) in (Union, UnionType) and type(None) in get_args(hint):
        write, read = _converters(reduce(or_, (part for part in get_args(hint) if part is not type(None))))
        return (
            lambda value: None if value is None else write(value),
            lambda value: None if value is None else read(value),
        )
    if hint in SCALARS:
        return SCALARS[hint]
    if hint == tuple[Problem, ...]:
        return _problems_to_json, _problems_from_json
    if get_origin(hint) is tuple:
        write, read = _converters(get_args(hint)[0])
        return (
            lambda values: [write(value) for value in values],
            lambda values: tuple(read(value) for value in check_type(values, list)),
        )
    if is_dataclass(hint):
        kind: Any = hint
        return to_json, lambda document: from_json(kind, document)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return lambda value: value.value, hint
    return dict, _texts_from_json


def _problems_to_json(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [
        to_json(problem) | ({"at": addresses} if addresses else {}) for problem, addresses in pack_problems(problems)
    ]


def _problems_from_json(documents: Iterable[Mapping[str, Any]]) -> tuple[Problem, ...]:
    return tuple(
        problem
        for document in documents
        for problem in unpack_problem(from_json(Problem, document), document.get("at", ""))
    )


def _texts_from_json(value: Any) -> dict[str, str]:
    return {key: check_type(text, str) for key, text in check_type(value, dict).items()}


def watch_entry(watch: Watch) -> WatchEntry:
    return WatchEntry(
        channel_location(watch.channel), watch.id, poll_subject(watch), dump(watch, omit="room"), demand_of(watch)
    )


def parse_watch(row: WatchRow) -> Watch:
    """Parse a watch; its channel is part of the Redis key and not of the text, to save memory.

    Its id follows from its subject: with another one, it would change what all channels of its target poll.
    """
    watch = from_json(Watch, {**parse_json(row.watch), "room": row.channel})
    if watch.id != row.id:
        raise ValueError("the id of another watch")
    return watch


def parse_incident(row: WatchRow) -> Incident:
    return from_json(Incident, {"watch": row.id, **parse_json(row.incident)})


def updated_history(row: WatchRow, before: Incident, after: Incident, now: datetime) -> str:
    """History after a change of the incident; empty if it is unchanged. Raises what `load_history` does."""
    text = dump_history(record_changes(load_history(row.history), before, after, now))
    return "" if text == row.history else text


def dump_incident(incident: Incident) -> str:
    return dump(incident, omit="watch")


def parse_message(text: str) -> OutboxMessage:
    document = parse_json(text)
    if "note" in document:
        return from_json(ListNoticeMessage, document)
    if "alert" in document:
        return _alert_message(document)
    return from_json(DigestMessage, document)


def _alert_message(document: dict[str, Any]) -> AlertMessage:
    """Earlier versions stored a copy of the watch and its incident with every alert."""
    if "watch" not in document:
        return from_json(AlertMessage, document)
    watch, incident = from_json(Watch, document["watch"]), from_json(Incident, document["incident"])
    alert = {"began": document["incident"]["began"], **document["alert"]}
    message = from_json(AlertMessage, {**document, "alert": alert})
    return replace(message, snapshot=StoredWatch(watch, incident, removed=True))


def channel_location(channel: Channel) -> ChannelLocation:
    return ChannelLocation(str(channel), f"{channel.platform}/{channel.workspace}")


def poll_subject(watch: Watch) -> str:
    """Poll target shared by channels: role and subject."""
    return f"{watch.role} {watch.subject}"


def dump(value: Any, omit: str = "") -> str:
    """Serialize as JSON text without the stored key `omit`."""
    document = {key: item for key, item in to_json(value).items() if key != omit}
    return json.dumps(document, separators=(",", ":"))


def load(kind: type[T], text: str) -> T:
    return from_json(kind, parse_json(text))


def parse_json(text: str) -> Any:
    """A JSON object. Raises ValueError, TypeError or RecursionError."""
    return check_type(json.loads(check_text(text)), dict)


def parse_multipliers(text: str) -> dict[str, float]:
    return {kind: check_seconds(multiplier) for kind, multiplier in parse_json(text).items()}
