"""Overview: its sections, and how their data is collected."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bot.models import ServerHealth, Verdict
from bot.monitoring.alert_state import acknowledge, initial_incident, mute
from bot.monitoring.dnsbl_quarantine import ListHealth, QuarantineState, QueryUsage
from bot.monitoring.interfaces import StoredWatch
from bot.monitoring.models import Channel
from bot.monitoring.repository import RedisRepository
from bot.storage import StoreUnavailable
from handlers.commands.overview import LIST_STATUS_TTL_S, ListStatusCache, OverviewBuilder
from handlers.message import Tone
from handlers.messages import ListRow
from handlers.messages.overview import (
    ChannelWatch,
    Overview,
    Section,
    budgets_section,
    lists_section,
    resolver_section,
    watch_sections,
)
from tests.support.incident_stories import T0
from tests.support.outbox_messages import messages_of_incident
from tests.support.stored_watches import CHANNEL, OTHER_CHANNEL, Clock, baseline, numbered_watch, watch

NOW = T0 + timedelta(hours=1)
NAMES = {"spamhaus-zen": "Spamhaus ZEN", "kempt": "Kempt"}
GOOD: Sequence[ListRow] = (("Spamhaus ZEN", Verdict.PASS, "", 12), ("Kempt", Verdict.PASS, "", 30))


def quiet(number: int = 5, channel: Channel = CHANNEL) -> StoredWatch:
    stored_watch = replace(numbered_watch(number), channel=channel)
    return StoredWatch(
        stored_watch, initial_incident(stored_watch.id, (), T0), NOW + timedelta(minutes=10), stored_watch.interval
    )


def listed(number: int = 7) -> StoredWatch:
    stored_watch = numbered_watch(number)
    return StoredWatch(stored_watch, messages_of_incident(stored_watch)[0].incident, NOW, stored_watch.interval)


def known(number: int = 3) -> StoredWatch:
    """A watch whose target was listed before it began."""
    stored = quiet(number)
    return replace(stored, incident=baseline(stored.watch, "a+"))


def muted(number: int = 9, hours: int = 5) -> StoredWatch:
    stored = quiet(number)
    return replace(stored, incident=mute(stored.incident, "ada", T0 + timedelta(hours=hours)))


def texts(sections: Sequence[Section]) -> dict[str, str]:
    """All texts of each section by title."""
    return {section.title: " | ".join(map(str, section.cards)) for section in sections}


def cards_of(watches: Sequence[StoredWatch], channel: str = "#mail") -> dict[str, str]:
    return texts(watch_sections([ChannelWatch(stored, channel) for stored in watches], NOW))


def test_empty_overview_explains_how_to_start() -> None:
    sections = cards_of(())
    assert "No incident is open" in sections["Incidents"]
    assert "Type `watch 203.0.113.5 example.com` in a channel" in sections["Watches"]
    assert "Nothing is muted" in sections["Mutes"]


def test_open_incident_shows_problem_channel_and_owner() -> None:
    stored = listed()
    assert stored.incident.opened_at
    sections = cards_of([stored, quiet()])
    assert "1 incident is open" in sections["Incidents"]
    assert f"{stored.watch.subject}: on " in sections["Incidents"]
    assert "#mail · not acknowledged" in sections["Incidents"]
    acknowledged = replace(stored, incident=acknowledge(stored.incident, "ada", NOW))
    assert "acknowledged by ada" in cards_of([acknowledged])["Incidents"]


def test_watches_are_grouped_by_channel_problems_first() -> None:
    sections = watch_sections(
        [ChannelWatch(quiet(), "#mail"), ChannelWatch(listed(), "#mail"), ChannelWatch(quiet(9), "#abuse")], NOW
    )
    cards = {card.title: card for card in sections[1].cards}
    assert list(cards) == ["#abuse: 1 watch", "#mail: 2 watches, 1 with a problem"]
    table = cards["#mail: 2 watches, 1 with a problem"].table
    assert table
    assert table.columns == ("Watch", "State", "Every", "Next check")
    assert [row[0] for row in table.rows] == [listed().watch.subject, quiet().watch.subject]
    assert [row[3] for row in table.rows] == ["now", "07:10 UTC"]


def test_problem_known_from_the_start_is_never_good() -> None:
    incidents, watches, _ = watch_sections([ChannelWatch(known(), "#mail"), ChannelWatch(quiet(), "#mail")], NOW)
    (card,) = incidents.cards
    assert card.title == "No incident is open; 1 watch with problems known when the watch began"
    assert [line.detail for line in card.lines] == ["Known when the watch began · #mail"]
    assert {each.tone for each in (card, *watches.cards)}.isdisjoint({Tone.GOOD, Tone.PLAIN})
    assert watches.cards[0].title == "#mail: 2 watches, 1 with a problem"


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        (replace(quiet(), paused=True), "none while paused"),
        (replace(quiet(), next_poll_at=None), "not planned yet"),
        (replace(quiet(), interval=timedelta(hours=3)), "3h (requested: 1h)"),
    ],
    ids=["resting", "no plan", "stretched"],
)
def test_watch_row_explains_why_no_poll_is_due(stored: StoredWatch, text: str) -> None:
    assert text in cards_of([stored])["Watches"]


@pytest.mark.parametrize(("hours", "shown"), [(5, True), (1, False)])
def test_mute_is_shown_until_it_ends(hours: int, shown: bool) -> None:
    assert ("Muted by ada · #mail" in cards_of([muted(hours=hours)])["Mutes"]) is shown


def test_unusable_lists_are_grouped_by_reason() -> None:
    rows = [
        *GOOD,
        ("A", Verdict.WARN, "public-resolver", 1),
        ("B", Verdict.WARN, "public-resolver", 1),
        ("C", Verdict.UNKNOWN, "timeout", 1),
    ]
    [card] = lists_section(rows, (), NAMES).cards
    assert card.title == "2 of 5 blocklists are working"
    assert [line.text for line in card.lines] == ["A, B: it refuses this resolver", "C: no answer in time"]


def test_quarantined_and_silent_lists_are_named() -> None:
    list_states = (ListHealth("kempt", quarantined_since=T0), ListHealth("spamhaus-zen", degraded=True))
    for rows in (GOOD, None):
        [card] = lists_section(rows, list_states, NAMES).cards
        assert [line.text for line in card.lines] == [
            "Kempt: results ignored since 24 Nov, 06:00 UTC",
            "No answer for some rounds: Spamhaus ZEN",
        ]


@pytest.mark.parametrize(("unresponsive", "tone"), [((), Tone.GOOD), ((0,), Tone.WARN), ((0, 1), Tone.BAD)])
def test_unresponsive_name_server_is_reported(unresponsive: Sequence[int], tone: Tone) -> None:
    servers = [ServerHealth(f"192.0.2.{n}", n in unresponsive, 200, 3, 190, 0.012) for n in range(2)]
    [card] = resolver_section(servers).cards
    assert card.tone is tone
    assert ("192.0.2.0" in card.title) is bool(unresponsive)
    assert card.table
    assert card.table.rows[1][2:] == ("12 ms", "200", "1.5%")


def test_unused_name_server_shows_no_figures() -> None:
    [card] = resolver_section([ServerHealth("192.0.2.53", False, 0, 0, 0, None)]).cards
    assert card.table
    assert card.table.rows == (("192.0.2.53", "not queried yet", "–", "0", "–"),)


FEW = (QueryUsage("kempt", 300_000, 1_000),)


@pytest.mark.parametrize(("used", "tone"), [(79_999, Tone.GOOD), (80_000, Tone.WARN)])
def test_nearly_used_budget_is_a_warning(used: int, tone: Tone) -> None:
    [card] = budgets_section([*FEW, QueryUsage("spamhaus-zen", 100_000, used)], NAMES).cards
    assert card.tone is tone
    assert card.table
    assert card.table.rows[0] == ("Spamhaus ZEN", f"{used:,}", "100,000", "80.0%")
    assert (
        "1 more list with a limit: not queried today"
        in budgets_section([*FEW, QueryUsage("kempt", 9, 0)], NAMES).cards[0].footnote
    )


def test_unused_budgets_have_no_table() -> None:
    [card] = budgets_section([QueryUsage("kempt", 300_000, 0)], NAMES).cards
    assert (card.title, card.table) == ("No watch has queried a list with a daily limit today", None)


@dataclass
class FakeOverviewSource:
    """Repository that answers or is unavailable."""

    watches: Sequence[StoredWatch] = ()
    unavailable: bool = False
    memory: QuarantineState | None = None

    async def list_workspaces(self) -> Sequence[tuple[str, str]]:
        if self.unavailable:
            raise StoreUnavailable("the store is away")
        return sorted({(stored.watch.channel.platform, stored.watch.channel.workspace) for stored in self.watches})

    async def list_channels(self, platform: str, workspace: str) -> Sequence[Channel]:
        channels = dict.fromkeys(stored.watch.channel for stored in self.watches)
        return [channel for channel in channels if (channel.platform, channel.workspace) == (platform, workspace)]

    async def list_watches(self, channel: Channel) -> Sequence[StoredWatch]:
        return [stored for stored in self.watches if stored.watch.channel == channel]

    async def quarantine_state(self) -> QuarantineState | None:
        return self.memory


@dataclass
class Lists:
    """List status that is returned once `free` is set."""

    free: asyncio.Event = field(default_factory=asyncio.Event)
    queries: int = 0
    broken: bool = False

    async def __call__(self) -> Sequence[ListRow]:
        self.queries += 1
        await self.free.wait()
        if self.broken:
            raise RuntimeError("a bug")
        return GOOD


async def no_budgets() -> Sequence[QueryUsage]:
    return ()


def build_overviews(
    source: FakeOverviewSource, lists: Lists | None = None, clock: Clock | None = None
) -> OverviewBuilder:
    lists, clock = lists or Lists(), clock or Clock()
    lists.free.set()
    status = ListStatusCache(lists, lambda: clock().timestamp())
    return OverviewBuilder(source, status, NAMES, lambda: [], no_budgets, clock)


async def test_user_sees_only_their_channels() -> None:
    mine, theirs = quiet(5), quiet(6, OTHER_CHANNEL)
    source = FakeOverviewSource((mine, theirs))
    overview = await build_overviews(source).build_for_channels(
        CHANNEL.platform, CHANNEL.workspace, {CHANNEL.id: "#mail"}
    )
    shown = str(overview)
    assert mine.watch.subject in shown
    assert theirs.watch.subject not in shown
    assert theirs.watch.subject in str(await build_overviews(source).build_all())


async def test_channel_id_of_other_workspace_is_not_shown() -> None:
    foreign_watch = quiet(6, Channel("slack", "T9", CHANNEL.id))
    overview = await build_overviews(FakeOverviewSource((foreign_watch,))).build_for_channels(
        CHANNEL.platform, CHANNEL.workspace, {CHANNEL.id: "#mail"}
    )
    assert foreign_watch.watch.subject not in str(overview)


async def test_failing_section_does_not_hide_others() -> None:
    lists = Lists(broken=True)
    overview = await build_overviews(FakeOverviewSource(unavailable=True), lists).build_all()
    sections = texts((*overview.watched, *overview.health))
    assert list(sections) == ["Watches", "Blocklists", "Resolver", "Budgets"]
    assert "The store of the watches does not answer" in sections["Watches"]
    assert "Internal error" in sections["Blocklists"]


async def test_list_status_is_cached_for_five_minutes() -> None:
    lists, clock = Lists(), Clock()
    builder = build_overviews(FakeOverviewSource(), lists, clock)
    for seconds, queries in ((0, 1), (LIST_STATUS_TTL_S - 1, 1), (2, 2)):
        clock.add(seconds)
        await asyncio.gather(builder.build_all(), builder.build_all())
        assert lists.queries == queries


async def test_failed_list_status_is_queried_again() -> None:
    lists = Lists(broken=True)
    builder = build_overviews(FakeOverviewSource(), lists)
    await builder.build_all()
    lists.broken = False
    assert "2 of 2 blocklists" in str(await builder.build_all())


async def test_overview_does_not_wait_for_list_status() -> None:
    lists = Lists()
    builder = replace(build_overviews(FakeOverviewSource(), lists), list_timeout_s=0)
    lists.free.clear()
    overview: Overview = await builder.build_all()
    assert overview.lists_pending
    assert "Querying the test points" in str(overview)
    lists.free.set()
    await asyncio.sleep(0)
    assert not (await replace(builder, list_timeout_s=1).build_all()).lists_pending


async def test_repository_lists_workspaces_and_channels(redis: Redis) -> None:
    repository = RedisRepository(redis, Clock())
    assert await repository.list_workspaces() == []
    stored_watch = watch()
    await repository.add(stored_watch, initial_incident(stored_watch.id, (), T0), T0)
    assert await repository.list_workspaces() == [(CHANNEL.platform, CHANNEL.workspace)]
    assert await repository.list_channels(CHANNEL.platform, CHANNEL.workspace) == [CHANNEL]
    assert await repository.quarantine_state() is None
    await repository.remove(CHANNEL, stored_watch.id)
    assert await repository.list_workspaces() == []
