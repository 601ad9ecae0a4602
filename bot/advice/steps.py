"""A next step as data: the record to change, from what to what, and who can do it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bot.advice.evidence import MAX_RECORD_BYTES, SpfRecords
from bot.advice.spf_networks import passes
from bot.checks.spf.result import MAX_LOOKUP_TERMS


@dataclass(frozen=True, slots=True)
class Change:
    """One change in DNS; its fields are the keys of `facts.change`.

    `record` is the name, `old` empty for a new record, `new` empty where no exact text is safe to
    propose. `console` is where it is done if that is not the DNS zone, `owner` who can do it.
    """

    record: str
    type: str
    old: str = ""
    new: str = ""
    console: str = ""
    owner: str = ""

    def to_json(self) -> dict[str, Any]:
        return {key: value or None for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Step:
    """A next step in words, with the change that it asks for."""

    text: str
    change: Change | None = None


def is_safe(old: str, new: str, read: SpfRecords) -> bool:
    """Whether nobody who passes the old SPF record fails the new one, and no limit is newly passed.

    Terms that networks cannot express (macros, exists, ptr, unread names) forbid that a term is
    removed or moved. A new term may stand in front, or right before the `all` that ends the record.
    """
    before, after = passes(old, read) if old else None, passes(new, read)
    if after is None or after.lookups > MAX_LOOKUP_TERMS or len(new.encode()) > MAX_RECORD_BYTES:
        return False
    if before is None:  # nothing passes a record that is missing, or a permerror
        return True
    if before.opaque and not _is_subsequence(old.split(), new.split()):
        return False
    return after.covers(before) and _is_subsequence(before.opaque, after.opaque)


def _is_subsequence(part: Sequence[str], whole: Sequence[str]) -> bool:
    rest = iter(whole)
    return all(term in rest for term in part)
