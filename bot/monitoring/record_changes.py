"""Changes of records: what is reported once, with both values, and the step that restores a record. Pure.

A change that may be intended becomes the new normal once it is reported. A record that vanished or no longer passes
its check is a problem of that check, which then carries both values and the last good text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.monitoring.messages import CHANGES, DMARC_WEAKENED, RECORD_REMOVED, REMOVALS, RESTORE_RECORD, RESTORE_TEXT
from bot.monitoring.models import DomainRecords, Observation, ObservedState, value_digest
from bot.monitoring.record_values import DKIM_LABEL, MX_HOST, RecordValue
from bot.monitoring.stored_types import DIGEST_MARK

POLICY_STRENGTH = ("none", "quarantine", "reject")
MAX_RESTORED = 850  # characters of a record in a step: a longer one would be cut, and a cut record is wrong


@dataclass(frozen=True, slots=True)
class RecordHistory:
    """What a watch and the store of its domain know about records.

    `config` are the stored values of the incident by key; `address` is that of a range, else empty.
    """

    config: Mapping[str, str]
    domain: DomainRecords | None = None
    address: str = ""

    def key(self, record: RecordValue) -> str:
        return f"{record.key}@{self.address}" if record.is_per_address and self.address else record.key

    def stored(self, record: RecordValue) -> str:
        """The stored value or its digest; empty for none, and for one of an earlier version that compares to nothing.

        Earlier versions stored other things under the same keys.
        """
        stored = self.config.get(self.key(record), "")
        is_comparable = stored.startswith(DIGEST_MARK) or record.check in ("ptr", "mx", "dmarc")
        return stored if is_comparable else ""

    def is_changed(self, record: RecordValue) -> bool:
        stored = self.stored(record)
        return bool(stored) and stored not in (record.value, value_digest(record.value), record.earlier)

    def previous_value(self, record: RecordValue) -> str:
        """The value before; empty where it is unchanged or not stored."""
        stored = self.stored(record) if self.is_changed(record) else ""
        if not stored.startswith(DIGEST_MARK):
            return f"p={stored}" if stored in POLICY_STRENGTH else stored
        return self.domain.value_of(record.key, stored) if self.domain else ""

    def restoring_step(self, record: RecordValue) -> str:
        """The step that restores the last good record; empty where the record is that one, or none is known."""
        text = self._last_text(record)
        if not text or text == record.text or len(text) > MAX_RESTORED:
            return ""
        return RESTORE_TEXT.format(record=text)

    def _last_text(self, record: RecordValue) -> str:
        if record.is_per_address:
            return self.previous_value(record)
        if self.domain is None:
            return ""
        # What never passed its check is still better than no record or another one.
        return self.domain.good.get(record.key, "" if record.value else self.domain.flawed.get(record.key, ""))


def main_record(records: Iterable[RecordValue], check: str, subject: str) -> RecordValue | None:
    """The record that findings about this subject of a check are about."""
    keys = {check, f"{check}.{subject.partition(DKIM_LABEL)[0]}"}
    return next((r for r in records if r.key in keys and (r.check, r.subject) == (check, subject)), None)


def observe_changes(
    records: Sequence[RecordValue], history: RecordHistory, domain: str, at: datetime
) -> Iterator[Observation]:
    """Observe every record against its stored value; there is none at the first poll.

    A missing PTR record that passes its check is that of a client, which needs none.
    """
    for record in records:
        if record.for_history:
            yield _to_store(record.check, record.key, record.value, at)
        elif record.value or (history.is_changed(record) and not record.is_per_address):
            yield _observe_change(record, history, domain, at)
    if any(record.key == "mx" for record in records):
        names = {record.key for record in records}
        for key in history.config:
            if key.startswith(MX_HOST) and key not in names:
                yield _to_store("mx", key, "", at)


def _to_store(check: str, key: str, value: str, at: datetime) -> Observation:
    return Observation(check, f"{key} stored", ObservedState.NOT_LISTED, at, config_key=key, value=value)


def _observe_change(record: RecordValue, history: RecordHistory, domain: str, at: datetime) -> Observation:
    previous = history.previous_value(record)
    return Observation(
        check=record.check,
        subject="changed" if record.key == record.check else f"{record.key} changed",
        state=ObservedState.LISTED if history.is_changed(record) else ObservedState.NOT_LISTED,
        at=at,
        address=history.address if record.is_per_address else "",
        summary=_summary(record, previous, domain),
        remediation=RESTORE_RECORD if record.value else history.restoring_step(record) or RESTORE_RECORD,
        config_key=history.key(record),
        previous_value=previous,
        value=record.value,
        notify_once=True,
    )


def _summary(record: RecordValue, previous: str, domain: str) -> str:
    kind, _, detail = record.key.partition(".")
    if not record.value:
        return REMOVALS.get(kind, RECORD_REMOVED).format(domain=domain)
    if kind == "dmarc" and is_weaker(previous, record.value):
        return DMARC_WEAKENED
    return CHANGES[f"{kind}." if detail else kind].format(domain=domain, detail=detail)


def policy_of(value: str) -> str:
    """`reject` of `p=reject; rua=…`; empty for none."""
    policy = value.partition(";")[0].partition("=")[2]
    return policy if policy in POLICY_STRENGTH else ""


def is_weaker(previous: str, value: str) -> bool:
    """Whether the policy of a DMARC record is weaker than that of the previous one."""
    before, after = policy_of(previous), policy_of(value)
    return bool(before and after) and POLICY_STRENGTH.index(after) < POLICY_STRENGTH.index(before)


def is_about_record(problem: Observation, change: Observation) -> bool:
    """Whether a problem is about the record that has changed, or about the domain's records of that kind."""
    detail = change.config_key.partition("@")[0].partition(".")[2]
    return (
        problem.check == change.check
        and not problem.notify_once
        and change.address in ("", problem.address)
        and (not problem.subject or (bool(detail) and problem.subject.startswith(f"{detail}{DKIM_LABEL}")))
    )
