"""The vocabulary of watching: who watches what, what was seen, what is wrong since when, and what is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from ipaddress import IPv4Network, IPv6Network

from bot.models import Link, Role, Target

Network = IPv4Network | IPv6Network
MOST_ADDRESSES = 256


@dataclass(frozen=True, slots=True)
class Room:
    """Where a watch speaks, named by the platform's own ids. Text form: `slack/T0123/C0456`."""

    platform: str
    space: str
    channel: str

    @classmethod
    def of(cls, text: str) -> Room:
        """From its text form; raises ValueError where it is none. Only the channel may hold slashes."""
        platform, space, channel = text.split("/", 2)
        return cls(platform, space, channel)

    def __str__(self) -> str:
        return f"{self.platform}/{self.space}/{self.channel}"


@dataclass(frozen=True, slots=True)
class Watch:
    """A room follows an address, a range of up to 256 addresses, a domain, or addresses of a domain.

    Room, subject and role are its identity, so asking for the same watch twice is the same watch.
    """

    room: Room
    network: Network | None
    domain: str | None
    role: Role
    every: timedelta
    by: str
    since: datetime
    name: str = ""

    def __post_init__(self) -> None:
        if self.network is None and self.domain is None:
            raise ValueError("a watch follows addresses, a domain, or both")
        if self.network is not None and self.network.num_addresses > MOST_ADDRESSES:
            raise ValueError(f"a watch follows at most {MOST_ADDRESSES} addresses")

    @property
    def id(self) -> str:
        return blake2b(f"{self.room} {self.subject} {self.role}".encode(), digest_size=5).hexdigest()

    @property
    def subject(self) -> str:
        """What is followed, as a person would type it: `203.0.113.5 example.com`, `203.0.113.0/28`."""
        words = (self._address_text(), self.domain)
        return " ".join(word for word in words if word)

    @property
    def targets(self) -> tuple[Target, ...]:
        if self.network is None:
            return (Target(domain=self.domain),)
        return tuple(Target(address, self.domain) for address in self.network)

    @property
    def several(self) -> bool:
        """Several addresses: a problem then says at which one it is."""
        return self.network is not None and self.network.num_addresses > 1

    def _address_text(self) -> str:
        if self.network is None:
            return ""
        return str(self.network) if self.several else str(self.network.network_address)


class State(StrEnum):
    """What one look said about one thing. LISTED also stands for a setting that is wrong, NOT_LISTED for one that is right.

    Only these two are knowledge. HELD is whatever a list in quarantine said: it counts for nothing, before and now.
    """

    LISTED = "listed"
    NOT_LISTED = "not_listed"
    UNKNOWN = "unknown"
    UNUSABLE = "unusable"
    HELD = "held"


class Severity(StrEnum):
    """What a problem does to mail, and so how loudly it is told: high and medium alert, low is a note, none is silence."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NONE = "none"

    @property
    def loud(self) -> bool:
        return self in (Severity.HIGH, Severity.MEDIUM)


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing that one look saw, for one address where a watch holds several.

    A change of a setting carries the value before and after (`was`, `value`: text of strangers) and the name under which
    the incident remembers it. It is `passing` when it is told once and then taken as the new normal. `name` is what people
    call the list, `text` the reason that it gives (text of strangers).
    """

    check: str
    about: str
    state: State
    at: datetime
    address: str = ""
    sublist: str = ""
    sublists: tuple[str, ...] = ()
    severity: Severity = Severity.MEDIUM
    says: str = ""
    step: str = ""
    links: tuple[Link, ...] = ()
    setting: str = ""
    was: str = ""
    value: str = ""
    passing: bool = False
    name: str = ""
    text: str = ""

    @property
    def key(self) -> str:
        """`blocklist:spamhaus-zen/spamhaus-xbl@203.0.113.5`; sublist and address only where there are any."""
        sublist = f"/{self.sublist}" if self.sublist else ""
        return f"{self.check}:{self.about}{sublist}" + (f"@{self.address}" if self.address else "")

    @property
    def lasting(self) -> bool:
        """An incident opens with it and stays open until it is gone: neither minor nor told once and done."""
        return self.severity.loud and not self.passing


