"""What an SPF evaluation can come to, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.checks.spf.dns_session import Question

MOST_TERMS = 10
MOST_VOIDS = 2
MOST_NAMES = 10


class Result(StrEnum):
    """The seven results of RFC 7208 §2.6, and `unknown` where our own budget ended the evaluation."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """What a permerror is about, so that a person can be told what to do about it."""

    SYNTAX = "syntax"
    SEVERAL_RECORDS = "several-records"
    NO_RECORD = "no-record"
    LOOKUPS = "lookups"
    VOIDS = "voids"
    MAIL_SERVERS = "mail-servers"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What check_host found, and how it got there.

    `mechanism` is the matching term as its owner wrote it, in the record of the last domain of `chain`, which leads
    there from the sender's domain through include and redirect. `path` holds the domains whose records were read, in
    order. `lookups` counts the terms that need DNS (10 are allowed), `voids` the questions of such terms that found
    nothing (2 are allowed; `void_questions` names them), `queries` every question asked, early ones included.
    `problem` says in one sentence what ended a permerror (with its `cause`), a temperror or an unknown.
    """

    result: Result
    explanation: str | None = None
    mechanism: str | None = None
    chain: tuple[str, ...] = ()
    lookups: int = 0
    void_questions: tuple[Question, ...] = ()
    queries: int = 0
    path: tuple[str, ...] = ()
    problem: str = ""
    cause: Cause | None = None

    @property
    def voids(self) -> int:
        return len(self.void_questions)

    @property
    def matched_in(self) -> str | None:
        """The domain whose record holds the matching term."""
        return self.chain[-1] if self.mechanism else None


def names(found: Sequence[str]) -> str:
    """Names as a sentence lists them, at most three of them written out."""
    if len(found) > 4:
        return f"{', '.join(found[:3])} and {len(found) - 3} more names"
    return " and ".join(filter(None, [", ".join(found[:-1]), *found[-1:]]))


def to_json(evaluation: Evaluation) -> Mapping[str, Any]:
    """One line of `mailcheck spf --json`."""
    return {
        "result": str(evaluation.result),
        "explanation": evaluation.explanation,
        "mechanism": evaluation.mechanism,
        "lookups": evaluation.lookups,
        "voids": evaluation.voids,
        "queries": evaluation.queries,
        "path": list(evaluation.path),
    }
