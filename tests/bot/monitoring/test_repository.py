"""What the register promises: nothing of another room, nothing twice, nothing over what somebody else wrote."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest
from redis.asyncio import Redis

from bot.models import Role
from bot.monitoring.alert_state import acknowledge, mute, unmute
from bot.monitoring.interfaces import MOST_IN_A_ROOM, MOST_IN_A_SPACE, Letter, RoomSettings, TooManyWatches, Updates
from bot.monitoring.models import Room, Watch
from bot.monitoring.repository import Register
from bot.monitoring.serialization import dump, incident_text
from bot.storage import StoreUnavailable
from bot.storage.watch_store import TELLS, Change, Ended
from tests.support.incident_stories import T0
from tests.support.redis_server import RedisServer
from tests.support.stored_watches import ELSEWHERE, ROOM, Clock, baseline, numbered, opened, watch

DUE = T0 + timedelta(minutes=20)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def register(redis: Redis, clock: Clock) -> Register:
    return Register(redis, clock)


async def tell(register: Register, told: Watch, words: str = "a+") -> list[Letter]:
    """A watch's look that found something, put into the room's outbox as a sweep does."""
    now = DUE.timestamp()
    (claimed,) = [c for c in await register.watches.claim(now, (60, 300), 100) if c.watches[0].id == told.id]
    incident, alerts = opened(baseline(told), words)
    letters = [Letter(alert.key, told.room, told, incident, alert) for alert in alerts]
    change = Change(claimed.watches[0], incident_text(incident), [(letter.id, dump(letter)) for letter in letters])
    assert await register.watches.apply([Ended(claimed, [change], look_at=now + 3600)], now) == ["done"]
    return letters


async def test_a_watch_comes_back_as_it_was_added(register: Register) -> None:
    asked = watch("203.0.113.0/28", "example.com", name="HQ egress")
    begun = baseline(asked, "a+ b-")
    assert await register.add(asked, begun, DUE)
    (kept,) = await register.of_room(ROOM)
    assert (kept.watch, kept.incident, kept.due, kept.every, kept.paused) == (asked, begun, DUE, asked.every, False)


async def test_an_address_is_followed_alone_or_in_a_range(register: Register) -> None:
    for followed in (watch("203.0.113.0/28"), watch("192.0.2.1", "example.com")):
        assert await register.add(followed, baseline(followed), DUE)
    asked = ("203.0.113.15", "203.0.113.16", "192.0.2.1", "2001:db8::1")
    assert [await register.follows(ip_address(text)) for text in asked] == [True, False, True, False]


async def test_the_same_watch_is_kept_once(register: Register) -> None:
    assert await register.add(watch(), baseline(watch()), DUE)
    assert not await register.add(watch(every=timedelta(minutes=5)), baseline(watch()), DUE)
    assert len(await register.of_room(ROOM)) == 1


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("203.0.113.5", True),
        ("  HQ  Egress ", True),
        (watch(name="HQ egress").id, True),
        ("203.0.113.6", False),
        ("", False),
        (watch(room=ELSEWHERE).id, False),
    ],
)
async def test_a_watch_is_found_by_id_subject_or_name(register: Register, words: str, found: bool) -> None:
    await register.add(watch(name="HQ egress"), baseline(watch()), DUE)
    await register.add(watch(room=ELSEWHERE), baseline(watch(room=ELSEWHERE)), DUE)
    kept = await register.find(ROOM, words)
    assert (kept is not None and kept.watch.room == ROOM) is found


async def test_a_watch_of_another_room_does_not_exist(register: Register) -> None:
    theirs = watch(room=ELSEWHERE)
    begun = baseline(theirs)
    await register.add(theirs, begun, DUE)
    assert await register.find(ROOM, theirs.id) is None
    assert not await register.remove(ROOM, theirs.id)
    assert not await register.change(ROOM, theirs.id, mute(begun, "U1", DUE), begun)
    assert [kept.incident for kept in await register.of_room(ELSEWHERE)] == [begun]


async def test_a_room_has_fifty_watches_and_a_workspace_five_hundred(register: Register) -> None:
    for number in range(MOST_IN_A_SPACE):
        room = replace(ROOM, channel=f"C{number // MOST_IN_A_ROOM}")
        assert await register.add(numbered(number, room), baseline(watch()), DUE)
    for room, most in ((replace(ROOM, channel="C0"), MOST_IN_A_ROOM), (ELSEWHERE, MOST_IN_A_SPACE)):
        with pytest.raises(TooManyWatches, match=f"has {most} watches"):
            await register.add(numbered(9999, room), baseline(watch()), DUE)
    assert await register.remove(replace(ROOM, channel="C1"), numbered(50, replace(ROOM, channel="C1")).id)
    assert await register.add(numbered(9999, ELSEWHERE), baseline(watch()), DUE)
    assert await register.add(numbered(9999, Room("slack", "T9", "C1")), baseline(watch()), DUE)


async def test_what_somebody_changed_meanwhile_is_not_written_over(register: Register) -> None:
    begun, _ = opened(baseline(watch()))
    await register.add(watch(), begun, DUE)
    theirs, ours = acknowledge(begun, "U1", T0), acknowledge(begun, "U2", T0)
    assert await register.change(ROOM, watch().id, theirs, begun)
    assert not await register.change(ROOM, watch().id, ours, begun)
    assert [kept.incident for kept in await register.of_room(ROOM)] == [theirs]


async def test_the_end_of_a_mute_is_a_time_to_speak(register: Register, clock: Clock) -> None:
    muted = mute(baseline(watch()), "U1", DUE)
    await register.add(watch(), muted, DUE)
    assert await register.watches.claim(clock().timestamp(), (60, 300), 100, TELLS) == []
    await register.change(ROOM, watch().id, unmute(muted), muted)
    assert len(await register.watches.claim(clock().timestamp(), (60, 300), 100, TELLS)) == 1


async def test_the_last_watch_of_a_subject_ends_its_looks(register: Register, redis: Redis) -> None:
    for room in (ROOM, ELSEWHERE):
        await register.add(watch(room=room), baseline(watch(room=room)), DUE)
    assert [await register.remove(ROOM, watch().id) for _ in range(2)] == [True, False]
    assert await redis.zcard("mc1:looks") == 1
    assert await register.remove(ELSEWHERE, watch(room=ELSEWHERE).id)
    assert [key async for key in redis.scan_iter("mc1:*") if not key.startswith("mc1:done:")] == []


async def test_a_room_that_rests_is_not_looked_at(register: Register, clock: Clock) -> None:
    for room in (ROOM, ELSEWHERE):
        await register.add(watch(room=room), baseline(watch(room=room)), DUE)
    await register.add(watch(role=Role.CLIENT), baseline(watch(role=Role.CLIENT)), DUE)
    await register.pause(ROOM)
    assert [kept.paused for kept in await register.of_room(ROOM)] == [True, True]
    claimed = await register.watches.claim(DUE.timestamp(), (60, 300), 100)
    assert [[one.room for one in claim.watches] for claim in claimed] == [[str(ELSEWHERE)]]
    assert [await register.resume(ROOM) for _ in range(2)] == [True, False]
    assert all(kept.due and kept.due <= clock.now + timedelta(minutes=5) for kept in await register.of_room(ROOM))


async def test_a_workspace_rests_with_all_its_rooms(register: Register, clock: Clock) -> None:
    other = replace(ROOM, space="T0999")
    for room in (ROOM, ELSEWHERE, other):
        await register.add(watch(room=room), baseline(watch(room=room)), DUE)
    await register.pause(ELSEWHERE)
    await register.pause_space(ROOM.platform, ROOM.space)
    assert [(await register.of_room(room))[0].paused for room in (ROOM, ELSEWHERE, other)] == [True, True, False]
    claimed = await register.watches.claim(DUE.timestamp(), (60, 300), 100)
    assert [[one.room for one in claim.watches] for claim in claimed] == [[str(other)]]
    assert [await register.resume(ROOM) for _ in range(2)] == [True, False]
    assert [(await register.of_room(room))[0].paused for room in (ROOM, ELSEWHERE, other)] == [False, True, False]
    assert all(kept.due and kept.due <= clock.now + timedelta(minutes=5) for kept in await register.of_room(ROOM))


async def test_a_workspace_rests_for_thirty_days(register: Register, clock: Clock) -> None:
    for room in (ROOM, ELSEWHERE):
        await register.add(watch(room=room), baseline(watch(room=room)), DUE)
    await register.pause_space(ROOM.platform, ROOM.space)
    clock.now += timedelta(days=29)
    assert await register.forget_rested() == 0
    clock.now += timedelta(days=1)
    assert await register.forget_rested() == 1
    assert [len(await register.of_room(room)) for room in (ROOM, ELSEWHERE)] == [0, 0]
    assert await register.forget_rested() == 0


async def test_a_room_rests_for_thirty_days(register: Register, clock: Clock) -> None:
    for room in (ROOM, ELSEWHERE):
        await register.add(watch(room=room), baseline(watch(room=room)), DUE)
    await register.pause(ROOM)
    clock.now += timedelta(days=29)
    await register.pause(ROOM)
    assert await register.forget_rested() == 0
    clock.now += timedelta(days=1)
    assert await register.forget_rested() == 1
    assert [len(await register.of_room(room)) for room in (ROOM, ELSEWHERE)] == [0, 1]


async def test_nothing_is_left_of_a_workspace_that_removed_the_bot(register: Register, redis: Redis) -> None:
    rooms = [
        Room(platform, space, f"19:a*[b]@{n}") for platform, space in (("teams", "T1"), ("teams", "T12")) for n in "xy"
    ]
    for room in rooms:
        told = watch(room=room)
        await register.add(told, baseline(told), DUE)
        await register.set_settings(room, RoomSettings(restrict=True))
        await register.note(room, "U1", "watch", new=told.subject)
    subject_of_all = await register.watches.claim(DUE.timestamp(), (60, 300), 10)
    incident, alerts = opened(baseline(watch(room=rooms[0])))
    changes = [
        Change(
            one,
            incident_text(incident),
            [(alerts[0].key, dump(Letter(alerts[0].key, Room.of(one.room), watch(), incident, alerts[0])))],
        )
        for one in subject_of_all[0].watches
    ]
    await register.watches.apply([Ended(subject_of_all[0], changes, look_at=0)], 0)
    for room in rooms:
        letter = await register.first(room)
        assert letter
        await register.sent(letter, "1.0")
    for _ in range(2):
        await register.forget_space("teams", "T1")
    left = {key async for key in redis.scan_iter("mc1:*")}
    assert not {key for key in left if "T1/" in key or key.endswith("T1")}
    assert [len(await register.of_room(room)) for room in rooms] == [0, 0, 1, 1]
    assert await register.thread(rooms[2], alerts[0].thread) == "1.0"


async def test_settings_of_a_room_are_kept(register: Register) -> None:
    chosen = RoomSettings(updates=Updates.EDIT_ONLY, reminder=False)
    await register.set_settings(ROOM, chosen)
    assert [await register.settings(room) for room in (ROOM, ELSEWHERE)] == [chosen, RoomSettings()]


async def test_who_did_what_is_kept_by_workspace(register: Register) -> None:
    await register.note(ROOM, "U1", "watch", new="203.0.113.5")
    await register.note(ELSEWHERE, "U2", "mute", old="", new="24h")
    lines = await register.rooms_kept.notes("slack/T0123ABCD", 10)
    assert [(line["who"], line["what"], line["new"]) for line in lines] == [
        ("U2", "mute", "24h"),
        ("U1", "watch", "203.0.113.5"),
    ]


async def test_letters_leave_in_order_and_only_when_sent_or_dropped(register: Register) -> None:
    sent: list[str] = []
    expected: list[str] = []
    for number in range(3):
        await register.add(numbered(number), baseline(numbered(number)), DUE)
        expected += [letter.id for letter in await tell(register, numbered(number))]
    while letter := await register.first(ROOM):
        assert letter == await register.first(ROOM)
        assert await register.rooms() == [ROOM]
        sent.append(letter.id)
        await (register.dropped(letter, "archived") if len(sent) == 2 else register.sent(letter, f"{len(sent)}.0"))
    assert sent == expected
    assert await register.rooms() == []


async def test_one_sender_wins_a_letter(register: Register, clock: Clock) -> None:
    await register.add(watch(), baseline(watch()), DUE)
    await tell(register, watch())
    read = [await register.first(ROOM) for _ in range(2)]
    assert all(letter and letter.intent is None and letter.tries == 0 for letter in read)
    begun, late = [await register.sending(letter, clock.now) for letter in read if letter]
    assert begun
    assert late is None
    assert begun == await register.first(ROOM)
    assert (begun.intent, begun.tries) == (clock.now, 1)
    assert await register.sending(begun, clock.add(30))


async def test_who_was_too_slow_takes_back_no_intent_of_another(register: Register, clock: Clock) -> None:
    await register.add(watch(), baseline(watch()), DUE)
    (letter,) = await tell(register, watch())
    slow = await register.sending(letter, clock.now)
    assert slow
    other = await register.sending(slow, clock.add(30))
    await register.not_sent(slow, clock.now)
    assert other == await register.first(ROOM)


async def test_a_wait_is_never_shortened(register: Register, clock: Clock) -> None:
    await register.add(watch(), baseline(watch()), DUE)
    (letter,) = await tell(register, watch())
    begun = await register.sending(letter, clock.now)
    assert begun
    await register.not_sent(begun, clock.now + timedelta(seconds=30))
    await register.waits(letter, clock.now + timedelta(seconds=1))
    clock.add(29)
    assert await register.rooms() == []


async def test_a_room_that_must_wait_is_left_alone_until_then(register: Register, clock: Clock) -> None:
    await register.add(watch(), baseline(watch()), DUE)
    (letter,) = await tell(register, watch())
    begun = await register.sending(letter, clock.now)
    assert begun
    await register.not_sent(begun, clock.now + timedelta(seconds=30))
    assert await register.rooms() == []
    clock.add(30)
    assert await register.rooms() == [ROOM]
    waited = await register.first(ROOM)
    assert waited
    assert (waited.intent, waited.tries) == (None, 1)


async def test_letters_of_a_room_that_rested_need_not_wait_when_it_is_open_again(
    register: Register, clock: Clock
) -> None:
    await register.add(watch(), baseline(watch()), DUE)
    (letter,) = await tell(register, watch())
    await register.pause(ROOM)
    await register.waits(letter, clock.now + timedelta(hours=1))
    assert await register.rooms() == []
    await register.resume(ROOM)
    assert await register.rooms() == [ROOM]


async def test_a_room_that_waits_may_have_been_told_already(register: Register, clock: Clock) -> None:
    await register.add(watch(), baseline(watch()), DUE)
    (letter,) = await tell(register, watch())
    await register.sending(letter, clock.now)
    await register.waits(letter, clock.now + timedelta(seconds=11))
    assert await register.rooms() == []
    begun = clock.now
    clock.add(11)
    assert await register.rooms() == [ROOM]
    waited = await register.first(ROOM)
    assert waited
    assert (waited.intent, waited.tries) == (begun, 1)


async def test_a_thread_is_found_once_its_root_is_posted(register: Register) -> None:
    await register.add(watch(), baseline(watch()), DUE)
    (letter,) = await tell(register, watch())
    assert await register.thread(ROOM, letter.alert.thread) is None
    await register.sent(letter, "1700000000.000100")
    assert await register.thread(ROOM, letter.alert.thread) == "1700000000.000100"
    assert await register.thread(ELSEWHERE, letter.alert.thread) is None


async def test_the_server_tells_when_it_began_to_run(register: Register, clock: Clock) -> None:
    assert timedelta(0) <= clock.now - await register.restarted_at() < timedelta(hours=1)


async def test_a_store_that_is_away_is_one_sentence(redis_server: RedisServer, register: Register) -> None:
    await register.add(watch(), baseline(watch()), DUE)
    calls: Sequence[Awaitable[object]] = (
        register.add(watch(), baseline(watch()), DUE),
        register.of_room(ROOM),
        register.settings(ROOM),
        register.first(ROOM),
        register.rooms(),
    )
    redis_server.kill()
    try:
        for call in calls:
            with pytest.raises(StoreUnavailable, match="does not answer just now"):
                await call
    finally:
        redis_server.start()
    assert len(await register.of_room(ROOM)) == 1


async def test_what_a_person_does_is_in_the_history(register: Register, clock: Clock) -> None:
    told = watch()
    begun = baseline(told, "a+")
    await register.add(told, begun, DUE)
    clock.add(3600)
    muted = mute(begun, "Ada", clock() + timedelta(hours=8))
    assert await register.change(ROOM, told.id, muted, was=begun)
    clock.add(3600)
    assert await register.change(ROOM, told.id, unmute(muted), was=muted)
    history = await register.history(ROOM, told.id)
    assert [(span.since, span.until) for span in history.track("blocklist:a").spans] == [(T0, None)]
    assert [(span.until, span.by) for span in history.track("muted").spans] == [(clock(), "Ada")]
    assert await register.histories(ROOM) == {told.id: history}


async def test_a_change_that_came_too_late_is_not_in_the_history_either(register: Register, clock: Clock) -> None:
    told = watch()
    begun = baseline(told)
    await register.add(told, begun, DUE)
    assert await register.change(ROOM, told.id, mute(begun, "Ada", clock.add(3600)), was=begun)
    assert not await register.change(ROOM, told.id, mute(begun, "Bo", clock.add(3600)), was=begun)
    assert [span.by for span in (await register.history(ROOM, told.id)).track("muted").spans] == ["Ada"]


async def test_the_history_goes_with_its_watch(register: Register, redis: Redis) -> None:
    told, other = watch(), watch(domain="example.com")
    for one in (told, other):
        await register.add(one, baseline(one, "a+"), DUE)
    await register.remove(ROOM, told.id)
    assert list(await register.histories(ROOM)) == [other.id]
    await register.forget_room(ROOM)
    assert [key async for key in redis.scan_iter("mc1:history:*")] == []
