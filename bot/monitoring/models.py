"""Data model of monitoring: channels, watches, observations, problems, incidents and alerts."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from hashlib import blake2b
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator

from bot.models import Link, Role, Target
from bot.monitoring.stored_types import (
    DIGEST_MARK,
    PACKED,
    PACKED_CONFIG,
    UNPACKED,
    UNPACKED_CONFIG,
    NetworkText,
    Seconds,
    Timestamp,
)

Network = IPv4Network | IPv6Network
MAX_ADDRESSES = 256
MAX_MUTE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Channel:
    """Address of a recipient: opaque ids of its platform. Text form: `platform/workspace/channel`."""

    platform: str
    workspace: str
    id: str

    @classmethod
    def parse(cls, text: str) -> Channel:
        """Parse the text form. Raises ValueError. Only the channel id may contain slashes."""
        platform, workspace, channel = text.split("/", 2)
        return cls(platform, workspace, channel)

    def __str__(self) -> str:
        return f"{self.platform}/{self.workspace}/{self.id}"


ChannelText = Annotated[Channel, PlainValidator(Channel.parse), PlainSerializer(str)]


class Follow(StrEnum):
    """What a watch follows: blocklists, the set-up of mail (all other checks), or both."""

    ALL = "all"
    LISTS = "lists"
    SETUP = "setup"


@dataclass(frozen=True, slots=True)
class Watch:
    """A channel's watch of an address, a range of up to 256 addresses, a domain, or both.

    Its id is derived from channel, subject and role, so adding the same watch twice is idempotent.
    `first_role` is the role that it was added with, where that has changed: the id stays.
    """

    channel: ChannelText
    network: NetworkText | None
    domain: str | None
    role: Role
    interval: Seconds
    created_by: str
    created_at: Timestamp
    name: str = ""
    follow: Follow = Follow.ALL
    first_role: Role | None = None

    def __post_init__(self) -> None:
        if self.network is None and self.domain is None:
            raise ValueError("a watch follows addresses, a domain, or both")
        if self.network is not None and self.network.num_addresses > MAX_ADDRESSES:
            raise ValueError(f"a watch follows at most {MAX_ADDRESSES} addresses")

    @property
    def id(self) -> str:
        role = self.first_role or self.role
        return blake2b(f"{self.channel} {self.subject} {role}".encode(), digest_size=5).hexdigest()

    @property
    def subject(self) -> str:
        """Address, range or domain as typed: `203.0.113.5 example.com`, `203.0.113.0/28`."""
        parts = (self._address_text(), self.domain)
        return " ".join(part for part in parts if part)

    @property
    def targets(self) -> tuple[Target, ...]:
        if self.network is None:
            return (Target(domain=self.domain),)
        return tuple(Target(address, self.domain) for address in self.network)

    @property
    def is_range(self) -> bool:
        """Whether the watch covers several addresses; its problems then name theirs."""
        return self.network is not None and self.network.num_addresses > 1

    def with_role(self, role: Role) -> Watch:
        """The same watch, with the same id, in another role."""
        first_role = self.first_role or self.role
        return replace(self, role=role, first_role=None if role is first_role else first_role)

    def _address_text(self) -> str:
        if self.network is None:
            return ""
        return str(self.network) if self.is_range else str(self.network.network_address)


def value_digest(value: str) -> str:
    """Digest of a record's value, as incidents store it; empty for no record."""
    digest = blake2b(value.encode(errors="replace"), digest_size=4).digest()
    return f"{DIGEST_MARK}{urlsafe_b64encode(digest).decode().rstrip('=')}" if value else ""


class ObservedState(StrEnum):
    """Result of one poll for one subject.

    For DNS config LISTED means broken or changed, NOT_LISTED means correct. Only these two are
    conclusive. QUARANTINED replaces every result of a list in quarantine; it is ignored.
    """

    LISTED = "listed"
    NOT_LISTED = "not_listed"
    UNKNOWN = "unknown"
    UNUSABLE = "unusable"
    QUARANTINED = "held"


