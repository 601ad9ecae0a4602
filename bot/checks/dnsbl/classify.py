"""Classify a DNSBL response, given the trust of the list. Pure.

A timeout is not "not listed", a refusal is not a listing, and NXDOMAIN counts only while the test
points of the list give the expected answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.checks.dnsbl.catalog import Blocklist
from bot.checks.dnsbl.return_codes import ReturnCode, octets_of
from bot.checks.dnsbl.trust import ListTrust, TrustLevel
from bot.models import DnsAnswer, LookupFailed, LookupResult

STRIPPED = "stripped"
# A malformed reply says as little about the list as no reply.
REASON_ALIASES = {"malformed": "timeout"}


class ListState(StrEnum):
    """State of one list for one target; only `listed` and `not_listed` are answers."""

    LISTED = "listed"
    NOT_LISTED = "not_listed"
    UNKNOWN = "unknown"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Classification:
    """State of a list with its evidence.

    `answers` holds every A record, `unrecognized` those that the list does not explain, or not wholly.
    """

    state: ListState
    reason: str = ""
    answers: tuple[str, ...] = ()
    codes: tuple[ReturnCode, ...] = ()
    unrecognized: tuple[str, ...] = ()


NOT_LISTED = Classification(ListState.NOT_LISTED)


def classify_with_trust(blocklist: Blocklist, result: LookupResult, trust: ListTrust) -> Classification:
    """Classify a lookup result, given the trust of the list through the same resolver."""
    good = trust.level is TrustLevel.GOOD
    if good and is_nxdomain(result):
        return NOT_LISTED
    classification = classify_result(blocklist, result)
    if classification.state is ListState.UNUSABLE:
        return classification
    if trust.level is TrustLevel.UNUSABLE:
        return Classification(ListState.UNUSABLE, trust.reason, classification.answers)
    if classification.reason == STRIPPED and good and blocklist.controls.has_listed_entry:
        return NOT_LISTED  # the listed test point came through, so the resolver strips nothing
    if classification.state is ListState.UNKNOWN:
        return classification
    if not good:
        return Classification(ListState.UNKNOWN, trust.reason, classification.answers)
    return classification


def is_nxdomain(result: LookupResult | None) -> bool:
    """Return whether the result is NXDOMAIN, which means not listed if the list is trusted."""
    return isinstance(result, DnsAnswer) and not result.exists and not result.records


def classify_result(blocklist: Blocklist, result: LookupResult) -> Classification:
    """Classify a lookup result as if the list were trusted."""
    if isinstance(result, LookupFailed):
        return Classification(ListState.UNKNOWN, REASON_ALIASES.get(result.reason, result.reason))
    if not result.records:
        return Classification(ListState.UNKNOWN, STRIPPED) if result.exists else NOT_LISTED
    if not result.exists:  # NXDOMAIN with an A record
        return Classification(ListState.UNKNOWN, "contradiction")
    return _classify_records(blocklist, result.records)


def _classify_records(blocklist: Blocklist, records: Sequence[str]) -> Classification:
    answers = tuple(sorted(set(records), key=lambda record: (octets_of(record) or (0, 0, 0, 0), record)))
    if not all(_is_loopback(answer) for answer in answers):
        return Classification(ListState.UNUSABLE, "parked", answers)
    meanings = {answer: blocklist.codes.find(answer) for answer in answers}
    codes = tuple(dict.fromkeys(code for code_group in meanings.values() for code in code_group))
    if refusal := next((code for code in codes if not code.effect.is_answer), None):
        return Classification(ListState.UNUSABLE, refusal.reason, answers)
    table = blocklist.codes
    unknown = tuple(answer for answer in answers if not meanings[answer] or table.has_unassigned_flag(answer))
    return Classification(ListState.LISTED, "", answers, codes, unknown)


def _is_loopback(answer: str) -> bool:
    octets = octets_of(answer)
    return octets is not None and octets[0] == 127
