"""Watch commands: stored watches, posted messages and permissions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.models import CheckRequest, Report, Role, Verdict
from bot.monitoring.alert_state import initial_incident
from bot.monitoring.interfaces import MAX_WATCHES_PER_CHANNEL, ChannelSettings
from bot.monitoring.models import Channel, Follow, Watch
from bot.monitoring.repository import RedisRepository
from handlers.commands import VERBS, CommandRouter
from handlers.commands.watch_parser import EditOptions, WatchName, read_edit
from handlers.message import Card, Tone
from handlers.ports import ChannelUnavailable, ChatRequest, DeliveryUnknown
from tests.support.commands import build_commands
from tests.support.dns_world import World
from tests.support.fake_channel import FakeChannel
from tests.support.incident_stories import T0
from tests.support.memory_repository import InMemoryRepository
from tests.support.outbox_messages import messages_of_incident
from tests.support.reports import listing
from tests.support.stored_watches import CHANNEL, OTHER_CHANNEL, Clock, numbered_watch

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
class ChannelHarness:
    """A channel with its messages, the commands and the stored watches."""

    store: InMemoryRepository | RedisRepository
    platform: FakeChannel
    commands: CommandRouter
    clock: Clock
    listed: set[str]

    async def type(
        self, text: str, user: str = "U1", name: str = "ada", channel: Channel = CHANNEL, **flags: bool
    ) -> Card:
        """Acknowledge and answer a command, as a platform does."""
        request = ChatRequest(channel, user, VERBS.parse(text), name=name, **flags)
        ack = self.commands.acknowledge(request)
        return await self.commands.handle(request) if ack.needs_work else ack.card

    async def watches(self, channel: Channel = CHANNEL) -> list[Watch]:
        return [stored.watch for stored in await self.store.list_watches(channel)]

    async def open_incident(self, text: str = "203.0.113.5") -> str:
        """Add a watch with an open, notified incident; returns its id."""
        await self.type(f"watch {text}")
        (stored,) = await self.store.find(CHANNEL, text)
        opened = messages_of_incident(stored.watch)[0]
        assert await self.store.update_incident(CHANNEL, stored.watch.id, opened.incident, stored.incident)
        if isinstance(self.store, InMemoryRepository):
            root = await self.platform.post(CHANNEL, Card("listed"), key=opened.id)
            self.store.contents.threads[CHANNEL, opened.alert.thread_key] = root
        return stored.watch.id


@pytest_asyncio.fixture(params=["memory", "redis"])
async def channel(request: pytest.FixtureRequest, redis: Redis) -> AsyncIterator[ChannelHarness]:
    yield open_channel(request.param, redis)


def open_channel(storage: str, redis: Redis) -> ChannelHarness:
    clock = Clock(T0)
    store = InMemoryRepository(clock) if storage == "memory" else RedisRepository(redis, clock)
    platform = FakeChannel(clock)
    listed: set[str] = set()
    commands = build_commands(store, {"slack": platform}, clock, WORLD, listed)
    return ChannelHarness(store, platform, commands, clock, listed)


async def test_watch_is_stored_and_confirmed_without_an_alert(channel: ChannelHarness) -> None:
    channel.listed.add("203.0.113.5")
    answer = await channel.type('watch 203.0.113.5 example.com every 15m as client name "HQ egress"')
    [watch] = await channel.watches()
    assert (watch.subject, watch.interval, watch.role, watch.name, watch.created_by) == (
        "203.0.113.5 example.com",
        timedelta(minutes=15),
        Role.CLIENT,
        "HQ egress",
        "U1",
    )
    [confirmation] = channel.platform.posted
    assert confirmation.card.title == "Watching HQ egress (203.0.113.5 · example.com), every 15m"
    assert confirmation.card.lines[0].text == "Spamhaus ZEN says listed."
    assert answer.private
    assert await channel.store.ready_channels() == []


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
async def test_watch_accepts_addresses_ranges_and_domains(
    typed: str, subjects: list[str], channel: ChannelHarness
) -> None:
    await channel.type(typed)
    assert sorted(watch.subject for watch in await channel.watches()) == subjects


async def test_watch_addresses_lists_what_is_left_out(channel: ChannelHarness) -> None:
    await channel.type("watch example.com addresses")
    notes = [line.text for line in channel.platform.posted[0].card.lines]
    assert "198.51.0.0/16 holds too many addresses and is not watched." in notes
    assert "DNS did not answer about addresses of mx2.example.net, so there may be more addresses." in notes


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("watch", "Tell me what to watch"),
        ("watch 0.0.0.0/0", "holds more than 256 addresses"),
        ("watch ::/0", "holds more than 256 addresses"),
        ("watch 203.0.113.0/23", "holds more than 256 addresses"),
        ("watch 203.0.113.0/24 198.51.100.0/24", "up to 256 addresses at once"),
        ("watch 203.0.113.0/99", "is not a range"),
        ("watch 203.0.113.5 a.example b.example", "Give one domain"),
        ("watch 203.0.113.0/28 a.example b.example", "Give one domain"),
        ("watch 203.0.113.5 every 1s", "shortest interval of a watch is 5m: blocklists change more slowly than that"),
        ("watch 203.0.113.5 every -1h", "is not understood: write a length of time"),
        ("watch 203.0.113.5 every 30d", "longest interval of a watch is 2d"),
        ("watch 203.0.113.5 every", "needs a word after it"),
        ("watch 203.0.113.5 as king", "`as king` is not known"),
        ("watch 203.0.113.5 addresses", "goes with a domain alone"),
        ("watch 203.0.113.5 only spf", "`only blocklists`, or `only setup`"),
        ("settings follow nothing", "takes `all`, `lists` or `setup`"),
        ("watch nothing.example addresses", "No address to watch was found there"),
        ("unwatch", "Name a watch by its target or its id"),
        ("unwatch 0123456789", "“0123456789” is not watched in this channel"),
        ("ack 203.0.113.5", "“203.0.113.5” is not watched in this channel"),
        ("unmute <!channel>", "is not watched in this channel"),
        ("mute 203.0.113.5 -1h", "is not understood"),
        ("mute 203.0.113.5 24", "is not understood"),
        ("mute 203.0.113.5 0h", "is not possible"),
        ("mute 203.0.113.5 31d", "30 days at most"),
        ("settings updates loudly", "takes `thread`, `thread+broadcast` or `edit-only`"),
        ("settings lists there", "takes `here` or `off`"),
    ],
)
async def test_invalid_watch_command_is_refused_without_changes(
    typed: str, message: str, channel: ChannelHarness
) -> None:
    card = await channel.type(typed)
    assert message in card.title
    assert (card.private, card.tone, "\n" in card.title) == (True, Tone.WARN, False)
    assert await channel.watches() == []
    assert channel.platform.posted == []


async def test_default_interval_of_operator_may_be_shorter_than_limit(channel: ChannelHarness) -> None:
    quick = replace(
        channel.commands, watch_commands=replace(channel.commands.watch_commands, default_interval=timedelta(seconds=2))
    )
    channel.commands = quick
    assert "interval of a watch is 5m" in (await channel.type("watch 203.0.113.5 every 1s")).title
    await channel.type("watch 203.0.113.5 every 3s")
    assert [watch.interval for watch in await channel.watches()] == [timedelta(seconds=3)]


@pytest.mark.parametrize(
    ("typed", "kind"), [("10.0.0.5", "private"), ("10.0.0.0/24 example.com", "private"), ("::1", "loopback")]
)
async def test_special_purpose_address_is_not_watched(typed: str, kind: str, channel: ChannelHarness) -> None:
    strict = replace(channel.commands.watch_commands, allow_special=False)
    channel.commands = replace(channel.commands, watch_commands=strict)
    card = await channel.type(f"watch {typed}")
    assert kind in card.title
    assert card.title.endswith("Watch the public address that your mail leaves from.")
    assert await channel.watches() == []


@pytest.mark.parametrize(
    ("typed", "settings", "stored", "polled"),
    [
        ("watch example.com", "follow all", Follow.ALL, Follow.ALL),
        ("watch example.com only blocklists", "follow setup", Follow.LISTS, Follow.LISTS),
        ("watch example.com Only Setup every 2h", "follow all", Follow.SETUP, Follow.SETUP),
        ("watch example.com", "follow lists", Follow.ALL, Follow.LISTS),
    ],
)
async def test_new_watch_follows_its_own_choice_else_that_of_its_channel(
    typed: str, settings: str, stored: Follow, polled: Follow, channel: ChannelHarness
) -> None:
    watches: list[Watch] = []

    async def first_poll(watch: Watch) -> Sequence[Report]:
        watches.append(watch)
        return []

    commands = replace(channel.commands.watch_commands, first_poll=first_poll)
    channel.commands = replace(channel.commands, watch_commands=commands)
    await channel.type(f"settings {settings}")
    await channel.type(typed)
    assert [watch.follow for watch in await channel.watches()] == [stored]
    assert [watch.follow for watch in watches] == [polled]


async def test_watch_again_button_follows_the_same(channel: ChannelHarness) -> None:
    await channel.type("watch example.com only blocklists")
    assert channel.platform.posted[-1].card.footnote.endswith(" · as mta · only lists")
    card = await channel.type("unwatch example.com")
    await channel.type(card.buttons[0].command)
    assert [watch.follow for watch in await channel.watches()] == [Follow.LISTS]


async def test_only_of_a_watch_that_exists_changes_what_it_follows(channel: ChannelHarness) -> None:
    follows = []
    for words in ("", "only blocklists", "", "only setup", "only all"):
        await channel.type(f"watch example.com {words}")
        follows += [watch.follow for watch in await channel.watches()]
    assert follows == [Follow.ALL, Follow.LISTS, Follow.LISTS, Follow.SETUP, Follow.ALL]


async def test_unanswered_lists_of_the_first_poll_are_reported(channel: ChannelHarness) -> None:
    async def first_poll(watch: Watch) -> Sequence[Report]:
        unanswered = listing("Spamhaus ZEN", Verdict.UNKNOWN, "unknown", reason="timeout")
        clean = listing("Barracuda", Verdict.PASS, "not_listed")
        return [Report(CheckRequest(watch.targets[0]), T0, (unanswered, clean), 1, 1)]

    channel.commands = replace(
        channel.commands, watch_commands=replace(channel.commands.watch_commands, first_poll=first_poll)
    )
    await channel.type("watch 203.0.113.5")
    lines = [line.text for line in channel.platform.posted[0].card.lines]
    assert "1 of 2 blocklists gave no reliable answer; `lists` shows which." in lines


async def test_list_notices_go_to_one_channel_per_workspace(channel: ChannelHarness) -> None:
    for target_channel in (CHANNEL, OTHER_CHANNEL):
        card = await channel.type("settings lists here", channel=target_channel)
        assert "posted here, once" in str(card.facts)
    assert [
        (await channel.store.settings(target_channel)).list_notices for target_channel in (CHANNEL, OTHER_CHANNEL)
    ] == [False, True]
    await channel.type("settings lists off", channel=CHANNEL)
    assert (await channel.store.settings(OTHER_CHANNEL)).list_notices
    await channel.type("settings lists off", channel=OTHER_CHANNEL)
    assert not (await channel.store.settings(OTHER_CHANNEL)).list_notices


async def test_watch_over_the_channel_limit_is_refused(channel: ChannelHarness) -> None:
    for number in range(MAX_WATCHES_PER_CHANNEL):
        watch = numbered_watch(number)
        await channel.store.add(watch, initial_incident(watch.id, (), T0), T0)
    card = await channel.type("watch 203.0.113.5")
    assert card.title == "A channel has 50 watches at most; end some first, `watches` shows them."
    assert len(await channel.watches()) == MAX_WATCHES_PER_CHANNEL


async def test_interval_longer_than_requested_is_reported(channel: ChannelHarness) -> None:
    async def effective_interval(_watch: Watch) -> timedelta:
        return timedelta(hours=6)

    channel.commands = replace(
        channel.commands, watch_commands=replace(channel.commands.watch_commands, effective_interval=effective_interval)
    )
    await channel.type("watch 203.0.113.5 every 15m")
    card = channel.platform.posted[0].card
    assert card.title == "Watching 203.0.113.5, every 6h"
    assert any("Requested every 15m" in line.text for line in card.lines)


async def test_watch_in_unavailable_channel_is_not_stored(channel: ChannelHarness) -> None:
    def refuses(_call: str) -> None:
        raise ChannelUnavailable("not_in_channel")

    channel.platform.before = refuses
    card = await channel.type("watch 203.0.113.5")
    assert "not in this channel" in card.title
    assert "/invite" in card.step
    assert await channel.watches() == []


async def test_watch_with_lost_confirmation_is_stored(channel: ChannelHarness) -> None:
    def lost(_call: str) -> None:
        raise DeliveryUnknown("status 503")

    channel.platform.after = lost
    card = await channel.type("watch 203.0.113.5")
    assert card.private
    assert len(await channel.watches()) == 1


async def test_duplicate_watch_is_stored_once(channel: ChannelHarness) -> None:
    await channel.type("watch 203.0.113.5")
    await channel.type("watch 203.0.113.5")
    assert len(await channel.watches()) == 1
    assert channel.platform.titles()[1].startswith("Already watching")


@pytest.mark.parametrize("name", ["203.0.113.0/28", "203.0.113.7/28", "id", "HQ egress"])
async def test_unwatch_accepts_target_id_or_name(name: str, channel: ChannelHarness) -> None:
    await channel.type('watch 203.0.113.0/28 name "HQ egress"')
    [watch] = await channel.watches()
    card = await channel.type(f"unwatch {watch.id if name == 'id' else name}")
    assert card.title == "ada ended the watch of HQ egress (203.0.113.0/28)"
    assert not card.private
    assert await channel.watches() == []


@pytest.mark.parametrize("verb", ["unwatch", "mute", "unmute", "ack", "edit"])
async def test_watch_of_another_channel_is_not_found(verb: str, channel: ChannelHarness) -> None:
    await channel.type("watch 203.0.113.5", channel=OTHER_CHANNEL)
    [watch] = await channel.watches(OTHER_CHANNEL)
    for name in (watch.id, "203.0.113.5"):
        options = {"mute": " 1h", "edit": " every 6h"}.get(verb, "")
        assert "is not watched in this channel" in (await channel.type(f"{verb} {name}{options}")).title
    assert await channel.watches(OTHER_CHANNEL) == [watch]


async def test_mute_shows_user_and_end(channel: ChannelHarness) -> None:
    await channel.type("watch 203.0.113.5")
    card = await channel.type("mute 203.0.113.5 24h", user="U2", name="grace")
    assert card.title == "grace muted 203.0.113.5 until 25 Nov, 06:00 UTC"
    listed = await channel.type("watches")
    assert listed.table is not None
    assert "muted until 25 Nov, 06:00 UTC" in listed.table.rows[0][1]
    assert (await channel.type("unmute 203.0.113.5")).title == "ada unmuted 203.0.113.5"


@pytest.mark.parametrize("typed", ["mute 203.0.113.5", "mute 203.0.113.5 example.com"])
async def test_mute_without_duration_offers_choices(typed: str, channel: ChannelHarness) -> None:
    await channel.type(typed.replace("mute", "watch"))
    card = await channel.type(typed)
    [watch] = await channel.watches()
    assert [button.command for button in card.buttons] == [
        f"mute {watch.id} {n}" for n in ("1h", "8h", "24h", "7d", "30d")
    ]


async def test_acknowledgement_is_shown_on_root_and_made_once(channel: ChannelHarness) -> None:
    watch = await channel.open_incident()
    assert (await channel.type(f"ack {watch}")).title == "203.0.113.5: acknowledged by ada"
    again = await channel.type(f"ack {watch}", user="U2", name="grace")
    assert again.title == "203.0.113.5 was acknowledged by ada already."
    if isinstance(channel.store, InMemoryRepository):
        root = channel.platform.posted[-1].card
        assert "Acknowledge" not in [button.label for button in root.buttons]
        assert "by ada" in str(root.facts)


async def test_unwatch_during_an_incident_ends_its_root(channel: ChannelHarness) -> None:
    watch = await channel.open_incident()
    await channel.type(f"unwatch {watch}")
    if isinstance(channel.store, InMemoryRepository):
        root = channel.platform.posted[-1].card
        assert (root.title, root.buttons) == ("203.0.113.5: watch removed by ada", ())


async def test_listing_known_from_the_start_can_be_acknowledged(channel: ChannelHarness) -> None:
    channel.listed.add("203.0.113.5")
    await channel.type("watch 203.0.113.5")
    assert (await channel.type("ack 203.0.113.5")).title == "203.0.113.5: acknowledged by ada"
    listed = await channel.type("watches")
    assert listed.table is not None
    assert "known when the watch began: " in listed.table.rows[0][1]
    assert "acknowledged" in listed.table.rows[0][1]


async def test_ack_without_open_incident_is_refused(channel: ChannelHarness) -> None:
    await channel.type("watch 203.0.113.5")
    assert "Nothing is open" in (await channel.type("ack 203.0.113.5")).title


@pytest.mark.parametrize("verb", ["unwatch {}", "mute {} 1h", "unmute {}"])
async def test_restricted_channel_allows_only_creator_to_change_watch(verb: str, channel: ChannelHarness) -> None:
    await channel.type("watch 203.0.113.5")
    await channel.type("settings restrict on")
    refused = await channel.type(verb.format("203.0.113.5"), user="U2")
    assert "only the creator of a watch" in refused.title
    assert len(await channel.watches()) == 1
    assert (await channel.type(verb.format("203.0.113.5"))).tone is not Tone.WARN


async def test_any_member_can_turn_restrict_off(channel: ChannelHarness) -> None:
    await channel.type("watch 203.0.113.5")
    await channel.type("settings restrict on")
    announced = await channel.type("settings restrict off", user="U2", name="grace")
    assert (announced.title, announced.private) == ("grace changed the settings of this channel", False)
    assert (await channel.type("unwatch 203.0.113.5", user="U2", name="grace")).title.startswith("grace ended")


@pytest.mark.parametrize(
    "verb", ["watch {0}", "unwatch {0}", "mute {0} 1h", "unmute {0}", "ack {0}", "settings restrict on"]
)
async def test_external_user_can_read_but_not_change(verb: str, channel: ChannelHarness) -> None:
    await channel.type("watch 203.0.113.5")
    card = await channel.type(verb.format("203.0.113.5"), user="U9", is_external=True)
    assert card.title.startswith("You are from another workspace")
    for allowed in ("watches", "settings", "check 203.0.113.5"):
        assert not (await channel.type(allowed, user="U9", is_external=True)).title.startswith("You are")
    assert await channel.store.settings(CHANNEL) == ChannelSettings()


async def test_settings_change_is_stored_and_public(channel: ChannelHarness) -> None:
    assert (await channel.type("settings")).private
    changed = await channel.type("settings updates thread+broadcast")
    assert (changed.title, changed.private) == ("ada changed the settings of this channel", False)
    await channel.type("settings reminder off")
    assert await channel.store.settings(CHANNEL) == ChannelSettings(update_mode="thread+broadcast", reminders=False)


async def test_every_change_is_audited(redis: Redis) -> None:
    channel = open_channel("memory", redis)
    assert isinstance(channel.store, InMemoryRepository)
    await channel.open_incident()
    for typed in ("ack {}", "mute {} 1h", "unmute {}", "settings reminder off", "edit {} every 6h", "unwatch {}"):
        await channel.type(typed.format("203.0.113.5"))
    notes = channel.store.contents.audit_lines
    assert [note[2] for note in notes] == ["watch", "ack", "mute", "unmute", "settings", "edit", "unwatch"]
    assert {note[1] for note in notes} == {"U1"}
    assert notes[4][3:] == (
        "updates=thread reminder=on restrict=off lists=off digest=off follow=all",
        "updates=thread reminder=off restrict=off lists=off digest=off follow=all",
    )


async def test_rejoined_channel_gets_card_only_if_watches_were_paused(channel: ChannelHarness) -> None:
    assert await channel.commands.on_channel_joined(CHANNEL) is None
    await channel.type("watch 203.0.113.5")
    await channel.store.pause_channel(CHANNEL)
    card = await channel.commands.on_channel_joined(CHANNEL)
    assert card is not None
    assert card.title == "The watches of this channel are resumed"


@pytest.mark.parametrize(
    ("typed", "resumed"),
    [("watches", True), ("settings", True), ("check 203.0.113.5", True), ("mute nothing-here 1h", False)],
)
async def test_paused_channel_resumes_on_any_command_that_succeeds(
    channel: ChannelHarness, typed: str, resumed: bool
) -> None:
    await channel.type("watch 203.0.113.5")
    await channel.store.pause_channel(CHANNEL)
    card = await channel.type(typed)
    assert ("go on now" in card.footnote) is resumed
    again = await channel.type("watches")
    assert ("go on now" in again.footnote) is not resumed


async def test_uninstall_purges_the_workspace(channel: ChannelHarness) -> None:
    await channel.type("watch 203.0.113.5")
    await channel.commands.on_uninstalled("slack", CHANNEL.workspace)
    assert await channel.watches() == []


async def test_watch_from_terminal_is_refused(channel: ChannelHarness) -> None:
    card = await channel.type("watch 203.0.113.5", channel=Channel("terminal", "local", "local"))
    assert card.title.startswith("There is no channel here to alert")


async def test_watch_name_is_sanitized_without_mentions(channel: ChannelHarness) -> None:
    await channel.type('watch 203.0.113.5 name "<!channel> \u202eevil"')
    assert [watch.name for watch in await channel.watches()] == ["<!channel> evil"]


@pytest.mark.parametrize(
    "line",
    [
        "mute 203.0.113.5 24h",
        "unmute example.com",
        'history "hq EGRESS" 7d',
        "history 203.0.113.5 30d",
        "unwatch example.com",
    ],
)
async def test_verb_finds_a_watch_by_address_domain_or_name(channel: ChannelHarness, line: str) -> None:
    await channel.type('watch 203.0.113.5 example.com name "HQ egress"')
    card = await channel.type(line)
    assert "is not watched" not in card.title
    assert "HQ egress" in card.title


@pytest.mark.parametrize(
    ("typed", "changes", "fact"),
    [
        ("every 15m", {"interval": timedelta(minutes=15)}, "15m (was 1h)"),
        ("name Paris", {"name": "Paris"}, "Paris (was HQ egress)"),
        ('name ""', {"name": ""}, "none (was HQ egress)"),
        ("as client", {"role": Role.CLIENT, "first_role": Role.MTA}, "client (was mta)"),
        ("only blocklists", {"follow": Follow.LISTS}, "blocklists only (was blocklists and mail setup)"),
    ],
)
async def test_edit_changes_a_watch_with_its_incident_and_history(
    typed: str, changes: dict[str, Any], fact: str, channel: ChannelHarness
) -> None:
    watch_id = await channel.open_incident("203.0.113.5 example.com")
    await channel.type("edit 203.0.113.5 name HQ egress")
    (before,) = await channel.store.list_watches(CHANNEL)
    history = await channel.store.history(CHANNEL, watch_id)
    card = await channel.type(f"edit hq egress {typed}", user="U2", name="grace")
    (after,) = await channel.store.list_watches(CHANNEL)
    assert after.watch == replace(before.watch, **changes)
    assert (after.watch.id, after.incident) == (watch_id, before.incident)
    assert history.tracks
    assert await channel.store.history(CHANNEL, watch_id) == history
    assert card.title.startswith("grace changed the watch of ")
    assert [item.value for item in card.facts] == [fact]
    assert not card.private


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("edit", "Name a watch by its target or its id"),
        ("edit 203.0.113.5", "Say what to change"),
        ("edit every 15m", "Name a watch by its target or its id"),
        ("edit 203.0.113.5 every 1s", "shortest interval of a watch is 5m"),
        ("edit 203.0.113.5 every", "needs a word after it"),
        ("edit 203.0.113.5 as king", "`as king` is not known"),
        ("edit 203.0.113.5 only good", "After `only` goes what to watch"),
        ("edit 203.0.113.5 every 1h", "is like that already"),
        ("edit 198.51.100.7 every 15m", "is not watched in this channel"),
    ],
)
async def test_invalid_edit_is_refused_without_changes(typed: str, message: str, channel: ChannelHarness) -> None:
    await channel.type("watch 203.0.113.5 every 1h")
    before = await channel.watches()
    card = await channel.type(typed)
    assert message in card.title
    assert (card.private, card.tone) == (True, Tone.WARN)
    assert await channel.watches() == before


async def test_edit_in_a_restricted_channel_is_for_the_creator(channel: ChannelHarness) -> None:
    await channel.type("watch 203.0.113.5")
    await channel.type("settings restrict on")
    refused = await channel.type("edit 203.0.113.5 every 15m", user="U2")
    assert "only the creator of a watch may end, mute or edit it" in refused.title
    assert "changed the watch" in (await channel.type("edit 203.0.113.5 every 15m")).title


async def test_watch_with_another_role_since_is_not_added_twice(channel: ChannelHarness) -> None:
    await channel.type("watch 203.0.113.5")
    await channel.type("edit 203.0.113.5 as client")
    await channel.type("watch 203.0.113.5 as client")
    assert channel.platform.titles()[-1].startswith("Already watching")
    [watch] = await channel.watches()
    refused = await channel.type("watch 203.0.113.5")
    assert refused.title == f"203.0.113.5 is watched as client now; `edit {watch.id} as mta` changes that."
    await channel.type(f"edit {watch.id} as mta")
    [restored] = await channel.watches()
    assert restored == replace(watch, role=Role.MTA, first_role=None)


async def test_edit_into_the_role_of_another_watch_is_refused(channel: ChannelHarness) -> None:
    await channel.type("watch 203.0.113.5")
    await channel.type("watch 203.0.113.5 as client")
    watches = await channel.watches()
    client = next(watch for watch in watches if watch.role is Role.CLIENT)
    choice = await channel.type("edit 203.0.113.5 as client")
    cards = [await channel.type(button.command) for button in choice.buttons]
    assert sorted(card.title for card in cards) == [
        "203.0.113.5 is like that already; nothing was changed.",
        f"203.0.113.5 is watched as client already (id {client.id}); end one of the two with `unwatch`.",
    ]
    assert await channel.watches() == watches


async def test_watch_in_another_role_is_polled_at_once(redis: Redis) -> None:
    channel = open_channel("redis", redis)
    assert isinstance(channel.store, RedisRepository)
    await channel.type("watch 203.0.113.5 example.com")
    await channel.type("edit 203.0.113.5 as client")
    [claimed] = await channel.store.watches.claim(channel.clock().timestamp(), (60.0, 300.0), 10)
    [row] = claimed.watches
    assert (claimed.target, row.id) == ("client 203.0.113.5 example.com", (await channel.watches())[0].id)


@given(
    st.builds(
        EditOptions,
        st.just(WatchName("203.0.113.5", "203.0.113.5")),
        st.none() | st.integers(1, 172_800).map(lambda seconds: timedelta(seconds=seconds)),
        st.none() | st.sampled_from(Role),
        st.none() | st.sampled_from(Follow),
        st.none() | st.sampled_from(["", "Paris", "HQ egress", "every day as usual"]),
    ).filter(lambda edit: edit.options)
)
def test_options_of_edit_are_read_back(edit: EditOptions) -> None:
    assert read_edit(f"203.0.113.5 {edit.options}") == edit


@pytest.mark.parametrize(
    ("typed", "options"),
    [
        ("unwatch example.com", ""),
        ("mute example.com 36h", " 1d12h"),
        ("mute example.com", ""),
        ("unmute example.com", ""),
        ("ack example.com", ""),
        ("history example.com", " 30d"),
        ("history example.com all", " all"),
        ("edit example.com as client every 90m", " every 1h30m as client"),
    ],
)
async def test_name_of_several_watches_offers_a_button_each(typed: str, options: str, channel: ChannelHarness) -> None:
    await channel.type("watch 203.0.113.5 example.com")
    await channel.type("watch 203.0.113.9 example.com")
    card = await channel.type(typed)
    assert card.title == "“example.com” is in 2 watches: which one?"
    assert card.private
    watches = await channel.watches()
    verb = typed.partition(" ")[0]
    assert [(button.label, button.command) for button in card.buttons] == [
        (f"{watch.network[0]} · example.com", f"{verb} {watch.id}{options}") for watch in watches if watch.network
    ]
    assert card.table is not None
    assert [row[-1] for row in card.table.rows] == [watch.id for watch in watches]
    assert watches[0].id in card.step


async def test_button_of_a_watch_does_what_was_typed(channel: ChannelHarness) -> None:
    await channel.type("watch 203.0.113.5 example.com")
    await channel.type("watch 203.0.113.5 example.com as client")
    choice = await channel.type("mute example.com 36h")
    assert [button.label.rpartition(" as ")[2] for button in choice.buttons] == ["mta", "client"]
    card = await channel.type(choice.buttons[1].command)
    assert card.title == "ada muted 203.0.113.5 · example.com until 25 Nov, 18:00 UTC"
    muted = [stored.watch.role for stored in await channel.store.list_watches(CHANNEL) if stored.incident.muted]
    assert muted == [Role.CLIENT]


async def test_many_matches_are_listed_with_few_buttons(channel: ChannelHarness) -> None:
    await channel.type(" ".join(["watch", *(f"203.0.113.{n}" for n in range(8)), "example.com"]))
    card = await channel.type("unwatch example.com")
    assert card.table is not None
    assert (len(card.buttons), len(card.table.rows)) == (5, 8)
    assert len(await channel.watches()) == 8