class Phase(StrEnum):
    CLEAN = "clean"
    SUSPECT = "suspect"
    LISTED = "listed"
    CLEARING = "clearing"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is, may be, or lately was wrong.

    `sight` is the last look that saw it; `since` the first look of this spell; `turned` the last change of phase; `asked`
    the last look that asked about it, whatever the answer. `clean` counts clean looks in a row, `misses` second looks
    without an answer, `opens` holds when it was confirmed in the last day. `told`: the room knows it. `quiet`: it holds no
    incident open (it is minor, or was there at the first look). `unstable`: it comes and goes. `noted`: so it was said.
    """

    sight: Observation
    phase: Phase
    since: datetime
    turned: datetime
    asked: datetime
    clean: int = 0
    misses: int = 0
    opens: tuple[datetime, ...] = ()
    told: bool = False
    quiet: bool = False
    unstable: bool = False
    noted: bool = False

    @property
    def key(self) -> str:
        return self.sight.key

    @property
    def holds(self) -> bool:
        """The incident stays open while it is there."""
        return self.told and not self.quiet


@dataclass(frozen=True, slots=True)
class Acknowledged:
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Muted:
    by: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Incident:
    """All that is remembered of one watch between two looks. It is open while `opened` is set; `episode` counts openings.

    `spoken` counts the alerts of the watch's life and makes their keys; `settings` holds the values taken as normal.
    """

    watch: str
    began: datetime
    problems: tuple[Problem, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    opened: datetime | None = None
    episode: int = 0
    spoken: int = 0
    told_at: datetime | None = None
    acknowledged: Acknowledged | None = None
    muted: Muted | None = None

    @property
    def life(self) -> str:
        """This watch from its first look on; one that was ended and made again is another."""
        return f"{self.watch}.{int(self.began.timestamp()):x}"

    @property
    def thread(self) -> str:
        """The name of the thread of the incident that is open, or was open last."""
        return f"{self.life}.{self.episode}"


class Reason(StrEnum):
    """Why an alert speaks. NOTED is news that opens nothing: a minor listing, or a setting that was changed."""

    OPENED = "opened"
    GREW = "grew"
    NOTED = "noted"
    EASED = "eased"
    RESOLVED = "resolved"
    REMINDER = "reminder"
    UNSTABLE = "unstable"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True)
class Alert:
    """One message that a room must get, once. The same state and the same look make the same `key`.

    `thread` names the thread it belongs to, and `root` is true for the message that begins it. `lost` are problems that no
    look has asked about for a week: nobody knows whether they are gone. `broadcast`: a reply that the whole room must see.
    """

    key: str
    watch: str
    reason: Reason
    at: datetime
    thread: str
    root: bool
    loud: bool
    opened: datetime | None = None
    new: tuple[Problem, ...] = ()
    still: tuple[Problem, ...] = ()
    gone: tuple[Problem, ...] = ()
    lost: tuple[Problem, ...] = ()
    broadcast: bool = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses with a problem now, of a watch that holds several: "3 of 16"."""
        return tuple(dict.fromkeys(p.sight.address for p in (*self.new, *self.still) if p.sight.address))


@dataclass(frozen=True, slots=True)
class Policy:
    """How sure to be before speaking, and how often to speak."""

    confirm_after: timedelta = timedelta(seconds=90)
    tries: int = 3
    clear_after: timedelta = timedelta(minutes=30)
    clean_looks: int = 3
    group_for: timedelta = timedelta(seconds=60)
    remind_after: timedelta = timedelta(hours=24)
    unstable_opens: int = 3
    unstable_within: timedelta = timedelta(hours=24)
    settled_after: timedelta = timedelta(hours=12)
    forget_after: timedelta = timedelta(days=7)


def each_once(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems to print: of sublists that share one sentence, as those of one list do, the first."""
    once: dict[tuple[str, str, str], Problem] = {}
    for problem in problems:
        once.setdefault((problem.sight.about, problem.sight.address, problem.sight.says), problem)
    return tuple(once.values())
