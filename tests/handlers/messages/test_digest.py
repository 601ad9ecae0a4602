"""Weekly digest in virtual time: schedule, delivery after errors, and content."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from bot.monitoring.digests import enqueue_digests
from bot.monitoring.history import History, Track
from bot.monitoring.interfaces import ChannelSettings, StoredWatch
from bot.monitoring.models import Channel
from bot.monitoring.schedule import WEEK, next_digest
from handlers.delivery import DeliveryWorker
from handlers.message import Card, Tone
from handlers.messages.history import MAX_WATCHES_SHOWN, digest_card
from handlers.ports import ChannelUnavailable, DeliveryUnknown
from tests.handlers.charts.timelines import DAY, NOW, ordinary, span
from tests.handlers.delivery.test_worker import LongRunningRepository, build_worker
from tests.support.fake_channel import FakeChannel
from tests.support.incident_stories import T0
from tests.support.stored_watches import CHANNEL, OTHER_CHANNEL, Clock, baseline, numbered_watch, watch

WEEKLY = ChannelSettings(weekly_digest=True)


@dataclass
class Harness:
    """Repository, fake platform and worker; the clock starts on a Tuesday at 06:00."""

    clock: Clock
    repository: LongRunningRepository
    platform: FakeChannel
    delivery: DeliveryWorker

    async def pass_by(self, duration: timedelta) -> list[Card]:
        """Run two schedulers and the delivery every hour; returns the cards posted."""
        end, count_before = self.clock() + duration, len(self.platform.posted)
        while self.clock() < end:
            self.clock.add(3600)
            for _ in range(2):
                await enqueue_digests(self.repository, self.clock())
            for channel in await self.repository.ready_channels():
                await self.delivery.deliver_next(channel)
        return [message.card for message in self.platform.posted[count_before:]]


@pytest_asyncio.fixture
async def harness(redis: Redis) -> Harness:
    clock = Clock()
    repository, platform = LongRunningRepository(redis, clock), FakeChannel(clock)
    return Harness(clock, repository, platform, build_worker(repository, platform, clock))


async def test_digest_is_posted_every_monday(harness: Harness) -> None:
    await harness.repository.add(watch(), baseline(watch(), "a+"), T0)
    await harness.repository.set_settings(CHANNEL, WEEKLY)
    [first] = await harness.pass_by(WEEK)
    assert first.title == "The week in this channel: 1 listing on 1 list"
    assert [line.text for line in first.lines] == ["1 of 1 watch with a problem now.", "203.0.113.5"]
    assert first.chart
    assert len(await harness.pass_by(3 * WEEK)) == 3
    for message in harness.platform.posted:
        # Due after 08:00, run on the hour.
        assert (message.at.strftime("%a"), message.at.hour) == ("Mon", 9)


async def test_digest_follows_the_channel_setting(harness: Harness) -> None:
    await harness.repository.add(watch(), baseline(watch()), T0)
    assert await harness.pass_by(WEEK) == []
    await harness.repository.set_settings(CHANNEL, WEEKLY)
    await harness.repository.set_settings(CHANNEL, replace(WEEKLY, reminders=False))
    assert len(await harness.pass_by(WEEK)) == 1
    await harness.repository.set_settings(CHANNEL, ChannelSettings())
    assert await harness.pass_by(WEEK) == []


async def test_channel_without_watches_gets_no_digest(harness: Harness) -> None:
    await harness.repository.set_settings(CHANNEL, WEEKLY)
    assert await harness.pass_by(2 * WEEK) == []
    await harness.repository.add(watch(), baseline(watch()), T0)
    assert [card.title for card in await harness.pass_by(WEEK)] == [
        "A quiet week: 1 watch in this channel, and nothing happened"
    ]


async def test_digest_survives_lost_reply_and_long_pause_once(harness: Harness) -> None:
    await harness.repository.add(watch(), baseline(watch()), T0)
    await harness.repository.set_settings(CHANNEL, WEEKLY)

    def lost(_: str) -> None:
        harness.platform.after = lambda _: None
        raise DeliveryUnknown("the connection was cut")

    harness.platform.after = lost
    assert len(await harness.pass_by(WEEK)) == 1
    harness.clock.add(3 * WEEK.total_seconds())  # no worker ran
    assert len(await harness.pass_by(timedelta(hours=1))) == 1
    keys = [message.key for message in harness.platform.posted]
    assert len(set(keys)) == len(keys) == 2
    assert await harness.repository.ready_channels() == []


async def test_digest_for_unavailable_channel_is_dropped(harness: Harness) -> None:
    await harness.repository.add(watch(), baseline(watch()), T0)
    await harness.repository.set_settings(CHANNEL, WEEKLY)

    def closed(call: str) -> None:
        if call == "post":
            raise ChannelUnavailable("is_archived")

    harness.platform.before = closed
    assert await harness.pass_by(WEEK) == []
    [stored] = await harness.repository.list_watches(CHANNEL)
    assert not stored.paused
    assert harness.platform.direct_messages == []


async def test_purged_channel_has_no_digest_schedule(harness: Harness, redis: Redis) -> None:
    await harness.repository.set_settings(CHANNEL, WEEKLY)
    await harness.repository.purge_channel(CHANNEL)
    assert await redis.exists("mc1:digests", "mc1:settings:slack/T0123ABCD") == 0


@pytest.mark.parametrize("channel", [CHANNEL, OTHER_CHANNEL, Channel("teams", "x", "19:a/b@thread")])
def test_next_digest_is_on_monday_morning(channel: Channel) -> None:
    for days in range(20):
        now = T0 + timedelta(days=days, hours=days)
        at = next_digest(str(channel), now)
        assert timedelta(0) < at - now <= WEEK
        assert (at.strftime("%a"), at.hour) == ("Mon", 8)
        assert next_digest(str(channel), at) == at + WEEK


def test_digest_ranks_open_problems_first_without_user_actions() -> None:
    watches = [watch(name="HQ egress"), watch("198.51.100.7/32"), watch(None, "example.net")]
    histories = {
        watches[0].id: ordinary(),
        watches[1].id: History((Track("blocklist:psbl", "PSBL", (span(24, 20), span(27, 9))),)),
        watches[2].id: History((Track("acknowledged", "", (span(26, 9, by="Ada"),)),)),
    }
    card = digest_card(
        [StoredWatch(stored_watch, baseline(stored_watch)) for stored_watch in watches], histories, NOW - 7 * DAY, NOW
    )
    assert [(line.text, line.detail) for line in card.lines] == [
        ("1 of 3 watches with a problem now.", ""),
        ("HQ egress (203.0.113.5)", "Spamhaus ZEN (1d 19h so far), MX changed (once)"),
        ("198.51.100.7", "PSBL (2 times, 1d 5h)"),
    ]
    assert card.tone is Tone.WARN
    assert card.chart
    assert [row.label for row in card.chart.timeline.rows] == ["HQ egress", "198.51.100.7"]


def test_digest_shows_limited_number_of_watches() -> None:
    watches = [numbered_watch(number) for number in range(MAX_WATCHES_SHOWN + 5)]
    history = History((Track("blocklist:psbl", "PSBL", (span(24, 20),)),))
    stored = [StoredWatch(stored_watch, baseline(stored_watch)) for stored_watch in watches]
    card = digest_card(stored, {stored_watch.id: history for stored_watch in watches}, NOW - 7 * DAY, NOW)
    assert card.lines[-1].text == "And 5 more; `history` shows each."
