"""Delivery: in order, never lost, and never twice while somebody can look; virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from bot.monitoring.dnsbl_quarantine import ListNote, NoteReason
from bot.monitoring.interfaces import AnyLetter, Letter, ListLetter, Outbox, RoomSettings, Updates, Watches
from bot.monitoring.models import Acknowledged, Reason, Room
from bot.monitoring.repository import Register
from bot.monitoring.serialization import dump
from handlers.delivery import Delivery, Pace
from handlers.message import Card, Tone
from handlers.ports import Blind, Later, MessageGone, Rejected, RoomGone, SpaceGone, Unsure
from tests.support.fake_channel import RoomOfPeople
from tests.support.incident_stories import T0
from tests.support.memory_repository import KeptInMemory
from tests.support.outbox_messages import LATER, REASONS, letters_of, story
from tests.support.stored_watches import ELSEWHERE, ROOM, Clock, numbered, watch


class Crash(BaseException):
    """The process is gone."""


class LongRunning(Register):
    """On a server that was started long before the tests' time, which is not now."""

    async def restarted_at(self) -> datetime:
        return self._clock() - timedelta(days=30)


@dataclass
class House:
    """A delivery between what is kept and a room of people. `crash` begins it anew, with nothing in its mind."""

    kept: KeptInMemory | Register
    redis: Redis
    clock: Clock
    people: RoomOfPeople
    delivery: Delivery

    async def put(self, *letters: AnyLetter) -> None:
        for letter in letters:
            if isinstance(letter, Letter) and await self.kept.find(letter.room, letter.watch.id) is None:
                await self.kept.add(letter.watch, letter.incident, LATER)
            if isinstance(self.kept, KeptInMemory):
                self.kept.put(letter)
            else:
                await self.redis.rpush(f"mc1:outbox:{letter.room}", f"{letter.id}\n{dump(letter)}")
                await self.redis.zadd("mc1:waiting", {str(letter.room): 0}, nx=True)

    async def deliver(self, room: Room = ROOM) -> int:
        """Everything that can be said now; how much it was."""
        number = 0
        while room in await self.kept.rooms() and await self.delivery.deliver_next(room):
            number += 1
        return number

    def crash(self) -> None:
        self.delivery = made(self.kept, self.people, self.clock)

    def say(self, error: BaseException, call: str = "post", before: bool = True) -> None:
        """The next such call ends with this error, before or after it has its effect."""

        def raises(this: str) -> None:
            if this == call:
                self.people.before = self.people.after = lambda _: None
                raise error

        self.people.before, self.people.after = (raises, lambda _: None) if before else (lambda _: None, raises)


def made(kept: Watches | Outbox, people: RoomOfPeople, clock: Clock) -> Delivery:
    async def no_wait(seconds: float) -> None:
        clock.add(seconds)

    return Delivery(kept, kept, {"slack": people}, Pace(now=clock, sleep=no_wait))


@pytest_asyncio.fixture(params=["memory", "redis"])
async def house(request: pytest.FixtureRequest, redis: Redis) -> AsyncIterator[House]:
    clock = Clock(LATER)
    kept = KeptInMemory(clock) if request.param == "memory" else LongRunning(redis, clock)
    people = RoomOfPeople(clock)
    yield House(kept, redis, clock, people, made(kept, people, clock))


WATCH = watch("203.0.113.5/32")
OPENED, GREW, EASED, RESOLVED = story(WATCH)


async def test_one_thread_tells_an_incident_and_its_root_shows_the_end(house: House) -> None:
    await house.put(OPENED, GREW, EASED, RESOLVED)
    assert await house.deliver() == 4
    root, *replies = house.people.said
    assert [said.thread for said in house.people.said] == ["", root.id, root.id, root.id]
    assert [said.key for said in house.people.said] == [letter.id for letter in (OPENED, GREW, EASED, RESOLVED)]
    assert (root.card.tone, root.edits) == (Tone.GOOD, 3)
    assert root.card.title == "203.0.113.5: clear again after 4h 58m"
    assert [button.label for button in root.card.buttons] == ["Check again"]
    assert not any(reply.broadcast for reply in replies)


BROKEN = ListNote("some-list.1.quarantined", NoteReason.QUARANTINED, ("some-list",), 5, 25)
BEGUN = ListLetter(f"list.{BROKEN.key}", ROOM, BROKEN, "Some list", LATER)
TRUSTED = replace(BROKEN, key="some-list.1.trusted", reason=NoteReason.TRUSTED)
ENDED = replace(BEGUN, id=f"list.{TRUSTED.key}", note=TRUSTED)