class Severity(StrEnum):
    """Impact on mail delivery. HIGH and MEDIUM alert, LOW is a note, NONE is not reported."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NONE = "none"

    @property
    def alerts(self) -> bool:
        return self in (Severity.HIGH, Severity.MEDIUM)


@dataclass(frozen=True, slots=True)
class Observation:
    """Result of one poll for one subject, per address where a watch covers a range.

    A config change carries the previous and the current value (untrusted text) and the config key
    under which the incident stores it. `notify_once`: reported once, then taken as the new normal.
    `name` is the display name of the list, `text` its TXT reason (untrusted); `code` is that of the
    finding, for checks other than blocklists.
    """

    check: str
    subject: str
    state: ObservedState
    at: Timestamp
    address: str = ""
    sublist: str = ""
    sublists: tuple[str, ...] = ()
    severity: Severity = Severity.MEDIUM
    summary: str = ""
    remediation: str = ""
    links: tuple[Link, ...] = ()
    config_key: str = ""
    previous_value: str = ""
    value: str = ""
    notify_once: bool = False
    name: str = ""
    text: str = ""
    code: str = ""

    @property
    def key(self) -> str:
        """`blocklist:spamhaus-zen/spamhaus-xbl@203.0.113.5`; sublist and address are optional."""
        sublist = f"/{self.sublist}" if self.sublist else ""
        return f"{self.check}:{self.subject}{sublist}" + (f"@{self.address}" if self.address else "")

    @property
    def config_value(self) -> str:
        """What the incident stores of the value: of a change its digest, since the text is stored with its domain.

        The PTR record belongs to the address and is stored as it is.
        """
        return value_digest(self.value) if self.notify_once and self.check != "ptr" else self.value

    @property
    def opens_incident(self) -> bool:
        """Whether a listing opens an incident: it alerts, and is not a one-time change."""
        return self.severity.alerts and not self.notify_once


class Phase(StrEnum):
    """Phase of a problem: confirmed by a second poll, cleared after a hold-down."""

    CLEAN = "clean"
    SUSPECT = "suspect"
    LISTED = "listed"
    CLEARING = "clearing"


@dataclass(frozen=True, slots=True)
class Problem:
    """A subject that is, may be, or recently was listed or broken.

    `last_observation` is the last poll that found it; `since` the first poll of this occurrence.
    `last_polled_at` is the last poll, with or without a result. `clean_polls` counts clean polls
    in a row, `unanswered_polls` confirmation polls without a result; `confirmations` are those of
    the last day. `notified`: the channel knows it. `informational`: no incident stays open for it
    (minor, or already listed at the first poll). `flapping`: it comes and goes; `noted`: that was
    reported.
    """

    last_observation: Observation
    phase: Phase
    since: Timestamp
    phase_changed_at: Timestamp
    last_polled_at: Timestamp
    clean_polls: int = 0
    unanswered_polls: int = 0
    confirmations: tuple[Timestamp, ...] = ()
    notified: bool = False
    informational: bool = False
    flapping: bool = False
    noted: bool = False

    @property
    def key(self) -> str:
        return self.last_observation.key

    @property
    def blocks_resolution(self) -> bool:
        """Whether the incident cannot resolve while the problem is present."""
        return self.notified and not self.informational

    @property
    def known_from_start(self) -> bool:
        """Whether it was there when the watch began, and would have opened an incident later."""
        return self.informational and self.phase is not Phase.CLEAN and self.last_observation.opens_incident


Problems = Annotated[tuple[Problem, ...], UNPACKED, PACKED]
Config = Annotated[Mapping[str, str], UNPACKED_CONFIG, PACKED_CONFIG]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Reminders are off until the incident resolves or grows."""

    actor: str
    at: Timestamp


