"""What happens to every watched address, and whether its room was told exactly that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_network
from typing import Any

from bot.checks.lookups import reversed_ip
from bot.models import Role
from bot.monitoring.models import Room, Watch

LISTS = tuple(f"list{number}.example" for number in range(10))
TOLD = ("opened", "grew", "eased", "resolved")
OVER = "clear again after"  # what a root says in the end

Message = Mapping[str, Any]
Records = dict[str, Mapping[str, Sequence[str]] | None]


@dataclass(slots=True)
class Story:
    """An address that two lists take in one after the other and let go again; one alert for each of the four steps."""

    number: int
    channel: str
    step: int = 0

    @property
    def address(self) -> str:
        return f"10.1.{self.number >> 8}.{self.number & 255}"

    @property
    def room(self) -> Room:
        return Room("slack", "T1", self.channel)

    @property
    def watch(self) -> str:
        """Its id, which the keys of its alerts begin with."""
        network, someday = ip_network(f"{self.address}/32"), datetime(2026, 1, 1, tzinfo=UTC)
        return Watch(self.room, network, None, Role.MTA, timedelta(hours=1), "U1", someday).id

    def turn(self) -> Records:
        """The next thing that happens to it, as names of DNS with their records."""
        label = reversed_ip(IPv4Address(self.address))
        first, second = (f"{label}.{LISTS[(self.number + place) % len(LISTS)]}" for place in (0, 1))
        name, listed = ((first, True), (second, True), (second, False), (first, False))[self.step]
        self.step += 1
        return {name: {"A": ["127.0.0.2"], "TXT": ["spam was seen"]} if listed else None}


@dataclass(frozen=True, slots=True)
class Told:
    """What stands in Slack in the end, against what should."""

    wanted: int
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return not (self.lost or self.doubled or self.unasked or self.out_of_order or self.stale)

    def __str__(self) -> str:
        return (
            f"{self.wanted} alerts: lost {len(self.lost)}, doubled {len(self.doubled)}, not asked for {len(self.unasked)}, "
            f"threads out of order {len(self.out_of_order)}, roots left stale {len(self.stale)}"
        )


def key_of(message: Message) -> str:
    return str(message.get("metadata", {}).get("event_payload", {}).get("key", ""))


def reason_of(key: str) -> str:
    return key.split(".")[-2] if key else ""


def told(stories: Sequence[Story], stored: Mapping[str, Sequence[Message]]) -> Told:
    """`stored` holds, by channel, the messages as they stand there; answers to people carry no key and do not count."""
    found = Told(len(stories) * len(TOLD))
    by_watch: dict[str, list[Message]] = {}
    for message in (message for channel in stored.values() for message in channel if key_of(message)):
        by_watch.setdefault(key_of(message).split(".", 1)[0], []).append(message)
    for story in stories:
        _compare(story, by_watch.pop(story.watch, []), found)
    found.unasked.extend(key_of(message) for rest in by_watch.values() for message in rest)
    return found


def _compare(story: Story, messages: Sequence[Message], found: Told) -> None:
    reasons = Counter(reason_of(key_of(message)) for message in messages)
    found.lost.extend(f"{story.address} {reason}" for reason in TOLD if not reasons[reason])
    found.doubled.extend(f"{story.address} {reason}" for reason in TOLD for _ in range(reasons[reason] - 1))
    found.unasked.extend(f"{story.address} {reason}" for reason in reasons if reason not in TOLD)
    if not messages:
        return
    root, *replies = messages
    order = [reason_of(key_of(message)) for message in messages]
    in_thread = "thread_ts" not in root and all(reply.get("thread_ts") == root["ts"] for reply in replies)
    if not in_thread or order != sorted(order, key=(*TOLD, *order).index):
        found.out_of_order.append(story.address)
    if OVER not in root["text"]:
        found.stale.append(story.address)
