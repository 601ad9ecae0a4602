"""Results of an SPF evaluation, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.checks.finding_codes import Problem
from bot.checks.spf.dns_session import Query

MAX_LOOKUP_TERMS = 10
MAX_VOID_LOOKUPS = 2
MAX_NAMES = 10


class ResultCode(StrEnum):
    """The seven results of RFC 7208 §2.6, and `unknown` if our own limits ended the evaluation."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"
    UNKNOWN = "unknown"


class PermErrorCause(StrEnum):
    """What a permerror is about; selects the remediation."""

    SYNTAX = "syntax"
    MULTIPLE_RECORDS = "several-records"
    MISSING_RECORD = "no-record"
    MISSING_FROM_MACRO = "no-record-of-macro"
    LOOKUPS = "lookups"
    VOID_LOOKUPS = "voids"
    MX_HOSTS = "mail-servers"


@dataclass(frozen=True, slots=True)
class SpfResult:
    """Result of check_host, and how it was reached.

    `mechanism` is the matching term as published, in the record of the last domain of `chain`,
    which leads there from the sender's domain over include and redirect. `path` holds the domains
    whose records were read, in order. `lookups` counts the terms that need DNS (limit 10),
    `void_lookups` the queries of such terms that returned no records (limit 2; listed in
    `void_queries`), `queries` all queries sent, prefetched ones included. `problem` is set for a
    permerror (with its `cause`), a temperror and an unknown.
    """

    code: ResultCode
    explanation: str | None = None
    mechanism: str | None = None
    chain: tuple[str, ...] = ()
    lookups: int = 0
    void_queries: tuple[Query, ...] = ()
    queries: int = 0
    path: tuple[str, ...] = ()
    problem: Problem | None = None
    cause: PermErrorCause | None = None

    @property
    def void_lookups(self) -> int:
        return len(self.void_queries)

    @property
    def matched_in(self) -> str | None:
        """The domain whose record holds the matching term."""
        return self.chain[-1] if self.mechanism else None


def join_names(hosts: Sequence[str]) -> str:
    """Join names for a sentence, at most four of them written out."""
    if len(hosts) > 4:
        return f"{', '.join(hosts[:3])} and {len(hosts) - 3} more names"
    return " and ".join(filter(None, [", ".join(hosts[:-1]), *hosts[-1:]]))


def to_json(result: SpfResult) -> Mapping[str, Any]:
    """Return one line of `mailcheck spf --json`."""
    return {
        "result": str(result.code),
        "explanation": result.explanation,
        "mechanism": result.mechanism,
        "lookups": result.lookups,
        "voids": result.void_lookups,
        "queries": result.queries,
        "path": list(result.path),
    }