async def test_a_note_about_a_list_is_one_message_and_its_end_an_edit(house: House) -> None:
    await house.put(OPENED, BEGUN, ENDED, GREW)
    assert await house.deliver() == 4
    assert [said.thread for said in house.people.said] == ["", "", house.people.said[0].id]
    note = house.people.said[1]
    assert (note.key, note.card.title, note.edits) == (BEGUN.id, "Some list is believed again", 1)


async def test_a_note_whose_sending_was_cut_short_is_not_said_again(house: House) -> None:
    await house.put(BEGUN)
    house.say(Crash(), before=False)
    with pytest.raises(Crash):
        await house.deliver()
    house.crash()
    house.clock.add(20)
    assert await house.deliver() == 1
    assert [said.key for said in house.people.said] == [BEGUN.id]


@pytest.mark.parametrize("lost", [(), (BEGUN,)], ids=["never said", "deleted"])
async def test_the_end_of_a_note_that_is_not_there_is_not_said(lost: tuple[ListLetter, ...], house: House) -> None:
    await house.put(*lost, ENDED)
    house.say(MessageGone("message_not_found"), call="update")
    await house.deliver()
    assert [said.key for said in house.people.said] == [letter.id for letter in lost]
    assert await house.kept.rooms() == []


async def test_a_note_for_a_room_that_is_gone_is_dropped_and_nobody_is_told(house: House) -> None:
    await house.put(BEGUN)
    house.say(RoomGone("channel_not_found"))
    assert await house.deliver() == 1
    assert (house.people.said, house.people.told) == ([], [])
    assert await house.kept.rooms() == []


NOT_SAID = [Later("ratelimited", 30), Unsure("internal_error"), Rejected("invalid_blocks")]


@pytest.mark.parametrize("error", NOT_SAID, ids=repr)
async def test_what_was_not_said_is_said_later_and_once(error: Exception, house: House) -> None:
    await house.put(OPENED, GREW)
    house.say(error)
    assert await house.deliver() == 0
    assert house.people.said == []
    house.clock.add(31)
    assert await house.deliver() == 2
    assert [said.key for said in house.people.said] == [OPENED.id, GREW.id]


async def test_told_to_wait_means_not_a_second_sooner_and_no_other_room_waits(house: House) -> None:
    other = story(watch(room=ELSEWHERE))[0]
    await house.put(OPENED, other)
    house.say(Later("ratelimited", 30))
    await house.deliver()
    assert await house.deliver(ELSEWHERE) == 1
    house.clock.add(29)
    assert await house.deliver() == 0
    house.clock.add(2)
    assert await house.deliver() == 1


@pytest.mark.parametrize("error", [Unsure("status 503"), Unsure("TimeoutError"), Crash()], ids=repr)
async def test_what_may_stand_there_is_looked_up_and_not_said_again(error: BaseException, house: House) -> None:
    await house.put(OPENED, GREW)
    house.say(error, before=False)
    try:
        await house.deliver()
    except Crash:
        house.crash()
    assert await house.deliver() == 0, "a call may still be under way"
    house.clock.add(12)
    assert await house.deliver() == 2
    assert [said.key for said in house.people.said] == [OPENED.id, GREW.id]
    assert house.people.said[1].thread == house.people.said[0].id
    assert house.people.calls.count("find") == 1


async def test_a_crash_before_the_call_loses_nothing(house: House) -> None:
    await house.put(OPENED)
    house.say(Crash())
    with pytest.raises(Crash):
        await house.deliver()
    house.crash()
    house.clock.add(12)
    assert await house.deliver() == 1
    assert [said.key for said in house.people.said] == [OPENED.id]


async def test_a_look_up_that_fails_is_repeated_before_anything_is_said(house: House) -> None:
    await house.put(OPENED)
    house.say(Unsure("reset"), before=False)
    await house.deliver()
    house.clock.add(12)
    house.say(Later("ratelimited", 60), "find")
    assert await house.deliver() == 0
    house.clock.add(59)
    assert await house.deliver() == 0
    house.clock.add(2)
    assert await house.deliver() == 1
    assert len(house.people.said) == 1


async def test_where_nobody_can_look_it_may_be_said_twice_and_is_never_lost(house: House) -> None:
    await house.put(OPENED)
    house.say(Unsure("reset"), before=False)
    await house.deliver()
    house.clock.add(12)
    house.say(Blind("missing_scope"), "find")
    assert await house.deliver() == 1
    assert [said.key for said in house.people.said] == [OPENED.id, OPENED.id]


