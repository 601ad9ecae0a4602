"""Core value types shared by checks, monitoring and handlers: plain, frozen, without IO or chat."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, NamedTuple, Protocol

Address = IPv4Address | IPv6Address


class Verdict(IntEnum):
    """Severity of a finding, in rising order; a report takes the worst of its findings."""

    PASS = 0
    UNKNOWN = 1
    WARN = 2
    FAIL = 3

    def __str__(self) -> str:
        return self.name.lower()


class Role(StrEnum):
    """Use of an address: `mta` delivers to other servers, `client` submits with authentication."""

    MTA = "mta"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Target:
    """An address, a domain (lower-case A-labels, no trailing dot), or both.

    `mailbox` is the mail address if one was typed; `domain` is then its domain. The text form is
    the identity used in buttons, Redis keys and logs.
    """

    ip: Address | None = None
    domain: str | None = None
    mailbox: str | None = None

    def __post_init__(self) -> None:
        if self.ip is None and self.domain is None:
            raise ValueError("a target is an address, a domain, or both")

    @classmethod
    def of(cls, ip: str, domain: str | None = None) -> Target:
        """Build from an address in text form; raises ValueError if it is not an address."""
        return cls(ip_address(ip), domain)

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.ip, self.mailbox or self.domain) if part is not None)


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """A target to check and the options given with it.

    `charged_to` is the workspace whose share of the lists' daily limits the check uses; empty in
    the terminal. It is no part of what is checked. Checks whose ids are in `left_out` are not run.
    """

    target: Target
    role: Role = Role.MTA
    helo: str | None = None
    selectors: tuple[str, ...] = ()
    discovers_selectors: bool = True  # without `selectors`, tries the common ones
    charged_to: str = field(default="", compare=False)
    left_out: frozenset[str] = frozenset()

    def __str__(self) -> str:
        parts = [str(self.target), f"as {self.role}"]
        parts += [f"helo {self.helo}"] if self.helo else []
        parts += [f"selector {name}" for name in self.selectors]
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Link:
    """A page to act on or read; `url` comes from our own tables, never from foreign text."""

    label: str
    url: str


class SharedFacts(dict[str, Any]):
    """Facts that many findings share, such as those of "not listed". Treated as immutable."""

    @cached_property
    def text(self) -> str:
        """The facts as JSON, encoded once for all of these findings."""
        return json.dumps(self, ensure_ascii=False)


NO_FACTS = SharedFacts()


class Finding(NamedTuple):
    """One result of a check.

    `check` and `subject` name what was checked (`blocklist`, `spamhaus-zen`); `code` is stable,
    `check.word-word`; `summary` is one sentence: what is true and what it means for mail;
    `remediation` is the next step, empty where nothing is to do. `facts` holds JSON values only;
    text in it may be foreign. A NamedTuple, because a bulk check makes about fifty per address
    and a frozen dataclass takes three times as long to make.
    """

    check: str
    subject: str
    verdict: Verdict
    code: str
    summary: str
    remediation: str = ""
    facts: Mapping[str, Any] = NO_FACTS
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Result of a check request.

    `queries` counts DNS queries; `notes` are sentences about the check itself.
    """

    request: CheckRequest
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
class DnsAnswer:
    """A DNS answer, positive or negative.

    `records` are in text form: A and AAAA as addresses, TXT with its strings joined without a
    space (bytes that are not UTF-8 become U+FFFD), MX as `10 mx.example.com`, names without the
    trailing dot (the root is `.`). No records and `exists` is NODATA; not `exists` is NXDOMAIN.
    `ttl` is in seconds: of the records, or the negative TTL of RFC 2308. `authentic` is the AD
    bit: meaningful only over a trusted path to a validating resolver. `aliases` are the names that
    CNAME records lead to, in order: whoever owns the last one publishes the records.
    """

    name: str
    rdtype: str
    records: tuple[str, ...] = ()
    exists: bool = True
    ttl: int = 0
    authentic: bool = False
    aliases: tuple[str, ...] = ()


class LookupFailed(Exception):
    """DNS gave no usable answer, which is not the same as "no such record".

    `reason` is one word: timeout, servfail, refused, formerr, notimp, malformed, truncated, loop,
    budget, day-limit.
    """

    def __init__(self, reason: str, question: str = "") -> None:
        super().__init__(f"{question}: {reason}" if question else reason)
        self.reason = reason
        self.question = question


class Lookup(Protocol):
    """DNS as one function: `await lookup("example.com", "TXT")`. Raises LookupFailed."""

    async def __call__(self, name: str, rdtype: str, /) -> DnsAnswer: ...


LookupResult = DnsAnswer | LookupFailed
OnAnswer = Callable[[int, LookupResult], None]
TIMED_OUT = LookupFailed("timeout")


class BatchLookup(ABC):
    """A Lookup that also queries one label in many zones at once, at a fraction of the cost."""

    @abstractmethod
    async def __call__(self, name: str, rdtype: str, /) -> DnsAnswer: ...

    @abstractmethod
    async def lookup_many(
        self, label: str, apexes: Sequence[str], /, *, on_answer: OnAnswer | None = None
    ) -> Sequence[LookupResult]:
        """Query `label.apex` for every apex; results are in the order of the apexes.

        `on_answer(index, result)` is called as each result arrives. NXDOMAIN may come without
        its name and TTL.
        """


class BulkLookup(BatchLookup):
    """A lookup for bulk checks: its queries wait without limit, and interactive ones go first."""

    @property
    def fresh(self) -> bool:
        """Whether the caches are bypassed, as for the confirmation of a change."""
        return False


class Check(Protocol):
    """One check. Never raises for a DNS reason: what it could not learn is an UNKNOWN finding."""

    async def __call__(self, request: CheckRequest, lookup: Lookup, /) -> Sequence[Finding]: ...


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """State of one name server since this process started.

    `unresponsive`: queries time out right now, so the next server is preferred. `rtt_s` is the
    smoothed round-trip time in seconds, None before the first answer.
    """

    server: str
    unresponsive: bool
    sent: int
    retried: int
    answered: int
    rtt_s: float | None
