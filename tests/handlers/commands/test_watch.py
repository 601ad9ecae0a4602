"""Verbs about watches: what is kept, what is said, and who may change what."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from bot.models import Order, Report, Role, Verdict
from bot.monitoring.alert_state import begin
from bot.monitoring.interfaces import MOST_IN_A_ROOM, RoomSettings
from bot.monitoring.models import Room, Watch
from bot.monitoring.repository import Register
from handlers.commands import Commands
from handlers.message import Card, Tone
from handlers.ports import Ask, RoomGone, Unsure
from tests.support.commands import verbs
from tests.support.dns_world import World
from tests.support.fake_channel import RoomOfPeople
from tests.support.incident_stories import T0
from tests.support.memory_repository import KeptInMemory
from tests.support.outbox_messages import story
from tests.support.reports import listing
from tests.support.stored_watches import ELSEWHERE, ROOM, Clock, numbered

WORLD = World(
    {
        "example.com": {
            "MX": ["10 mx.example.com", "20 mx2.example.net"],
            "TXT": ["v=spf1 ip4:192.0.2.0/28 ip4:198.51.0.0/16 include:_spf.example.net -all"],
        },
        "mx.example.com": {"A": ["192.0.2.5"], "AAAA": ["2001:db8::25"]},
        "mx2.example.net": {"A": "timeout", "AAAA": []},
        "host.example.com": {"A": ["192.0.2.77"]},
    }
)


@dataclass
class Channel:
    """A channel with people, and the verbs."""

    kept: KeptInMemory | Register
    people: RoomOfPeople
    commands: Commands
    clock: Clock
    listed: set[str]

    async def type(self, text: str, user: str = "U1", name: str = "ada", room: Room = ROOM, **who: bool) -> Card:
        return await self.commands.answer(Ask(room, user, text, name=name, **who))

    async def watches(self, room: Room = ROOM) -> list[Watch]:
        return [kept.watch for kept in await self.kept.of_room(room)]

    async def open_incident(self, text: str = "203.0.113.5") -> str:
        """A watch of which an incident is open and told of; its id."""
        await self.type(f"watch {text}")
        kept = await self.kept.find(ROOM, text)
        assert kept is not None
        opened = story(kept.watch)[0]
        assert await self.kept.change(ROOM, kept.watch.id, opened.incident, kept.incident)
        if isinstance(self.kept, KeptInMemory):
            root = await self.people.post(ROOM, Card("listed"), key=opened.id)
            self.kept.held.threads[ROOM, opened.alert.thread] = root
        return kept.watch.id


@pytest_asyncio.fixture(params=["memory", "redis"])
async def channel(request: pytest.FixtureRequest, redis: Redis) -> AsyncIterator[Channel]:
    yield made(request.param, redis)


def made(where: str, redis: Redis) -> Channel:
    clock = Clock(T0)
    kept = KeptInMemory(clock) if where == "memory" else Register(redis, clock)
    people = RoomOfPeople(clock)
    listed: set[str] = set()
    commands = verbs(kept, {"slack": people}, clock, WORLD, listed)
    return Channel(kept, people, commands, clock, listed)


async def test_a_watch_is_kept_said_in_the_channel_and_its_first_look_is_silent(channel: Channel) -> None:
    channel.listed.add("203.0.113.5")
    answer = await channel.type('watch 203.0.113.5 example.com every 15m as client name "HQ egress"')
    [watch] = await channel.watches()
    assert (watch.subject, watch.every, watch.role, watch.name, watch.by) == (
        "203.0.113.5 example.com",
        timedelta(minutes=15),
        Role.CLIENT,
        "HQ egress",
        "U1",
    )
    [said] = channel.people.said
    assert said.card.title == "Watching HQ egress (203.0.113.5 · example.com), every 15m"
    assert said.card.lines[0].text == "Spamhaus ZEN says listed."
    assert answer.private
    assert await channel.kept.rooms() == []


@pytest.mark.parametrize(
    ("typed", "subjects"),
    [
        ("watch 203.0.113.7/28", ["203.0.113.0/28"]),
        ("watch 2001:db8::/124 example.com", ["2001:db8::/124 example.com"]),
        ("watch 203.0.113.0/24", ["203.0.113.0/24"]),
        ("watch example.com example.net", ["example.com", "example.net"]),
        ("watch 203.0.113.5 203.0.113.6", ["203.0.113.5", "203.0.113.6"]),
        ("watch https://example.com/path", ["example.com"]),
        ("watch host.example.com addresses", ["192.0.2.77 host.example.com"]),
        ("watch example.com addresses", ["192.0.2.0/28 example.com", "2001:db8::25 example.com"]),
    ],
)
async def test_what_can_be_watched(typed: str, subjects: list[str], channel: Channel) -> None:
    await channel.type(typed)
    assert sorted(watch.subject for watch in await channel.watches()) == subjects


async def test_addresses_that_are_not_watched_are_named(channel: Channel) -> None:
    await channel.type("watch example.com addresses")
    notes = [line.text for line in channel.people.said[0].card.lines]
    assert "198.51.0.0/16 holds too many addresses and is not watched." in notes
    assert "DNS did not answer about addresses of mx2.example.net, so there may be more addresses." in notes


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("watch", "Tell me what to check"),
        ("watch 0.0.0.0/0", "holds more than 256 addresses"),
        ("watch ::/0", "holds more than 256 addresses"),
        ("watch 203.0.113.0/23", "holds more than 256 addresses"),
        ("watch 203.0.113.0/24 198.51.100.0/24", "up to 256 addresses at once"),
        ("watch 203.0.113.0/99", "is not a range"),
        ("watch 203.0.113.5 a.example b.example", "Give one domain"),
        ("watch 203.0.113.0/28 a.example b.example", "Give one domain"),
        ("watch 203.0.113.5 every 1s", "at most every 5m: lists change more slowly than that"),
        ("watch 203.0.113.5 every -1h", "is not understood: write a length of time"),
        ("watch 203.0.113.5 every 30d", "at least every 2d"),
        ("watch 203.0.113.5 every", "needs a word after it"),
        ("watch 203.0.113.5 as king", "`as king` is not known"),
        ("watch 203.0.113.5 addresses", "goes with a domain alone"),
        ("watch nothing.example addresses", "No address to watch was found there"),
        ("unwatch", "Name a watch by its target or its id"),
        ("unwatch 0123456789", "“0123456789” is not watched in this channel"),
        ("ack 203.0.113.5", "“203.0.113.5” is not watched in this channel"),
        ("unmute <!channel>", "is not watched in this channel"),
        ("mute 203.0.113.5 -1h", "is not understood"),
        ("mute 203.0.113.5 24", "is not understood"),
        ("mute 203.0.113.5 0h", "is not possible"),
        ("mute 203.0.113.5 31d", "30 days at most"),
        ("settings updates loudly", "is no setting"),
        ("settings lists there", "is no setting"),
    ],
)
async def test_bad_input_is_one_sentence_and_changes_nothing(typed: str, said: str, channel: Channel) -> None:
    card = await channel.type(typed)
    assert said in card.title
    assert (card.private, card.tone, "\n" in card.title) == (True, Tone.WARN, False)
    assert await channel.watches() == []
    assert channel.people.said == []


async def test_the_environment_may_allow_what_people_may_not(channel: Channel) -> None:
    quick = replace(channel.commands, watching=replace(channel.commands.watching, usual=timedelta(seconds=2)))
    channel.commands = quick
    assert "at most every 5m" in (await channel.type("watch 203.0.113.5 every 1s")).title
    await channel.type("watch 203.0.113.5 every 3s")
    assert [watch.every for watch in await channel.watches()] == [timedelta(seconds=3)]


@pytest.mark.parametrize(
    ("typed", "kind"), [("10.0.0.5", "private"), ("10.0.0.0/24 example.com", "private"), ("::1", "loopback")]
)
async def test_what_no_list_can_know_is_not_watched(typed: str, kind: str, channel: Channel) -> None:
    strict = replace(channel.commands.watching, special_allowed=False)
    channel.commands = replace(channel.commands, watching=strict)
    card = await channel.type(f"watch {typed}")
    assert kind in card.title
    assert card.title.endswith("Watch the public address that your mail leaves from.")
    assert await channel.watches() == []


async def test_lists_that_were_silent_at_the_first_look_are_not_called_clean(channel: Channel) -> None:
    async def look(watch: Watch) -> Sequence[Report]:
        silent = listing("Spamhaus ZEN", Verdict.UNKNOWN, "unknown", reason="timeout")
        clean = listing("Barracuda", Verdict.PASS, "not_listed")
        return [Report(Order(watch.targets[0]), T0, (silent, clean), 1, 1)]

    channel.commands = replace(channel.commands, watching=replace(channel.commands.watching, look=look))
    await channel.type("watch 203.0.113.5")
    said = [line.text for line in channel.people.said[0].card.lines]
    assert "1 of 2 blocklists gave no answer that can be believed; `lists` shows which." in said


async def test_of_lists_that_are_broken_one_channel_hears(channel: Channel) -> None:
    for room in (ROOM, ELSEWHERE):
        card = await channel.type("settings lists here", room=room)
        assert "told here, once" in str(card.facts)
    assert [(await channel.kept.settings(room)).lists for room in (ROOM, ELSEWHERE)] == [False, True]
    await channel.type("settings lists off", room=ROOM)
    assert (await channel.kept.settings(ELSEWHERE)).lists
    await channel.type("settings lists off", room=ELSEWHERE)
    assert not (await channel.kept.settings(ELSEWHERE)).lists


async def test_the_51st_watch_is_refused_before_anything_is_asked(channel: Channel) -> None:
    for number in range(MOST_IN_A_ROOM):
        watch = numbered(number)
        await channel.kept.add(watch, begin(watch.id, (), T0), T0)
    card = await channel.type("watch 203.0.113.5")
    assert card.title == "A channel has 50 watches at most; end some first, `watches` shows them."
    assert len(await channel.watches()) == MOST_IN_A_ROOM


async def test_a_longer_interval_than_wished_is_said(channel: Channel) -> None:
    async def granted(_watch: Watch) -> timedelta:
        return timedelta(hours=6)

    channel.commands = replace(channel.commands, watching=replace(channel.commands.watching, granted=granted))
    await channel.type("watch 203.0.113.5 every 15m")
    card = channel.people.said[0].card
    assert card.title == "Watching 203.0.113.5, every 6h"
    assert any("You asked for every 15m" in line.text for line in card.lines)


async def test_where_the_bot_is_no_member_nothing_is_kept(channel: Channel) -> None:
    def refuses(_call: str) -> None:
        raise RoomGone("not_in_channel")

    channel.people.before = refuses
    card = await channel.type("watch 203.0.113.5")
    assert "not in this channel" in card.title
    assert "/invite" in card.step
    assert await channel.watches() == []


async def test_a_confirmation_that_is_lost_does_not_lose_the_watch(channel: Channel) -> None:
    def lost(_call: str) -> None:
        raise Unsure("status 503")

    channel.people.after = lost
    card = await channel.type("watch 203.0.113.5")
    assert card.private
    assert len(await channel.watches()) == 1


async def test_a_watch_asked_for_twice_is_one(channel: Channel) -> None:
    await channel.type("watch 203.0.113.5")
    await channel.type("watch 203.0.113.5")
    assert len(await channel.watches()) == 1
    assert channel.people.titles()[1].startswith("Already watching")


@pytest.mark.parametrize("name", ["203.0.113.0/28", "203.0.113.7/28", "id", "HQ egress"])
async def test_a_watch_is_ended_by_target_id_or_name(name: str, channel: Channel) -> None:
    await channel.type('watch 203.0.113.0/28 name "HQ egress"')
    [watch] = await channel.watches()
    card = await channel.type(f"unwatch {watch.id if name == 'id' else name}")
    assert card.title == "ada ended the watch of HQ egress (203.0.113.0/28)"
    assert not card.private
    assert await channel.watches() == []


@pytest.mark.parametrize("verb", ["unwatch", "mute", "unmute", "ack"])
async def test_a_watch_of_another_channel_does_not_exist(verb: str, channel: Channel) -> None:
    await channel.type("watch 203.0.113.5", room=ELSEWHERE)
    [watch] = await channel.watches(ELSEWHERE)
    for name in (watch.id, "203.0.113.5"):
        more = " 1h" if verb == "mute" else ""
        assert "is not watched in this channel" in (await channel.type(f"{verb} {name}{more}")).title
    assert await channel.watches(ELSEWHERE) == [watch]


async def test_a_mute_names_its_maker_and_its_end(channel: Channel) -> None:
    await channel.type("watch 203.0.113.5")
    card = await channel.type("mute 203.0.113.5 24h", user="U2", name="grace")
    assert card.title == "grace muted 203.0.113.5 until 25 Nov, 06:00 UTC"
    listed = await channel.type("watches")
    assert listed.table is not None
    assert "muted until 25 Nov, 06:00 UTC" in listed.table.rows[0][1]
    assert (await channel.type("unmute 203.0.113.5")).title == "ada unmuted 203.0.113.5"


@pytest.mark.parametrize("typed", ["mute 203.0.113.5", "mute 203.0.113.5 example.com"])
async def test_a_mute_without_a_length_asks_for_it(typed: str, channel: Channel) -> None:
    await channel.type(typed.replace("mute", "watch"))
    card = await channel.type(typed)
    [watch] = await channel.watches()
    assert [button.command for button in card.buttons] == [
        f"mute {watch.id} {n}" for n in ("1h", "8h", "24h", "7d", "30d")
    ]


async def test_who_takes_it_in_hand_is_named_once_and_shown_on_the_root(channel: Channel) -> None:
    watch = await channel.open_incident()
    assert (await channel.type(f"ack {watch}")).title == "ada has 203.0.113.5 in hand"
    again = await channel.type(f"ack {watch}", user="U2", name="grace")
    assert again.title == "203.0.113.5 was acknowledged by ada already."
    if isinstance(channel.kept, KeptInMemory):
        root = channel.people.said[-1].card
        assert "Acknowledge" not in [button.label for button in root.buttons]
        assert "by ada" in str(root.facts)


async def test_where_nothing_is_open_there_is_nothing_to_acknowledge(channel: Channel) -> None:
    await channel.type("watch 203.0.113.5")
    assert "Nothing is open" in (await channel.type("ack 203.0.113.5")).title


@pytest.mark.parametrize("verb", ["unwatch {}", "mute {} 1h", "unmute {}"])
async def test_a_restricted_channel_lets_only_the_maker_end_or_mute(verb: str, channel: Channel) -> None:
    await channel.type("watch 203.0.113.5")
    await channel.type("settings restrict on")
    refused = await channel.type(verb.format("203.0.113.5"), user="U2")
    assert "only the one who made a watch" in refused.title
    assert len(await channel.watches()) == 1
    assert (await channel.type(verb.format("203.0.113.5"))).tone is not Tone.WARN


async def test_a_rule_of_someone_who_left_locks_nobody_in(channel: Channel) -> None:
    await channel.type("watch 203.0.113.5")
    await channel.type("settings restrict on")
    announced = await channel.type("settings restrict off", user="U2", name="grace")
    assert (announced.title, announced.private) == ("grace changed the settings of this channel", False)
    assert (await channel.type("unwatch 203.0.113.5", user="U2", name="grace")).title.startswith("grace ended")


@pytest.mark.parametrize(
    "verb", ["watch {0}", "unwatch {0}", "mute {0} 1h", "unmute {0}", "ack {0}", "settings restrict on"]
)
async def test_strangers_of_a_shared_channel_look_and_change_nothing(verb: str, channel: Channel) -> None:
    await channel.type("watch 203.0.113.5")
    card = await channel.type(verb.format("203.0.113.5"), user="U9", stranger=True)
    assert card.title.startswith("You are from another workspace")
    for allowed in ("watches", "settings", "check 203.0.113.5"):
        assert not (await channel.type(allowed, user="U9", stranger=True)).title.startswith("You are")
    assert await channel.kept.settings(ROOM) == RoomSettings()


async def test_settings_are_shown_changed_and_announced(channel: Channel) -> None:
    assert (await channel.type("settings")).private
    changed = await channel.type("settings updates thread+broadcast")
    assert (changed.title, changed.private) == ("ada changed the settings of this channel", False)
    await channel.type("settings reminder off")
    assert await channel.kept.settings(ROOM) == RoomSettings(updates="thread+broadcast", reminder=False)


async def test_each_change_leaves_a_note(redis: Redis) -> None:
    channel = made("memory", redis)
    assert isinstance(channel.kept, KeptInMemory)
    await channel.open_incident()
    for typed in ("ack {}", "mute {} 1h", "unmute {}", "settings reminder off", "unwatch {}"):
        await channel.type(typed.format("203.0.113.5"))
    notes = channel.kept.held.notes
    assert [note[2] for note in notes] == ["watch", "ack", "mute", "unmute", "settings", "unwatch"]
    assert {note[1] for note in notes} == {"U1"}


async def test_coming_back_into_a_channel_is_worth_a_word_only_where_something_rested(channel: Channel) -> None:
    assert await channel.commands.rejoined(ROOM) is None
    await channel.type("watch 203.0.113.5")
    await channel.kept.pause(ROOM)
    card = await channel.commands.rejoined(ROOM)
    assert card is not None
    assert card.title == "The watches of this channel go on"


async def test_a_workspace_that_removes_the_bot_leaves_nothing(channel: Channel) -> None:
    await channel.type("watch 203.0.113.5")
    await channel.commands.removed("slack", ROOM.space)
    assert await channel.watches() == []


async def test_a_terminal_cannot_be_alerted(channel: Channel) -> None:
    card = await channel.type("watch 203.0.113.5", room=Room("terminal", "local", "local"))
    assert card.title.startswith("There is no channel here to alert")


async def test_a_name_is_text_and_calls_nobody(channel: Channel) -> None:
    await channel.type('watch 203.0.113.5 name "<!channel> \u202eevil"')
    assert [watch.name for watch in await channel.watches()] == ["<!channel> evil"]
