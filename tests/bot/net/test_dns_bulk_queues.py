"""Lanes by themselves, without a wire."""

from __future__ import annotations

from typing import Any

from bot.models import LookupFailed
from bot.net.dns_bulk import Lanes
from bot.net.dns_query import MISSES, SILENCE, Lane, Plain, Round


class Wire:
    """Takes every question and answers none."""

    def __init__(self) -> None:
        self.sent: list[Plain] = []

    def send_plain(self, round_: Round, place: int, lane: Lane, now: float) -> Plain:
        nowhere: Any = None
        self.sent.append(Plain(b"", round_, place, lane, nowhere, b"", now))
        return self.sent[-1]


async def test_a_zone_that_falls_silent_just_before_its_turn_stops_no_other() -> None:
    unread: Any = None
    wire: Any = Wire()
    lanes = Lanes(100, {}, unread)
    silent = [lanes.enter(f"{n}", ["silent.example"], 2.0, 0.0) for n in range(MISSES + 1)]
    lanes.fly(wire, MISSES, 0.0)
    lanes.enter("5", ["other.example"], 2.0, 0.0)
    for plain in list(wire.sent):
        lanes.settle(plain, SILENCE)
    assert all(isinstance(one.outcomes[0], LookupFailed) and one.done.done() for one in silent)
    lanes.fly(wire, 100, 0.0)
    assert [plain.name for plain in wire.sent[MISSES:]] == ["5.other.example"]
