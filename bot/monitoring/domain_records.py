"""Texts of a domain's records in the store: compressed, at most 2 KB, once for all watches of the domain.

A watch itself stores a digest of each value that it takes as normal; the texts to show and to restore are here. They
expire when no watch has followed the domain for some time.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from bot.models import Report
from bot.monitoring.models import DomainRecords, Incident, value_digest
from bot.monitoring.record_values import RecordValue, read_records
from bot.monitoring.serialization import dump, load
from bot.storage.poll_store import PollStore
from bot.storage.unreadable import UnreadableValues

MAX_PACKED = 1_500  # bytes; with the longest key, what the store allocates for it stays below 2 KB
MAX_UNPACKED = 65_536  # no text that was stored unpacks to more
MAX_VALUES = 2  # of a record: what watches take as normal now, and what some of them took before
RENEW_AFTER = timedelta(days=7)
EXPIRE_AFTER = timedelta(days=60)  # longer than a channel can be paused


T = TypeVar("T")


class UnreadableRecords(ValueError):
    """A stored value is not what `pack` wrote."""


class DomainRecordStore:
    """Records by domain. Methods raise StoreUnavailable if Redis does not answer."""

    def __init__(self, polls: PollStore, unreadable: UnreadableValues) -> None:
        self._polls, self._unreadable = polls, unreadable

    async def read(self, domains: Collection[str]) -> dict[str, DomainRecords]:
        """The records of those domains that have some; unreadable ones are reported and left out."""
        packed = await self._polls.domain_records(sorted(domains))
        parsed = {
            domain: self._unreadable.parse(f"mc1:records:{domain}", "", unpack, text) for domain, text in packed.items()
        }
        return {domain: records for domain, records in parsed.items() if records}

    async def accept(self, domain: str, reports: Sequence[Report], incident: Incident, now: datetime) -> None:
        """Store the records of a first poll."""
        stored = await self.read([domain]) if reports else {}
        await self.write(accept_reports(domain, reports, [incident.config], stored, now))

    async def write(self, records: Mapping[str, DomainRecords]) -> None:
        """Store these records instead of those that were there."""
        packed = {domain: pack(domain_records) for domain, domain_records in records.items()}
        await self._polls.set_domain_records(packed, EXPIRE_AFTER.total_seconds())


def accept_reports(
    domain: str,
    reports: Sequence[Report],
    configs: Collection[Mapping[str, str]],
    stored: Mapping[str, DomainRecords],
    now: datetime,
) -> dict[str, DomainRecords]:
    """The records of the domain to store after these reports; empty for no change."""
    records = [record for report in reports for record in read_records(report)] if domain else []
    accepted = accept_records(stored.get(domain), records, configs, now)
    return {domain: accepted} if accepted else {}


def accept_records(
    stored: DomainRecords | None, records: Iterable[RecordValue], configs: Collection[Mapping[str, str]], now: datetime
) -> DomainRecords | None:
    """The records to store once watches with these configs take some values as normal; None for no change."""
    before = stored or DomainRecords(now)
    good, flawed, values = dict(before.good), dict(before.flawed), dict(before.values)
    for record in records:
        digest = value_digest(record.value)
        is_normal = any(config.get(record.key) == digest for config in configs)
        if not record.value or record.for_history or not is_normal:
            continue
        others = (value for value in values.get(record.key, ()) if value != record.value)
        values[record.key] = (record.value, *others)[:MAX_VALUES]
        if record.text and record.is_good:
            good[record.key] = record.text
            flawed.pop(record.key, None)
        elif record.text and record.key not in good:
            flawed[record.key] = record.text
    after = replace(before, good=good, flawed=flawed, values=values)
    is_fresh = timedelta(0) <= now - before.stored_at < RENEW_AFTER
    if not values or (stored and is_fresh and after == before):
        return None
    return fit(replace(after, stored_at=now))


def fit(records: DomainRecords) -> DomainRecords:
    """Drop the largest records until the others fit."""
    while len(pack(records)) > MAX_PACKED:
        sizes = {key: len(text) for texts in (records.flawed, records.good) for key, text in texts.items()}
        for key, values in records.values.items():
            sizes[key] = sizes.get(key, 0) + sum(map(len, values))
        largest = max(sizes, key=lambda key: (sizes[key], key))
        records = replace(
            records,
            good=_without(records.good, largest),
            flawed=_without(records.flawed, largest),
            values=_without(records.values, largest),
        )
    return records


def _without(texts: Mapping[str, T], key: str) -> dict[str, T]:
    return {name: text for name, text in texts.items() if name != key}


def pack(records: DomainRecords) -> bytes:
    return zlib.compress(dump(records).encode("utf-8", "surrogateescape"), 9)


def unpack(packed: bytes) -> DomainRecords:
    """Inverse of `pack`. Raises ValueError or TypeError."""
    decompressor = zlib.decompressobj()
    try:
        text = decompressor.decompress(packed, MAX_UNPACKED)
    except zlib.error as error:
        raise UnreadableRecords("not compressed") from error
    if not decompressor.eof:
        raise UnreadableRecords("too long or cut short")
    return load(DomainRecords, text.decode())
