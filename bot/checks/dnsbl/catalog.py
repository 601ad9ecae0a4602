"""Catalog of DNSBLs. `catalog_file` reads it from `catalog.toml` or a file of the same format."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from bot.checks.dnsbl.return_codes import CodeTable, Removal, Severity

MAX_SOURCE_AGE = timedelta(days=548)  # 18 months


class Kind(StrEnum):
    """What a list contains."""

    IP4 = "ip4"
    IP6 = "ip6"
    DOMAIN = "domain"
    EMAIL = "email"


class MailboxHash(StrEnum):
    """How a list of mail addresses is asked about one: by its SHA-1, or as Spamhaus HBL."""

    SHA1 = "sha1"
    HBL = "hbl"


class Nature(StrEnum):
    """Basis of a listing: evidence of abuse, sending policy, information, or allowlisting."""

    EVIDENCE = "evidence"
    POLICY = "policy"
    INFO = "info"
    ALLOW = "allow"


class Controls(StrEnum):
    """Which test points of RFC 5782 section 5 the list publishes.

    With `two_sets` both are listed, each with codes of its own.
    """

    BOTH = "both"
    TWO_SETS = "two_sets"
    MUST_NOT_ONLY = "must_not_only"
    NONE = "none"

    @property
    def has_listed_entry(self) -> bool:
        """Whether a listing always comes through while the list works."""
        return self in (Controls.BOTH, Controls.TWO_SETS)


@dataclass(frozen=True, slots=True)
class Blocklist:
    """One DNSBL.

    `zone` may be displayed; `key_zone` contains `{key}` in place of the API key. `must_list` and
    `must_not_list` are the test points. `per_day` and `per_second` are the operator's query limits,
    `key_per_day` the one of a free key, `free_use` and `commercial` its terms. `source_seen` is the
    date of the copy of the source that was read. A list that is not `enabled` is asked only where the
    operator of mailcheck enables it. `server` is the name server to ask instead of the resolver.
    """

    id: str
    name: str
    operator: str
    zone: str
    kinds: frozenset[Kind]
    nature: Nature
    severity: Severity
    codes: CodeTable
    removal: Removal
    controls: Controls
    must_list: str
    must_not_list: str
    source: str
    key: str | None = None
    key_zone: str = ""
    needs_key: bool = False
    per_day: int | None = None
    key_per_day: int | None = None
    per_second: int | None = None
    registration_url: str = ""
    mailbox_hash: MailboxHash = MailboxHash.SHA1
    ip6_prefix: int | None = None
    enabled: bool = True
    server: str = ""
    free_use: str = ""
    commercial: str = ""
    source_seen: date | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every list, the ones that affect delivery most first."""

    lists: tuple[Blocklist, ...]

    def outdated(self, today: date) -> tuple[Blocklist, ...]:
        """Return the lists whose sources were last read too long ago."""
        return tuple(item for item in self.lists if item.source_seen and today - item.source_seen > MAX_SOURCE_AGE)

    def get(self, list_id: str) -> Blocklist | None:
        return next((blocklist for blocklist in self.lists if blocklist.id == list_id), None)
