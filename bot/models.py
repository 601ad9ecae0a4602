"""The vocabulary of the mail wing: plain, frozen values that every room shares. No IO, no chat."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, NamedTuple, Protocol

Address = IPv4Address | IPv6Address


class Verdict(IntEnum):
    """How bad a finding is; the worst finding is the verdict of a report."""

    PASS = 0
    UNKNOWN = 1
    WARN = 2
    FAIL = 3

    def __str__(self) -> str:
        return self.name.lower()


class Role(StrEnum):
    """What the address is to mail: an `mta` talks to the world's servers itself, a `client` submits with a password."""

    MTA = "mta"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Target:
    """What a check is about: an address, a domain (lower-case A-labels, no trailing dot), or both.

    Its text form is its identity everywhere: in buttons, in Redis keys and in logs.
    """

    ip: Address | None = None
    domain: str | None = None

    def __post_init__(self) -> None:
        if self.ip is None and self.domain is None:
            raise ValueError("a target is an address, a domain, or both")

    @classmethod
    def of(cls, ip: str, domain: str | None = None) -> Target:
        """From an address in text form; raises ValueError where it is none."""
        return cls(ip_address(ip), domain)

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.ip, self.domain) if part is not None)


@dataclass(frozen=True, slots=True)
class Order:
    """One check as a person asked for it: the target, and what they told us about it."""

    target: Target
    role: Role = Role.MTA
    helo: str | None = None
    selectors: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = [str(self.target), f"as {self.role}"]
        words += [f"helo {self.helo}"] if self.helo else []
        words += [f"selector {name}" for name in self.selectors]
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Link:
    """A page where a person can act or read on; `url` is ours, never text that a stranger wrote."""

    label: str
    url: str


class SharedFacts(dict[str, Any]):
    """Facts that many findings have in common, such as those of "not listed"; nobody changes them."""

    @cached_property
    def text(self) -> str:
        """As JSON, written once for all of those findings."""
        return json.dumps(self, ensure_ascii=False)


NO_FACTS = SharedFacts()


class Finding(NamedTuple):
    """One thing a check found out. (A tuple, for a sweep makes fifty of an address, and a frozen dataclass takes three times as long.)

    `check` and `about` name what was looked at (`blocklist`, `spamhaus-zen`); `code` is stable, `check.word-word`;
    `says` is one plain sentence of ours: what is true and what it means for mail; `step` is the one next thing to do,
    empty when there is nothing to do. `facts` holds JSON values only; text in it may have been written by strangers.
    """

    check: str
    about: str
    verdict: Verdict
    code: str
    says: str
    step: str = ""
    facts: Mapping[str, Any] = NO_FACTS
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The answer to an order. `queries` counts the DNS questions it asked; `notes` are sentences about the check itself."""

    order: Order
    at: datetime
    findings: tuple[Finding, ...]
    elapsed_ms: int
    queries: int
    cached: bool = False
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        return max([finding.verdict for finding in self.findings], default=Verdict.PASS)


@dataclass(frozen=True, slots=True)
class Answer:
    """What DNS truthfully said to one question.

    `records` are in text form: A and AAAA as addresses, TXT with its strings joined without a space (bytes that are not
    UTF-8 become U+FFFD), MX as `10 mx.example.com`, names without the trailing dot (the root is `.`).
    No records and `exists` means the name has none of that kind (NODATA); not `exists` means NXDOMAIN.
    `ttl` is in seconds: of the records, or the negative TTL of RFC 2308.
    `authentic` is the AD bit: worth something only over a trusted path to a validating resolver.
    """

    name: str
    kind: str
    records: tuple[str, ...] = ()
    exists: bool = True
    ttl: int = 0
    authentic: bool = False


class LookupFailed(Exception):
    """DNS gave no answer, which is not the same as "no such record".

    `reason` is one word: timeout, servfail, refused, formerr, notimp, malformed, truncated, loop, budget, day-limit.
    """

    def __init__(self, reason: str, question: str = "") -> None:
        super().__init__(f"{question}: {reason}" if question else reason)
        self.reason = reason
        self.question = question


class Lookup(Protocol):
    """DNS as one function: `await lookup("example.com", "TXT")`. Raises LookupFailed where nobody answered."""

    async def __call__(self, name: str, kind: str, /) -> Answer: ...


Heard = Callable[[int, "Answer | LookupFailed"], None]


class RoundLookup(ABC):
    """A Lookup that also asks many zones about one label at once, for a fraction of what single questions cost."""

    @abstractmethod
    async def __call__(self, name: str, kind: str, /) -> Answer: ...

    @abstractmethod
    async def ask_all(
        self, label: str, apexes: Sequence[str], /, *, heard: Heard | None = None
    ) -> Sequence[Answer | LookupFailed]:
        """The outcomes of `label.apex`, in the order of the apexes; `heard(place, outcome)` is called as each comes.

        "No such name" may come without its name and TTL.
        """


class SweepLookup(RoundLookup):
    """The lookup of a sweep: its questions wait their turn, however long that takes, and people's go first."""

    @property
    def fresh(self) -> bool:
        """Whether it is that of a second look, which goes past every cache."""
        return False


class Check(Protocol):
    """One check of an order. It never raises for a DNS reason: what it could not learn is an UNKNOWN finding."""

    async def __call__(self, order: Order, lookup: Lookup, /) -> Sequence[Finding]: ...


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """One name server as this process sees it since its start; `usual_s` is its usual round trip, None before the first.

    `silent`: it leaves questions unanswered right now, and the next server is asked first.
    """

    server: str
    silent: bool
    sent: int
    resent: int
    answered: int
    usual_s: float | None