async def test_a_closed_room_rests_its_creator_hears_of_it_once_and_it_goes_on_when_it_is_open(house: House) -> None:
    await house.put(OPENED, GREW)
    house.people.before = lambda call: _raise(RoomGone("not_in_channel")) if call == "post" else None
    assert await house.deliver() == 0
    [(who, card)] = house.people.told
    assert (who, card.tone) == ("U1", Tone.WARN)
    kept = await house.kept.find(ROOM, WATCH.id)
    assert kept is not None
    assert kept.paused
    house.clock.add(3_601)
    assert await house.deliver() == 0
    assert len(house.people.told) == 1
    house.people.before = lambda _: None
    assert await house.kept.resume(ROOM)
    assert await house.deliver() == 2
    assert [said.key for said in house.people.said] == [OPENED.id, GREW.id]


CLOSED = [RoomGone("is_archived"), SpaceGone("token_revoked"), SpaceGone("account_inactive")]


@pytest.mark.parametrize("why", CLOSED, ids=repr)
async def test_a_place_that_opens_again_without_a_word_is_found_open_within_the_hour(
    why: Exception, house: House
) -> None:
    """A token that was changed or a channel that is no longer archived costs no watch and no alert."""
    await house.put(OPENED, GREW)
    house.say(why)
    assert await house.deliver() == 0
    (kept,) = await house.kept.of_room(ROOM)
    assert kept.paused
    house.clock.add(3_599)
    assert await house.deliver() == 0
    house.clock.add(1)
    assert await house.deliver() == 2
    (kept,) = await house.kept.of_room(ROOM)
    assert not kept.paused
    assert [said.key for said in house.people.said] == [OPENED.id, GREW.id]


async def test_when_one_room_of_a_workspace_can_be_told_again_all_of_them_can(house: House) -> None:
    other = story(watch(room=ELSEWHERE))[0]
    await house.put(OPENED, other)
    house.people.before = lambda call: _raise(SpaceGone("token_revoked"))
    assert await house.deliver() == await house.deliver(ELSEWHERE) == 0
    house.people.before = lambda _: None
    house.clock.add(3_600)
    assert await house.deliver() == 1
    assert [kept.paused for room in (ROOM, ELSEWHERE) for kept in await house.kept.of_room(room)] == [False, False]
    assert house.people.told == []


async def test_a_workspace_that_says_nothing_for_thirty_days_has_its_letters_dropped(house: House) -> None:
    await house.put(OPENED)
    house.clock.now = OPENED.alert.at + timedelta(days=31)
    house.say(SpaceGone("account_inactive"))
    assert await house.deliver() == 1
    assert house.people.said == []


@pytest.mark.parametrize("why", CLOSED, ids=repr)
async def test_a_place_that_closes_while_an_outcome_is_open_is_looked_at_when_it_opens(
    why: Exception, house: House
) -> None:
    await house.put(OPENED)
    house.say(Unsure("reset"), before=False)
    await house.deliver()
    house.clock.add(12)
    house.say(why, "find")
    assert await house.deliver() == 0
    house.clock.add(3_601)
    assert await house.deliver() == 1
    assert [said.key for said in house.people.said] == [OPENED.id]


async def test_what_is_not_taken_for_a_day_makes_way(house: House) -> None:
    await house.put(OPENED)
    house.clock.now = OPENED.alert.at + timedelta(days=2)
    house.say(Rejected("missing_scope"))
    assert await house.deliver() == 1
    assert house.people.said == []


@pytest.mark.parametrize("call", ["post", "update"])
async def test_a_thread_that_is_gone_gets_a_new_root(call: str, house: House) -> None:
    await house.put(OPENED, GREW, EASED)
    await house.delivery.deliver_next(ROOM)
    house.say(MessageGone("message_not_found"), call)
    await house.deliver()
    first, again, reply = house.people.said
    assert (again.thread, again.key) == ("", GREW.id)
    assert reply.thread == again.id
    assert first.edits == (1 if call == "post" else 0)


async def test_an_edit_that_fails_holds_the_reply_back(house: House) -> None:
    await house.put(OPENED, GREW)
    await house.delivery.deliver_next(ROOM)
    house.say(Unsure("status 500"), "update")
    assert await house.deliver() == 0
    assert len(house.people.said) == 1
    house.clock.add(5)
    assert await house.deliver() == 1
    assert house.people.said[0].edits == 1


