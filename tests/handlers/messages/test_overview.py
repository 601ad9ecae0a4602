"""How everything is at one look: what is said of it, and how it is gathered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bot.models import ServerHealth, Verdict
from bot.monitoring.alert_state import acknowledge, begin, mute
from bot.monitoring.dnsbl_quarantine import ListHealth, ListMemory, Used
from bot.monitoring.interfaces import Kept
from bot.monitoring.models import Room
from bot.monitoring.repository import Register
from bot.storage import StoreUnavailable
from handlers.commands.overview import LISTS_KEPT_S, Lately, Overviews
from handlers.message import Tone
from handlers.messages import ListRow
from handlers.messages.overview import (
    Overview,
    Section,
    Watched,
    budgets_section,
    lists_section,
    resolver_section,
    watched_sections,
)
from tests.support.incident_stories import T0
from tests.support.outbox_messages import story
from tests.support.stored_watches import ELSEWHERE, ROOM, Clock, numbered, watch

NOW = T0 + timedelta(hours=1)
NAMES = {"spamhaus-zen": "Spamhaus ZEN", "kempt": "Kempt"}
GOOD: Sequence[ListRow] = (("Spamhaus ZEN", Verdict.PASS, "", 12), ("Kempt", Verdict.PASS, "", 30))


def quiet(number: int = 5, room: Room = ROOM) -> Kept:
    one = replace(numbered(number), room=room)
    return Kept(one, begin(one.id, (), T0), NOW + timedelta(minutes=10), one.every)


def listed(number: int = 7) -> Kept:
    one = numbered(number)
    return Kept(one, story(one)[0].incident, NOW, one.every)


def muted(number: int = 9, hours: int = 5) -> Kept:
    one = quiet(number)
    return replace(one, incident=mute(one.incident, "ada", T0 + timedelta(hours=hours)))


def said(sections: Sequence[Section]) -> dict[str, str]:
    """Every text of every section, by title."""
    return {section.title: " | ".join(map(str, section.cards)) for section in sections}


def cards_of(kept: Sequence[Kept], channel: str = "#mail") -> dict[str, str]:
    return said(watched_sections([Watched(one, channel) for one in kept], NOW))


def test_where_nothing_is_watched_it_says_how_to_begin() -> None:
    sections = cards_of(())
    assert "No incident is open" in sections["Incidents"]
    assert "Type `watch 203.0.113.5 example.com` in a channel" in sections["Watches"]
    assert "Nothing is muted" in sections["Mutes"]


def test_an_open_incident_says_what_is_wrong_since_when_where_and_whose_it_is() -> None:
    one = listed()
    assert one.incident.opened
    sections = cards_of([one, quiet()])
    assert "1 incident is open" in sections["Incidents"]
    assert f"{one.watch.subject}: on " in sections["Incidents"]
    assert "#mail · nobody has it in hand yet" in sections["Incidents"]
    mine = replace(one, incident=acknowledge(one.incident, "ada", NOW))
    assert "ada has it in hand" in cards_of([mine])["Incidents"]


def test_watches_stand_by_channel_with_their_state_and_next_look_and_what_is_wrong_first() -> None:
    sections = watched_sections(
        [Watched(quiet(), "#mail"), Watched(listed(), "#mail"), Watched(quiet(9), "#abuse")], NOW
    )
    cards = {card.title: card for card in sections[1].cards}
    assert list(cards) == ["#abuse: 1 watch", "#mail: 2 watches, 1 with an open incident"]
    table = cards["#mail: 2 watches, 1 with an open incident"].table
    assert table
    assert table.columns == ("Watch", "State", "Every", "Next look")
    assert [row[0] for row in table.rows] == [listed().watch.subject, quiet().watch.subject]
    assert [row[3] for row in table.rows] == ["now", "07:10 UTC"]


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (replace(quiet(), paused=True), "none while it rests"),
        (replace(quiet(), due=None), "not planned yet"),
        (replace(quiet(), every=timedelta(hours=3)), "3h (wished: 1h)"),
    ],
    ids=["resting", "no plan", "stretched"],
)
def test_what_holds_a_look_up_is_said(one: Kept, says: str) -> None:
    assert says in cards_of([one])["Watches"]


@pytest.mark.parametrize(("hours", "shown"), [(5, True), (1, False)])
def test_a_mute_is_shown_until_it_ends(hours: int, shown: bool) -> None:
    assert ("Muted by ada · #mail" in cards_of([muted(hours=hours)])["Mutes"]) is shown


def test_lists_that_cannot_be_believed_stand_together_by_reason() -> None:
    rows = [
        *GOOD,
        ("A", Verdict.WARN, "public-resolver", 1),
        ("B", Verdict.WARN, "public-resolver", 1),
        ("C", Verdict.UNKNOWN, "timeout", 1),
    ]
    [card] = lists_section(rows, (), NAMES).cards
    assert card.title == "2 of 5 lists answer their own test entries right"
    assert [line.text for line in card.lines] == ["A, B: it refuses this resolver", "C: no answer in time"]


def test_lists_held_back_and_silent_ones_are_named_with_what_that_means() -> None:
    healths = (ListHealth("kempt", held_since=T0), ListHealth("spamhaus-zen", degraded=True))
    for rows in (GOOD, None):
        [card] = lists_section(rows, healths, NAMES).cards
        assert [line.text for line in card.lines] == [
            "Kempt: held back since 24 Nov, 06:00 UTC",
            "Silent for some rounds: Spamhaus ZEN",
        ]


@pytest.mark.parametrize(("silent", "tone"), [((), Tone.GOOD), ((0,), Tone.WARN), ((0, 1), Tone.BAD)])
def test_a_silent_name_server_is_said(silent: Sequence[int], tone: Tone) -> None:
    servers = [ServerHealth(f"192.0.2.{n}", n in silent, 200, 3, 190, 0.012) for n in range(2)]
    [card] = resolver_section(servers).cards
    assert card.tone is tone
    assert ("192.0.2.0" in card.title) is bool(silent)
    assert card.table
    assert card.table.rows[1][2:] == ("12 ms", "200", "1.5%")


def test_a_name_server_that_was_not_asked_yet_shows_no_figures() -> None:
    [card] = resolver_section([ServerHealth("192.0.2.53", False, 0, 0, 0, None)]).cards
    assert card.table
    assert card.table.rows == (("192.0.2.53", "not asked yet", "–", "0", "–"),)


FEW = (Used("kempt", 300_000, 1_000),)


@pytest.mark.parametrize(("used", "tone"), [(79_999, Tone.GOOD), (80_000, Tone.WARN)])
def test_a_budget_that_is_nearly_used_up_is_said(used: int, tone: Tone) -> None:
    [card] = budgets_section([*FEW, Used("spamhaus-zen", 100_000, used)], NAMES).cards
    assert card.tone is tone
    assert card.table
    assert card.table.rows[0] == ("Spamhaus ZEN", f"{used:,}", "100,000", "80.0%")
    assert (
        "1 more list with a limit: not asked today"
        in budgets_section([*FEW, Used("kempt", 9, 0)], NAMES).cards[0].footnote
    )


def test_where_no_list_was_asked_there_is_no_table_of_zeros() -> None:
    [card] = budgets_section([Used("kempt", 300_000, 0)], NAMES).cards
    assert (card.title, card.table) == ("No watch has asked a list with a daily limit today", None)


@dataclass
class Remembered:
    """A register that answers, or is away."""

    watches: Sequence[Kept] = ()
    away: bool = False
    memory: ListMemory | None = None

    async def spaces(self) -> Sequence[tuple[str, str]]:
        if self.away:
            raise StoreUnavailable("the store is away")
        return sorted({(one.watch.room.platform, one.watch.room.space) for one in self.watches})

    async def rooms_of(self, platform: str, space: str) -> Sequence[Room]:
        rooms = dict.fromkeys(one.watch.room for one in self.watches)
        return [room for room in rooms if (room.platform, room.space) == (platform, space)]

    async def of_room(self, room: Room) -> Sequence[Kept]:
        return [one for one in self.watches if one.watch.room == room]

    async def list_memory(self) -> ListMemory | None:
        return self.memory


@dataclass
class Lists:
    """Lists that answer once they are free to."""

    free: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    broken: bool = False

    async def __call__(self) -> Sequence[ListRow]:
        self.asked += 1
        await self.free.wait()
        if self.broken:
            raise RuntimeError("a bug")
        return GOOD


async def no_budgets() -> Sequence[Used]:
    return ()


def overviews(kept: Remembered, lists: Lists | None = None, clock: Clock | None = None) -> Overviews:
    lists, clock = lists or Lists(), clock or Clock()
    lists.free.set()
    lately = Lately(lists, lambda: clock().timestamp())
    return Overviews(kept, lately, NAMES, lambda: [], no_budgets, clock)


async def test_a_person_sees_the_channels_they_are_in_and_no_other() -> None:
    mine, theirs = quiet(5), quiet(6, ELSEWHERE)
    kept = Remembered((mine, theirs))
    seen = await overviews(kept).of_rooms(ROOM.platform, ROOM.space, {ROOM.channel: "#mail"})
    texts = str(seen)
    assert mine.watch.subject in texts
    assert theirs.watch.subject not in texts
    assert theirs.watch.subject in str(await overviews(kept).of_everything())


async def test_a_channel_of_another_workspace_with_the_same_name_is_another() -> None:
    other = quiet(6, Room("slack", "T9", ROOM.channel))
    seen = await overviews(Remembered((other,))).of_rooms(ROOM.platform, ROOM.space, {ROOM.channel: "#mail"})
    assert other.watch.subject not in str(seen)


async def test_what_is_away_or_broken_hides_nothing_else() -> None:
    lists = Lists(broken=True)
    seen = await overviews(Remembered(away=True), lists).of_everything()
    sections = said((*seen.watched, *seen.sight))
    assert list(sections) == ["Watches", "Blocklists", "Resolver", "Budgets"]
    assert "The store of the watches does not answer" in sections["Watches"]
    assert "Something broke here" in sections["Blocklists"]


async def test_lists_are_asked_when_somebody_looks_and_not_again_for_five_minutes() -> None:
    lists, clock = Lists(), Clock()
    seen = overviews(Remembered(), lists, clock)
    for seconds, asked in ((0, 1), (LISTS_KEPT_S - 1, 1), (2, 2)):
        clock.add(seconds)
        await asyncio.gather(seen.of_everything(), seen.of_everything())
        assert lists.asked == asked


async def test_lists_that_broke_are_asked_again_at_the_next_look() -> None:
    lists = Lists(broken=True)
    seen = overviews(Remembered(), lists)
    await seen.of_everything()
    lists.broken = False
    assert "2 of 2 lists" in str(await seen.of_everything())


async def test_an_overview_waits_for_no_list() -> None:
    lists = Lists()
    seen = replace(overviews(Remembered(), lists), lists_within=0)
    lists.free.clear()
    overview: Overview = await seen.of_everything()
    assert overview.waiting
    assert "Asking every blocklist" in str(overview)
    lists.free.set()
    await asyncio.sleep(0)
    assert not (await replace(seen, lists_within=1).of_everything()).waiting


async def test_the_register_names_its_rooms_and_remembers_the_lists(redis: Redis) -> None:
    register = Register(redis, Clock())
    assert await register.spaces() == []
    one = watch()
    await register.add(one, begin(one.id, (), T0), T0)
    assert await register.spaces() == [(ROOM.platform, ROOM.space)]
    assert await register.rooms_of(ROOM.platform, ROOM.space) == [ROOM]
    assert await register.list_memory() is None
    await register.remove(ROOM, one.id)
    assert await register.spaces() == []
