"""Return codes of DNSBLs: meaning, bit flags, refusals, and who can remove an entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

Octets = tuple[int, int, int, int]


class Effect(StrEnum):
    """What a return code states; `refused` and `error` state nothing about the queried name."""

    LISTED = "listed"
    POLICY = "policy"
    INFO = "info"
    ALLOW = "allow"
    REFUSED = "refused"
    ERROR = "error"

    @property
    def is_answer(self) -> bool:
        return self not in (Effect.REFUSED, Effect.ERROR)


class Severity(StrEnum):
    """How much mail a listing blocks."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NONE = "none"


class RemovalParty(StrEnum):
    """Who can remove an entry."""

    OWNER = "owner"
    PROVIDER = "provider"
    SELF_SERVICE = "self-service"
    AUTOMATIC = "automatic"
    DO_NOT_PAY = "paid-do-not-pay"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Removal:
    """How an entry is removed.

    `form_url` removes, `lookup_url` only shows; `{ip}`, `{domain}` and `{email}` stand for the
    queried name. `note` says why nobody removes an entry.
    """

    party: RemovalParty
    form_url: str = ""
    lookup_url: str = ""
    expiry: str = ""
    remediation: str = ""
    preconditions: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class ReturnCode:
    """One return code of a list; `reason` is for refusals only, as in the facts of a finding."""

    effect: Effect
    meaning: str
    name: str
    severity: Severity
    removal: Removal
    sublist: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A range for each octet of an answer."""

    ranges: tuple[range, ...]

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Parse `127.0.0.4-7` or `127.0.*.3`.

        Raises ValueError unless it lies in 127.0.0.0/8 (RFC 5782 section 2.1).
        """
        ranges = tuple(_range(part) for part in text.split("."))
        if len(ranges) != 4 or ranges[0] != range(127, 128):
            raise ValueError(text)
        return cls(ranges)

    @property
    def is_exact(self) -> bool:
        return all(len(part) == 1 for part in self.ranges)

    def matches(self, octets: Octets) -> bool:
        return all(octet in part for octet, part in zip(octets, self.ranges, strict=True))


@dataclass(frozen=True, slots=True)
class CodeTable:
    """Return codes by address, bit flag and pattern.

    Exact codes of a list override the common refusals; its patterns do not.
    """

    exact: Mapping[str, ReturnCode]
    bits: Mapping[int, ReturnCode]
    patterns: tuple[tuple[Pattern, ReturnCode], ...]

    def find(self, address: str) -> tuple[ReturnCode, ...]:
        """Return the codes of an answer: several for a sum of flags, none if unknown."""
        octets = octets_of(address)
        if octets is None:
            return ()
        if self.bits and octets[:3] == (127, 0, 0):
            flags = tuple(code for bit, code in self.bits.items() if octets[3] & bit)
            if flags:
                return flags
        if code := self.exact.get(address):
            return (code,)
        return next(((code,) for pattern, code in self.patterns if pattern.matches(octets)), ())

    def has_unassigned_flag(self, address: str) -> bool:
        """Whether an answer is a sum of flags of which the list explains only some."""
        octets = octets_of(address)
        return bool(self.bits and octets and octets[:3] == (127, 0, 0) and octets[3] & ~sum(self.bits))


def octets_of(address: str) -> Octets | None:
    """Return the four octets of an IPv4 address in text form; None for anything else."""
    parts = address.split(".")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() and len(part) <= 3 for part in parts):
        return None
    first, second, third, fourth = (int(part) for part in parts)
    return (first, second, third, fourth) if max(first, second, third, fourth) < 256 else None


def _range(part: str) -> range:
    if part == "*":
        return range(256)
    first, _, last = part.partition("-")
    low, high = int(first), int(last or first)
    if not 0 <= low <= high < 256:
        raise ValueError(part)
    return range(low, high + 1)
