"""JSON serialization of watches, incidents and outbox messages. Pure.

Pydantic reads and writes the dataclasses of monitoring; `bot.monitoring.stored_types` says how times
and problems of a range stand in the store. Default values are omitted, so that a quiet watch is
small; unknown keys are ignored, so that the previous version can read what the next one wrote.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache, partial
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, with_config

from bot.monitoring.dnsbl_quarantine import ListHealth, ListNotice, QuarantineState
from bot.monitoring.history import dump_history, load_history, record_changes
from bot.monitoring.interfaces import (
    AlertMessage,
    ChannelSettings,
    DigestMessage,
    FollowMessage,
    ListNoticeMessage,
    OutboxMessage,
    StoredWatch,
)
from bot.monitoring.list_counts import RoundCounts
from bot.monitoring.models import (
    Acknowledged,
    Alert,
    Channel,
    DomainRecords,
    Incident,
    Muted,
    Observation,
    Problem,
    Watch,
)
from bot.monitoring.schedule import demand_of
from bot.monitoring.stored_types import check_seconds
from bot.storage.unreadable import check_text
from bot.storage.watch_store import ChannelLocation, WatchEntry, WatchRow

T = TypeVar("T")

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
    FollowMessage: {"channel": "room", "send_started_at": "intent", "attempts": "tries"},
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
    DomainRecords: {"stored_at": "at"},
    QuarantineState: {"round_started_at": "since", "round_counts": "heard"},
}


def stored_key(keys: Mapping[str, str], field: str) -> str:
    return keys.get(field, field)


for _kind, _keys in STORED_KEYS.items():
    with_config(ConfigDict(alias_generator=partial(stored_key, _keys), allow_inf_nan=False))(_kind)


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def to_json(value: Any) -> dict[str, Any]:
    """Serialize a frozen dataclass of monitoring as a JSON object."""
    document: dict[str, Any] = adapter(value.__class__).dump_python(
        value, mode="json", by_alias=True, exclude_defaults=True
    )
    return document


def from_json(kind: type[T], document: Mapping[str, Any]) -> T:
    """Inverse of `to_json`. Raises ValueError for an invalid document."""
    hashable: Any = kind
    value: T = adapter(hashable).validate_python(document)
    return value


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
    if "follows" in document:
        return from_json(FollowMessage, document)
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
    """A JSON object. Raises ValueError or RecursionError."""
    document = json.loads(check_text(text))
    if not isinstance(document, dict):
        raise ValueError("not an object")
    return document


def parse_multipliers(text: str) -> dict[str, float]:
    return {kind: check_seconds(multiplier) for kind, multiplier in parse_json(text).items()}
