"""Listing histories of watched addresses, and an audit of the alerts that Slack received."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_network
from typing import Any

from bot.checks.lookups import reversed_ip
from bot.models import Role
from bot.monitoring.models import Channel, Watch

LISTS = tuple(f"list{number}.example" for number in range(10))
REASONS = ("opened", "grew", "eased", "resolved")  # of the alerts of a story, in order
RESOLVED_TEXT = "clear"  # in the root message at the end: "clear again", or "cleared; still" what was there before

Message = Mapping[str, Any]
Records = dict[str, Mapping[str, Sequence[str]] | None]


@dataclass(slots=True)
class Story:
    """An address that two lists add one after the other and remove again: four alerts."""

    number: int
    channel_id: str
    step: int = 0

    @property
    def address(self) -> str:
        return f"10.1.{self.number >> 8}.{self.number & 255}"

    @property
    def channel(self) -> Channel:
        return Channel("slack", "T1", self.channel_id)

    @property
    def watch_id(self) -> str:
        """Id of its watch, with which the keys of its alerts begin."""
        network, created_at = ip_network(f"{self.address}/32"), datetime(2026, 1, 1, tzinfo=UTC)
        watch = Watch(self.channel, network, None, Role.MTA, timedelta(hours=1), "U1", created_at)
        return watch.id

    def advance(self) -> Records:
        """The DNS change of its next step: names with records, None to remove a name."""
        label = reversed_ip(IPv4Address(self.address))
        first, second = (f"{label}.{LISTS[(self.number + offset) % len(LISTS)]}" for offset in (0, 1))
        steps = ((first, True), (second, True), (second, False), (first, False))
        name, listed = steps[self.step]
        self.step += 1
        return {name: {"A": ["127.0.0.2"], "TXT": ["spam was seen"]} if listed else None}


@dataclass(frozen=True, slots=True)
class Audit:
    """Messages in Slack at the end, compared with the expected alerts."""

    expected: int
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)

    def errors(self) -> dict[str, list[str]]:
        """The kinds of errors that occurred, with addresses and reasons."""
        kinds = {
            "lost": self.lost,
            "duplicated": self.duplicated,
            "unexpected": self.unexpected,
            "out_of_order": self.out_of_order,
            "stale": self.stale,
        }
        return {kind: lines for kind, lines in kinds.items() if lines}

    @property
    def passed(self) -> bool:
        return not self.errors()

    def __str__(self) -> str:
        return (
            f"{self.expected} alerts: lost {len(self.lost)}, duplicated {len(self.duplicated)},"
            f" unexpected {len(self.unexpected)}, threads out of order {len(self.out_of_order)},"
            f" stale roots {len(self.stale)}"
        )


def key_of(message: Message) -> str:
    return str(message.get("metadata", {}).get("event_payload", {}).get("key", ""))


def reason_of(key: str) -> str:
    return key.split(".")[-2] if key else ""


def audit(stories: Sequence[Story], stored: Mapping[str, Sequence[Message]]) -> Audit:
    """`stored`: current messages by channel. Answers to commands have no key and are ignored."""
    result = Audit(len(stories) * len(REASONS))
    by_watch: dict[str, list[Message]] = {}
    for message in (message for messages in stored.values() for message in messages):
        if key := key_of(message):
            by_watch.setdefault(key.split(".", 1)[0], []).append(message)
    for story in stories:
        _audit_story(story, by_watch.pop(story.watch_id, []), result)
    result.unexpected.extend(key_of(message) for rest in by_watch.values() for message in rest)
    return result


def _audit_story(story: Story, messages: Sequence[Message], result: Audit) -> None:
    reasons = Counter(reason_of(key_of(message)) for message in messages)
    result.lost.extend(f"{story.address} {reason}" for reason in REASONS if not reasons[reason])
    result.duplicated.extend(f"{story.address} {reason}" for reason in REASONS for _ in range(reasons[reason] - 1))
    result.unexpected.extend(f"{story.address} {reason}" for reason in reasons if reason not in REASONS)
    if not messages:
        return
    root, *replies = messages
    order = [reason_of(key_of(message)) for message in messages]
    in_thread = "thread_ts" not in root and all(reply.get("thread_ts") == root["ts"] for reply in replies)
    if not in_thread or order != sorted(order, key=(*REASONS, *order).index):
        result.out_of_order.append(story.address)
    if RESOLVED_TEXT not in root["text"]:
        result.stale.append(story.address)
