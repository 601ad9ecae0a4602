"""Names that no list has, asked to see whether a list lists everything."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from bot.checks.dnsbl.never_listed import SAMPLE_SIZE, lists_everything, sample_labels
from bot.checks.dnsbl.zones import Zone, usable_zones
from bot.models import DnsAnswer, LookupFailed
from tests.support.builtin_catalog import CATALOG

ZONES = usable_zones(CATALOG, {"spamhaus": "k" * 26, "abusix": "k" * 32})
DAY = date(2026, 11, 24)
LISTED, NOT_LISTED = DnsAnswer("a", "A", ("127.0.0.2",)), DnsAnswer("a", "A", exists=False)
REFUSED, SILENT = DnsAnswer("a", "A", ("127.255.255.254",)), LookupFailed("timeout", "no answer")


def zone(list_id: str) -> Zone:
    return next(zone for zone in ZONES if zone.blocklist.id == list_id)


@pytest.mark.parametrize("listed", ZONES, ids=lambda zone: zone.blocklist.id)
def test_every_list_has_names_that_change_by_the_day(listed: Zone) -> None:
    assert len(set(sample_labels(listed, DAY))) == SAMPLE_SIZE
    assert sample_labels(listed, DAY) == sample_labels(listed, DAY)
    assert len({tuple(sample_labels(listed, DAY + timedelta(days=n))) for n in range(20)}) > 10
    assert not set(sample_labels(listed, DAY)) & set(listed.test_point_names)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([LISTED, LISTED, LISTED], True),
        ([LISTED, SILENT, LISTED], True),
        ([NOT_LISTED, NOT_LISTED, LISTED], False),
        ([NOT_LISTED, SILENT, NOT_LISTED], False),
        ([LISTED, NOT_LISTED, SILENT], None),
        ([REFUSED, REFUSED, REFUSED], None),
        ([SILENT, SILENT, SILENT], None),
    ],
)
async def test_majority_of_answers_decides(answers: list[DnsAnswer | LookupFailed], expected: bool | None) -> None:
    remaining = list(answers)

    async def lookup(_name: str, _rdtype: str, /) -> DnsAnswer:
        answer = remaining.pop()
        if isinstance(answer, LookupFailed):
            raise answer
        return answer

    assert await lists_everything(zone("spamhaus-zen"), lookup, DAY) is expected
