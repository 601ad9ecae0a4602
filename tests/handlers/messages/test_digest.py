"""The weekly digest in virtual time: once a week, to rooms that want it and watch something, whatever breaks meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from bot.monitoring.history import History, Track
from bot.monitoring.interfaces import Kept, RoomSettings
from bot.monitoring.models import Room
from bot.monitoring.poller import write_digests
from bot.monitoring.schedule import WEEK, next_digest
from handlers.delivery import Delivery
from handlers.message import Card, Tone
from handlers.messages.history import TOLD, digest_card
from handlers.ports import RoomGone, Unsure
from tests.handlers.charts.timelines import DAY, NOW, ordinary, span
from tests.handlers.delivery.test_worker import LongRunning, made
from tests.support.fake_channel import RoomOfPeople
from tests.support.incident_stories import T0
from tests.support.stored_watches import ELSEWHERE, ROOM, Clock, baseline, numbered, watch

WEEKLY = RoomSettings(digest=True)


@dataclass
class House:
    """A store with its register, and a room of people; the clock begins on a Tuesday at six."""

    clock: Clock
    register: LongRunning
    people: RoomOfPeople
    delivery: Delivery

    async def pass_by(self, length: timedelta) -> list[Card]:
        """Every hour two workers write digests, and letters are delivered; the cards that came."""
        until, had = self.clock() + length, len(self.people.said)
        while self.clock() < until:
            self.clock.add(3600)
            for _ in range(2):
                await write_digests(self.register, self.clock())
            for room in await self.register.rooms():
                await self.delivery.deliver_next(room)
        return [said.card for said in self.people.said[had:]]


@pytest_asyncio.fixture
async def house(redis: Redis) -> House:
    clock = Clock()
    register, people = LongRunning(redis, clock), RoomOfPeople(clock)
    return House(clock, register, people, made(register, people, clock))


async def test_a_room_is_told_every_monday_what_became_of_its_watches(house: House) -> None:
    await house.register.add(watch(), baseline(watch(), "a+"), T0)
    await house.register.set_settings(ROOM, WEEKLY)
    [first] = await house.pass_by(WEEK)
    assert first.title == "The week in this channel: 1 listing on 1 list"
    assert [line.text for line in first.lines] == ["1 of 1 watch with a problem now.", "203.0.113.5"]
    assert first.picture
    assert len(await house.pass_by(3 * WEEK)) == 3
    for said in house.people.said:
        assert (said.at.strftime("%a"), said.at.hour) == ("Mon", 9)  # due after eight, and looked for at the full hour


async def test_it_is_off_until_somebody_wants_it_and_off_again_when_nobody_does(house: House) -> None:
    await house.register.add(watch(), baseline(watch()), T0)
    assert await house.pass_by(WEEK) == []
    await house.register.set_settings(ROOM, WEEKLY)
    await house.register.set_settings(ROOM, replace(WEEKLY, reminder=False))
    assert len(await house.pass_by(WEEK)) == 1
    await house.register.set_settings(ROOM, RoomSettings())
    assert await house.pass_by(WEEK) == []


async def test_a_room_that_watches_nothing_hears_nothing(house: House) -> None:
    await house.register.set_settings(ROOM, WEEKLY)
    assert await house.pass_by(2 * WEEK) == []
    await house.register.add(watch(), baseline(watch()), T0)
    assert [card.title for card in await house.pass_by(WEEK)] == [
        "A quiet week: 1 watch in this channel, and nothing happened"
    ]


async def test_a_lost_reply_a_crash_and_a_long_pause_make_no_second_digest_and_lose_none(house: House) -> None:
    await house.register.add(watch(), baseline(watch()), T0)
    await house.register.set_settings(ROOM, WEEKLY)

    def lost(_: str) -> None:
        house.people.after = lambda _: None
        raise Unsure("the connection was cut")

    house.people.after = lost
    assert len(await house.pass_by(WEEK)) == 1
    house.clock.add(3 * WEEK.total_seconds())  # nobody worked
    assert len(await house.pass_by(timedelta(hours=1))) == 1
    keys = [said.key for said in house.people.said]
    assert len(set(keys)) == len(keys) == 2
    assert await house.register.rooms() == []


async def test_a_room_that_is_closed_loses_its_digest_and_keeps_its_watches(house: House) -> None:
    await house.register.add(watch(), baseline(watch()), T0)
    await house.register.set_settings(ROOM, WEEKLY)

    def closed(call: str) -> None:
        if call == "post":
            raise RoomGone("is_archived")

    house.people.before = closed
    assert await house.pass_by(WEEK) == []
    [kept] = await house.register.of_room(ROOM)
    assert not kept.paused
    assert house.people.told == []


async def test_a_room_that_removed_the_bot_leaves_no_plan_behind(house: House, redis: Redis) -> None:
    await house.register.set_settings(ROOM, WEEKLY)
    await house.register.forget_room(ROOM)
    assert await redis.exists("mc1:digests", "mc1:settings:slack/T0123ABCD") == 0


@pytest.mark.parametrize("room", [ROOM, ELSEWHERE, Room("teams", "x", "19:a/b@thread")])
def test_the_next_digest_is_on_a_monday_morning(room: Room) -> None:
    for days in range(20):
        now = T0 + timedelta(days=days, hours=days)
        at = next_digest(str(room), now)
        assert timedelta(0) < at - now <= WEEK
        assert (at.strftime("%a"), at.hour) == ("Mon", 8)
        assert next_digest(str(room), at) == at + WEEK


def test_what_is_open_comes_first_and_people_are_no_news() -> None:
    watches = [watch(name="HQ egress"), watch("198.51.100.7/32"), watch(None, "example.net")]
    histories = {
        watches[0].id: ordinary(),
        watches[1].id: History((Track("blocklist:psbl", "PSBL", (span(24, 20), span(27, 9))),)),
        watches[2].id: History((Track("acknowledged", "", (span(26, 9, by="Ada"),)),)),
    }
    card = digest_card([Kept(one, baseline(one)) for one in watches], histories, NOW - 7 * DAY, NOW)
    assert [(line.text, line.detail) for line in card.lines] == [
        ("1 of 3 watches with a problem now.", ""),
        ("HQ egress (203.0.113.5)", "Spamhaus ZEN (1d 19h so far), MX changed (once)"),
        ("198.51.100.7", "PSBL (2 times, 1d 5h)"),
    ]
    assert card.tone is Tone.WARN
    assert card.picture
    assert [row.label for row in card.picture.timeline.rows] == ["HQ egress", "198.51.100.7"]


def test_many_watches_are_told_in_part() -> None:
    watches = [numbered(number) for number in range(TOLD + 5)]
    history = History((Track("blocklist:psbl", "PSBL", (span(24, 20),)),))
    kept = [Kept(one, baseline(one)) for one in watches]
    card = digest_card(kept, {one.id: history for one in watches}, NOW - 7 * DAY, NOW)
    assert card.lines[-1].text == "And 5 more; `history` tells of each."