@dataclass(frozen=True, slots=True)
class Muted:
    """Alerts are deferred until then."""

    actor: str
    until: Timestamp


@dataclass(frozen=True, slots=True)
class Incident:
    """State of one watch between two polls. It is open while `opened_at` is set.

    `episode` counts openings; `alert_count` counts alerts and makes their keys unique; `config`
    holds the DNS values taken as normal; `started_at` is the time of the first poll.
    """

    watch_id: str
    started_at: Timestamp
    problems: Problems = ()
    config: Config = field(default_factory=dict)
    opened_at: Timestamp | None = None
    episode: int = 0
    alert_count: int = 0
    notified_at: Timestamp | None = None
    acknowledged: Acknowledged | None = None
    muted: Muted | None = None

    @property
    def lifetime_id(self) -> str:
        """Id of the watch since its first poll; re-adding a removed watch makes another."""
        return f"{self.watch_id}.{int(self.started_at.timestamp()):x}"

    @property
    def thread_key(self) -> str:
        """Thread key of the open, or the last, incident."""
        return f"{self.lifetime_id}.{self.episode}"


@dataclass(frozen=True, slots=True)
class DomainRecords:
    """Texts of a domain's records by key (`spf`, `dkim.s1`), stored once for all watches of the domain.

    `good` are the last records that passed their check, `flawed` the last ones of records that never did.
    `values` are the last two values that a watch took as normal, the newest first. `stored_at`: last written.
    """

    stored_at: Timestamp
    good: Mapping[str, str] = field(default_factory=dict)
    flawed: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def value_of(self, key: str, digest: str) -> str:
        """The value with this digest; empty if it is not stored."""
        return next((value for value in self.values.get(key, ()) if value_digest(value) == digest), "")


class AlertReason(StrEnum):
    """Reason of an alert. NOTED opens no incident: a minor listing, or a config change."""

    OPENED = "opened"
    GREW = "grew"
    NOTED = "noted"
    EASED = "eased"
    RESOLVED = "resolved"
    REMINDER = "reminder"
    FLAPPING = "unstable"
    STABLE = "stable"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True)
class Alert:
    """One message for a channel. `key` is an idempotency key: same state and poll, same key.

    `watching_since`: first poll of the watch; no message about it is older.
    `is_root`: it starts the thread `thread_key`. `unverified` are problems that no poll has checked
    for a week. `is_escalation`: a severe problem was added after somebody acknowledged the others.
    """

    key: str
    watch_id: str
    reason: AlertReason
    at: Timestamp
    watching_since: Timestamp
    thread_key: str
    is_root: bool
    is_alerting: bool
    opened_at: Timestamp | None = None
    new: Problems = ()
    remaining: Problems = ()
    cleared: Problems = ()
    unverified: Problems = ()
    is_escalation: bool = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """Addresses of a range that have a problem now."""
        return tuple(
            dict.fromkeys(
                p.last_observation.address for p in (*self.new, *self.remaining) if p.last_observation.address
            )
        )


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """When a listing is confirmed, cleared, grouped, repeated and forgotten."""

    confirm_after: timedelta = timedelta(seconds=90)
    max_confirm_polls: int = 3
    clear_after: timedelta = timedelta(minutes=30)
    clean_polls: int = 3
    group_for: timedelta = timedelta(seconds=60)
    remind_after: timedelta = timedelta(hours=24)
    flapping_threshold: int = 2  # listings within the window, once the last of them has cleared
    flapping_window: timedelta = timedelta(hours=24)
    flapping_settled_after: timedelta = timedelta(hours=12)
    forget_after: timedelta = timedelta(days=7)


def unique_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The first of problems that share subject, address and summary, as sublists do."""
    unique: dict[tuple[str, str, str], Problem] = {}
    for problem in problems:
        unique.setdefault(
            (problem.last_observation.subject, problem.last_observation.address, problem.last_observation.summary),
            problem,
        )
    return tuple(unique.values())