async def test_the_root_shows_who_took_it_in_hand_meanwhile(house: House) -> None:
    await house.put(OPENED, GREW)
    await house.delivery.deliver_next(ROOM)
    kept = await house.kept.find(ROOM, WATCH.id)
    assert kept is not None
    hand = replace(kept.incident, acknowledged=Acknowledged("ada", T0))
    assert await house.kept.change(ROOM, WATCH.id, hand, kept.incident)
    await house.deliver()
    assert "by ada" in str(house.people.said[0].card.facts)


@pytest.mark.parametrize(
    ("settings", "posted", "broadcast"),
    [
        (RoomSettings(), 4, []),
        (RoomSettings(updates=Updates.EDIT_ONLY), 1, []),
        (RoomSettings(updates=Updates.BROADCAST), 4, [RESOLVED.id]),
    ],
    ids=lambda value: getattr(value, "updates", ""),
)
async def test_a_room_hears_of_things_as_it_chose(
    settings: RoomSettings, posted: int, broadcast: list[str], house: House
) -> None:
    await house.put(OPENED, GREW, EASED, RESOLVED)
    await house.kept.set_settings(ROOM, settings)
    await house.deliver()
    said = house.people.said
    assert (len(said), said[0].edits, said[0].card.tone) == (posted, 3, Tone.GOOD)
    assert [one.key for one in said if one.broadcast] == broadcast


async def test_a_room_without_reminders_gets_none(house: House) -> None:
    reminder = letters_of(WATCH, (("1h", "a+"), ("61m30s", "a+"), ("26h", "a+")))[-1]
    assert reminder.alert.reason is Reason.REMINDER
    await house.kept.set_settings(ROOM, RoomSettings(reminder=False))
    await house.put(OPENED, reminder)
    assert await house.deliver() == 2
    assert len(house.people.said) == 1


async def test_two_processes_share_the_work_and_say_everything_once(house: House) -> None:
    letters = [letter for number in range(20) for letter in story(numbered(number))]
    await house.put(*letters)

    pair = [made(house.kept, house.people, house.clock) for _ in range(2)]

    async def empty(delivery: Delivery) -> None:
        for _ in range(400):
            await delivery.deliver_next(ROOM)
            await asyncio.sleep(0)

    await asyncio.gather(*map(empty, pair))
    assert [said.key for said in house.people.said] == [letter.id for letter in letters]


async def test_a_root_is_edited_by_the_one_process_that_has_the_letter(house: House) -> None:
    """Two would edit it side by side, and the slower one could put what was before over what is now."""
    await house.put(OPENED, GREW)
    assert await house.delivery.deliver_next(ROOM)
    other, update = made(house.kept, house.people, house.clock), house.people.update

    async def slow(room: Room, message: str, card: Card) -> None:
        house.people.update = update
        assert not await other.deliver_next(ROOM)
        raise Unsure("status 503")

    house.people.update = slow
    assert await house.deliver() == 0
    house.clock.add(12)
    assert await house.deliver() == 1
    assert [said.key for said in house.people.said] == [OPENED.id, GREW.id]
    assert house.people.said[0].edits == 1


async def test_the_loop_empties_every_room_and_survives_a_store_that_is_away() -> None:
    clock = Clock(LATER)
    kept = KeptInMemory(clock)
    people = RoomOfPeople(clock)
    for room in (ROOM, ELSEWHERE):
        for letter in story(watch(room=room)):
            kept.put(letter)
            kept.keep(letter.watch, letter.incident)
    failures = iter([True, False, True])
    rooms = kept.rooms

    async def sometimes() -> object:
        if next(failures, False):
            raise ConnectionError
        return await rooms()

    kept.rooms = sometimes  # type: ignore[method-assign, assignment]
    done = asyncio.Event()

    async def sleep(seconds: float) -> None:
        clock.add(seconds)
        if len(people.said) == 2 * len(REASONS):
            done.set()
        await asyncio.sleep(0)

    delivery = Delivery(kept, kept, {"slack": people}, Pace(now=clock, sleep=sleep))
    running = asyncio.create_task(delivery.run())
    async with asyncio.timeout(5):
        await done.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    for room in (ROOM, ELSEWHERE):
        assert next(said.card.title for said in people.said if said.room == room).endswith("clear again after 4h 58m")


def _raise(error: Exception) -> None:
    raise error
