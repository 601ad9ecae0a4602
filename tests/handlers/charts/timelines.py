"""Histories for chart tests: a realistic one and one with a thousand changes."""

from __future__ import annotations

import random
from datetime import timedelta

from bot.monitoring.history import ACKNOWLEDGED, MUTED, History, Span, Track
from tests.support.incident_stories import T0

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = T0 + 30 * DAY


def span(day: float, hours: float, times: int = 1, by: str = "") -> Span:
    """A span from that day on; merged spans are active half of the time."""
    length = hours * HOUR
    lasted, longest = (length, length) if times == 1 else (length / 2, length / times)
    return Span(T0 + day * DAY, T0 + day * DAY + length, times, lasted, longest, by)


def ordinary() -> History:
    return History(
        (
            Track("blocklist:spamhaus-zen", "Spamhaus ZEN", (span(2, 60), span(11.5, 20), Span(T0 + 28.2 * DAY))),
            Track("blocklist:barracuda", "Barracuda", (span(2.2, 30), span(20, 5))),
            Track("blocklist:uceprotect-2", "UCEPROTECT Level 2", (span(0.5, 200, 9), span(14, 30), span(17, 90))),
            Track("blocklist:psbl", "PSBL", (span(2.5, 14),)),
            Track("spf:failing", "", (span(6, 49),)),
            Track("mx:changed", "", (span(9, 0), span(23, 0))),
            Track(ACKNOWLEDGED, "", (span(2.4, 40, by="Ada"), Span(T0 + 28.6 * DAY, actor="Bo"))),
            Track(MUTED, "", (span(14, 24, by="Ada"),)),
        )
    )


def busy(changes: int = 1_000) -> History:
    random_source, tracks = random.Random(7), []
    for number in range(10):
        spans, at = [], T0
        for _ in range(changes // 20):
            at += random_source.random() * HOUR * 12
            spans.append(Span(at, at + random_source.random() * HOUR * 3))
            at = spans[-1].until or at
        tracks.append(Track(f"blocklist:list-{number}", f"Blocklist number {number}", tuple(spans)))
    return History(tuple(tracks))
