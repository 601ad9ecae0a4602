"""Delivery worker in virtual time: order, no loss, and duplicates only without history."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from bot.monitoring.dnsbl_quarantine import ListNotice, NoticeReason
from bot.monitoring.interfaces import (
    AlertMessage,
    ChannelSettings,
    ListNoticeMessage,
    Outbox,
    OutboxMessage,
    StoredWatch,
    WatchRepository,
)
from bot.monitoring.models import Acknowledged, AlertReason, Channel
from bot.monitoring.repository import RedisRepository
from bot.monitoring.serialization import dump
from handlers.delivery import DeliveryTimeouts, DeliveryWorker
from handlers.message import Card, Tone, UpdateMode
from handlers.ports import (
    ChannelUnavailable,
    DeliveryUnknown,
    HistoryUnavailable,
    MessageNotFound,
    Rejected,
    RetryAfter,
    WorkspaceUnavailable,
)
from tests.support.fake_channel import FakeChannel
from tests.support.incident_stories import T0
from tests.support.memory_repository import InMemoryRepository
from tests.support.outbox_messages import LATER, REASONS, WatchedAlert, messages_of, messages_of_incident
from tests.support.stored_watches import CHANNEL, OTHER_CHANNEL, Clock, baseline, numbered_watch, watch


class Crash(BaseException):
    """The process is killed."""


class LongRunningRepository(RedisRepository):
    """Repository whose server started long before the tests' virtual time."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        super().__init__(redis, clock)
        self.clock = clock

    async def store_started_at(self) -> datetime:
        return self.clock() - timedelta(days=30)


@dataclass
class Harness:
    """A worker between a store and a fake platform; `crash` replaces the worker."""

    store: InMemoryRepository | RedisRepository
    redis: Redis
    clock: Clock
    platform: FakeChannel
    delivery: DeliveryWorker

    async def put(self, *messages: WatchedAlert | OutboxMessage) -> None:
        for given in messages:
            message = given.message if isinstance(given, WatchedAlert) else given
            if isinstance(given, WatchedAlert) and await self.store.get(given.channel, given.watch.id) is None:
                await self.store.add(given.watch, given.incident, LATER)
            if isinstance(self.store, InMemoryRepository):
                self.store.enqueue(message)
            else:
                await self.redis.rpush(f"mc1:outbox:{message.channel}", f"{message.id}\n{stored_text(message)}")
                await self.redis.zadd("mc1:waiting", {str(message.channel): 0}, nx=True)

    async def deliver(self, channel: Channel = CHANNEL) -> int:
        """Deliver all that is due; returns the number of messages."""
        count = 0
        while channel in await self.store.ready_channels() and await self.delivery.deliver_next(channel):
            count += 1
        return count

    def crash(self) -> None:
        self.delivery = build_worker(self.store, self.platform, self.clock)

    def fail_next(self, error: BaseException, call: str = "post", before: bool = True) -> None:
        """Let the next such call fail, before or after it takes effect."""

        def raises(this: str) -> None:
            if this == call:
                self.platform.before = self.platform.after = lambda _: None
                raise error

        self.platform.before, self.platform.after = (raises, lambda _: None) if before else (lambda _: None, raises)


def stored_text(message: OutboxMessage) -> str:
    """As this version stores it, or an earlier one if it has a snapshot of the watch."""
    if not isinstance(message, AlertMessage) or message.snapshot is None:
        return dump(message)
    document = json.loads(dump(replace(message, snapshot=None)))
    del document["alert"]["began"]
    watch, incident = (json.loads(dump(part)) for part in (message.snapshot.watch, message.snapshot.incident))
    return json.dumps({**document, "watch": watch, "incident": incident})


def build_worker(store: WatchRepository | Outbox, platform: FakeChannel, clock: Clock) -> DeliveryWorker:
    async def no_wait(seconds: float) -> None:
        clock.add(seconds)

    return DeliveryWorker(store, store, {"slack": platform}, DeliveryTimeouts(now=clock, sleep=no_wait))


@pytest_asyncio.fixture(params=["memory", "redis"])
async def harness(request: pytest.FixtureRequest, redis: Redis) -> AsyncIterator[Harness]:
    clock = Clock(LATER)
    store = InMemoryRepository(clock) if request.param == "memory" else LongRunningRepository(redis, clock)
    platform = FakeChannel(clock)
    yield Harness(store, redis, clock, platform, build_worker(store, platform, clock))


WATCH = watch("203.0.113.5/32")
OPENED, GREW, EASED, RESOLVED = messages_of_incident(WATCH)


async def test_incident_is_one_thread_whose_root_shows_the_end(harness: Harness) -> None:
    await harness.put(OPENED, GREW, EASED, RESOLVED)
    assert await harness.deliver() == 4
    root, *replies = harness.platform.posted
    assert [message.thread for message in harness.platform.posted] == ["", root.id, root.id, root.id]
    assert [message.key for message in harness.platform.posted] == [
        message.id for message in (OPENED, GREW, EASED, RESOLVED)
    ]
    assert (root.card.tone, root.edits) == (Tone.GOOD, 3)
    assert root.card.title == "203.0.113.5: clear again after 4h 58m"
    assert [button.label for button in root.card.buttons] == ["Check again"]
    assert not any(reply.broadcast for reply in replies)


BROKEN = ListNotice("some-list.1.quarantined", NoticeReason.QUARANTINED, ("some-list",), 5, 25)
BEGUN = ListNoticeMessage(f"list.{BROKEN.key}", CHANNEL, BROKEN, "Some list", LATER)
TRUSTED = replace(BROKEN, key="some-list.1.trusted", reason=NoticeReason.TRUSTED)
ENDED = replace(BEGUN, id=f"list.{TRUSTED.key}", notice=TRUSTED)


async def test_list_notice_is_one_message_edited_at_its_end(harness: Harness) -> None:
    await harness.put(OPENED, BEGUN, ENDED, GREW)
    assert await harness.deliver() == 4
    assert [message.thread for message in harness.platform.posted] == ["", "", harness.platform.posted[0].id]
    notice = harness.platform.posted[1]
    assert (notice.key, notice.card.title, notice.edits) == (BEGUN.id, "Some list is reliable again", 1)


async def test_list_notice_is_not_posted_again_after_crash(harness: Harness) -> None:
    await harness.put(BEGUN)
    harness.fail_next(Crash(), before=False)
    with pytest.raises(Crash):
        await harness.deliver()
    harness.crash()
    harness.clock.add(20)
    assert await harness.deliver() == 1
    assert [message.key for message in harness.platform.posted] == [BEGUN.id]


@pytest.mark.parametrize("earlier", [(), (BEGUN,)], ids=["never said", "deleted"])
async def test_end_of_missing_list_notice_is_dropped(earlier: tuple[ListNoticeMessage, ...], harness: Harness) -> None:
    await harness.put(*earlier, ENDED)
    harness.fail_next(MessageNotFound("message_not_found"), call="update")
    await harness.deliver()
    assert [message.key for message in harness.platform.posted] == [notice.id for notice in earlier]
    assert await harness.store.ready_channels() == []


async def test_list_notice_for_unavailable_channel_is_dropped(harness: Harness) -> None:
    await harness.put(BEGUN)
    harness.fail_next(ChannelUnavailable("channel_not_found"))
    assert await harness.deliver() == 1
    assert (harness.platform.posted, harness.platform.direct_messages) == ([], [])
    assert await harness.store.ready_channels() == []


RETRYABLE = [RetryAfter("ratelimited", 30), DeliveryUnknown("internal_error"), Rejected("invalid_blocks")]


@pytest.mark.parametrize("error", RETRYABLE, ids=repr)
async def test_failed_message_is_posted_later_once(error: Exception, harness: Harness) -> None:
    await harness.put(OPENED, GREW)
    harness.fail_next(error)
    assert await harness.deliver() == 0
    assert harness.platform.posted == []
    harness.clock.add(31)
    assert await harness.deliver() == 2
    assert [message.key for message in harness.platform.posted] == [OPENED.id, GREW.id]


async def test_retry_after_delays_only_its_channel(harness: Harness) -> None:
    other_message = messages_of_incident(watch(channel=OTHER_CHANNEL))[0]
    await harness.put(OPENED, other_message)
    harness.fail_next(RetryAfter("ratelimited", 30))
    await harness.deliver()
    assert await harness.deliver(OTHER_CHANNEL) == 1
    harness.clock.add(29)
    assert await harness.deliver() == 0
    harness.clock.add(2)
    assert await harness.deliver() == 1


@pytest.mark.parametrize("error", [DeliveryUnknown("status 503"), DeliveryUnknown("TimeoutError"), Crash()], ids=repr)
async def test_possibly_sent_message_is_searched_before_retry(error: BaseException, harness: Harness) -> None:
    await harness.put(OPENED, GREW)
    harness.fail_next(error, before=False)
    try:
        await harness.deliver()
    except Crash:
        harness.crash()
    assert await harness.deliver() == 0, "a call may still be under way"
    harness.clock.add(12)
    assert await harness.deliver() == 2
    assert [message.key for message in harness.platform.posted] == [OPENED.id, GREW.id]
    assert harness.platform.posted[1].thread == harness.platform.posted[0].id
    assert harness.platform.calls.count("find") == 1


async def test_crash_before_the_call_loses_nothing(harness: Harness) -> None:
    await harness.put(OPENED)
    harness.fail_next(Crash())
    with pytest.raises(Crash):
        await harness.deliver()
    harness.crash()
    harness.clock.add(12)
    assert await harness.deliver() == 1
    assert [message.key for message in harness.platform.posted] == [OPENED.id]


async def test_failed_history_lookup_is_retried_before_posting(harness: Harness) -> None:
    await harness.put(OPENED)
    harness.fail_next(DeliveryUnknown("reset"), before=False)
    await harness.deliver()
    harness.clock.add(12)
    harness.fail_next(RetryAfter("ratelimited", 60), "find")
    assert await harness.deliver() == 0
    harness.clock.add(59)
    assert await harness.deliver() == 0
    harness.clock.add(2)
    assert await harness.deliver() == 1
    assert len(harness.platform.posted) == 1


async def test_unavailable_history_may_duplicate_but_never_lose(harness: Harness) -> None:
    await harness.put(OPENED)
    harness.fail_next(DeliveryUnknown("reset"), before=False)
    await harness.deliver()
    harness.clock.add(12)
    harness.fail_next(HistoryUnavailable("missing_scope"), "find")
    assert await harness.deliver() == 1
    assert [message.key for message in harness.platform.posted] == [OPENED.id, OPENED.id]


async def test_unavailable_channel_pauses_and_notifies_creator_once(harness: Harness) -> None:
    await harness.put(OPENED, GREW)
    harness.platform.before = lambda call: _raise(ChannelUnavailable("not_in_channel")) if call == "post" else None
    assert await harness.deliver() == 0
    [(user, card)] = harness.platform.direct_messages
    assert (user, card.tone) == ("U1", Tone.WARN)
    (stored,) = await harness.store.find(CHANNEL, WATCH.id)
    assert stored is not None
    assert stored.paused
    harness.clock.add(3_601)
    assert await harness.deliver() == 0
    assert len(harness.platform.direct_messages) == 1
    harness.platform.before = lambda _: None
    assert await harness.store.resume_channel(CHANNEL)
    assert await harness.deliver() == 2
    assert [message.key for message in harness.platform.posted] == [OPENED.id, GREW.id]


CLOSED = [
    ChannelUnavailable("is_archived"),
    WorkspaceUnavailable("token_revoked"),
    WorkspaceUnavailable("account_inactive"),
]


@pytest.mark.parametrize("error", CLOSED, ids=repr)
async def test_channel_available_again_is_found_within_an_hour(error: Exception, harness: Harness) -> None:
    """A rotated token or a channel archived for a while loses no watch and no alert."""
    await harness.put(OPENED, GREW)
    harness.fail_next(error)
    assert await harness.deliver() == 0
    (stored,) = await harness.store.list_watches(CHANNEL)
    assert stored.paused
    harness.clock.add(3_599)
    assert await harness.deliver() == 0
    harness.clock.add(1)
    assert await harness.deliver() == 2
    (stored,) = await harness.store.list_watches(CHANNEL)
    assert not stored.paused
    assert [message.key for message in harness.platform.posted] == [OPENED.id, GREW.id]


async def test_successful_post_resumes_whole_workspace(harness: Harness) -> None:
    other_message = messages_of_incident(watch(channel=OTHER_CHANNEL))[0]
    await harness.put(OPENED, other_message)
    harness.platform.before = lambda call: _raise(WorkspaceUnavailable("token_revoked"))
    assert await harness.deliver() == await harness.deliver(OTHER_CHANNEL) == 0
    harness.platform.before = lambda _: None
    harness.clock.add(3_600)
    assert await harness.deliver() == 1
    assert [
        stored.paused for channel in (CHANNEL, OTHER_CHANNEL) for stored in await harness.store.list_watches(channel)
    ] == [False, False]
    assert harness.platform.direct_messages == []


async def test_message_to_unavailable_workspace_is_dropped_after_30_days(harness: Harness) -> None:
    await harness.put(OPENED)
    harness.clock.now = OPENED.alert.at + timedelta(days=31)
    harness.fail_next(WorkspaceUnavailable("account_inactive"))
    assert await harness.deliver() == 1
    assert harness.platform.posted == []


@pytest.mark.parametrize("error", CLOSED, ids=repr)
async def test_unavailable_channel_is_searched_once_available_again(error: Exception, harness: Harness) -> None:
    await harness.put(OPENED)
    harness.fail_next(DeliveryUnknown("reset"), before=False)
    await harness.deliver()
    harness.clock.add(12)
    harness.fail_next(error, "find")
    assert await harness.deliver() == 0
    harness.clock.add(3_601)
    assert await harness.deliver() == 1
    assert [message.key for message in harness.platform.posted] == [OPENED.id]


async def test_message_rejected_for_a_day_is_dropped(harness: Harness) -> None:
    await harness.put(OPENED)
    harness.clock.now = OPENED.alert.at + timedelta(days=2)
    harness.fail_next(Rejected("missing_scope"))
    assert await harness.deliver() == 1
    assert harness.platform.posted == []


@pytest.mark.parametrize("call", ["post", "update"])
async def test_deleted_thread_gets_new_root(call: str, harness: Harness) -> None:
    await harness.put(OPENED, GREW, EASED)
    await harness.delivery.deliver_next(CHANNEL)
    harness.fail_next(MessageNotFound("message_not_found"), call)
    await harness.deliver()
    first, new_root, reply = harness.platform.posted
    assert (new_root.thread, new_root.key) == ("", GREW.id)
    assert reply.thread == new_root.id
    assert first.edits == (1 if call == "post" else 0)


async def test_failed_root_edit_delays_reply(harness: Harness) -> None:
    await harness.put(OPENED, GREW)
    await harness.delivery.deliver_next(CHANNEL)
    harness.fail_next(DeliveryUnknown("status 500"), "update")
    assert await harness.deliver() == 0
    assert len(harness.platform.posted) == 1
    harness.clock.add(5)
    assert await harness.deliver() == 1
    assert harness.platform.posted[0].edits == 1


async def test_root_shows_acknowledgement_made_since_alert(harness: Harness) -> None:
    await harness.put(OPENED, GREW)
    await harness.delivery.deliver_next(CHANNEL)
    (stored,) = await harness.store.find(CHANNEL, WATCH.id)
    assert stored is not None
    acknowledged = replace(stored.incident, acknowledged=Acknowledged("ada", T0))
    assert await harness.store.update_incident(CHANNEL, WATCH.id, acknowledged, stored.incident)
    await harness.deliver()
    assert "by ada" in str(harness.platform.posted[0].card.facts)


@pytest.mark.parametrize("sent_before", [0, 2])
async def test_alerts_of_removed_watch_are_still_posted(sent_before: int, harness: Harness) -> None:
    await harness.put(OPENED, GREW, EASED, RESOLVED)
    for _ in range(sent_before):
        assert await harness.delivery.deliver_next(CHANNEL)
    assert await harness.store.remove(CHANNEL, WATCH.id)
    await harness.deliver()
    root, *replies = harness.platform.posted
    assert [message.key for message in (root, *replies)] == [m.id for m in (OPENED, GREW, EASED, RESOLVED)]
    assert (root.card.title, root.edits) == ("203.0.113.5: clear again after 4h 58m", 3)
    assert await harness.store.list_watches(CHANNEL) == []


async def test_alert_of_watch_removed_and_added_again_is_posted_once(harness: Harness) -> None:
    await harness.put(OPENED)
    assert await harness.store.remove(CHANNEL, WATCH.id)
    renamed = replace(WATCH, name="HQ egress")
    assert await harness.store.add(renamed, baseline(renamed, now=LATER), LATER)
    assert await harness.deliver() == 1
    assert [message.card.title for message in harness.platform.posted] == ["HQ egress (203.0.113.5): on a"]


async def test_alert_of_removed_watch_in_unavailable_channel_is_dropped(harness: Harness) -> None:
    await harness.put(OPENED)
    assert await harness.store.remove(CHANNEL, WATCH.id)
    harness.fail_next(ChannelUnavailable("channel_not_found"))
    assert await harness.deliver() == 1
    assert (harness.platform.posted, harness.platform.direct_messages) == ([], [])


async def test_alert_stored_with_its_watch_is_posted_after_removal(harness: Harness) -> None:
    """Earlier versions stored a copy of the watch with every alert, and nothing of a removed watch."""
    acknowledged = replace(OPENED.incident, acknowledged=Acknowledged("ada", T0))
    await harness.put(replace(OPENED.message, snapshot=StoredWatch(WATCH, acknowledged, removed=True)))
    assert await harness.deliver() == 1
    [message] = harness.platform.posted
    assert (message.key, message.card.title) == (OPENED.id, "203.0.113.5: on a")
    assert "by ada" in str(message.card.facts)


async def test_alert_of_unknown_watch_is_dropped_and_does_not_block(harness: Harness) -> None:
    other = messages_of_incident(numbered_watch(1))[0]
    await harness.put(OPENED.message, other)
    assert await harness.deliver() == 2
    assert [message.key for message in harness.platform.posted] == [other.id]


@pytest.mark.parametrize(
    ("settings", "posted", "broadcast"),
    [
        (ChannelSettings(), 4, []),
        (ChannelSettings(update_mode=UpdateMode.EDIT_ONLY), 1, []),
        (ChannelSettings(update_mode=UpdateMode.BROADCAST), 4, [RESOLVED.id]),
    ],
    ids=lambda value: value.update_mode if isinstance(value, ChannelSettings) else "",
)
async def test_delivery_follows_channel_update_mode(
    settings: ChannelSettings, posted: int, broadcast: list[str], harness: Harness
) -> None:
    await harness.put(OPENED, GREW, EASED, RESOLVED)
    await harness.store.set_settings(CHANNEL, settings)
    await harness.deliver()
    messages = harness.platform.posted
    assert (len(messages), messages[0].edits, messages[0].card.tone) == (posted, 3, Tone.GOOD)
    assert [message.key for message in messages if message.broadcast] == broadcast


async def test_reminder_is_dropped_if_channel_disabled_them(harness: Harness) -> None:
    reminder = messages_of(WATCH, (("1h", "a+"), ("61m30s", "a+"), ("26h", "a+")))[-1]
    assert reminder.alert.reason is AlertReason.REMINDER
    await harness.store.set_settings(CHANNEL, ChannelSettings(reminders=False))
    await harness.put(OPENED, reminder)
    assert await harness.deliver() == 2
    assert len(harness.platform.posted) == 1


async def test_two_workers_post_everything_once(harness: Harness) -> None:
    messages = [message for number in range(20) for message in messages_of_incident(numbered_watch(number))]
    await harness.put(*messages)

    workers = [build_worker(harness.store, harness.platform, harness.clock) for _ in range(2)]

    async def drain(worker: DeliveryWorker) -> None:
        for _ in range(400):
            await worker.deliver_next(CHANNEL)
            await asyncio.sleep(0)

    await asyncio.gather(*map(drain, workers))
    assert [message.key for message in harness.platform.posted] == [message.id for message in messages]


async def test_root_is_edited_only_by_worker_with_the_attempt(harness: Harness) -> None:
    """Concurrent edits could replace the current state with an older one."""
    await harness.put(OPENED, GREW)
    assert await harness.delivery.deliver_next(CHANNEL)
    second_worker = build_worker(harness.store, harness.platform, harness.clock)
    update = harness.platform.update

    async def slow(channel: Channel, message: str, card: Card) -> None:
        harness.platform.update = update
        assert not await second_worker.deliver_next(CHANNEL)
        raise DeliveryUnknown("status 503")

    harness.platform.update = slow
    assert await harness.deliver() == 0
    harness.clock.add(12)
    assert await harness.deliver() == 1
    assert [message.key for message in harness.platform.posted] == [OPENED.id, GREW.id]
    assert harness.platform.posted[0].edits == 1


async def test_worker_drains_every_channel_despite_store_errors() -> None:
    clock = Clock(LATER)
    store = InMemoryRepository(clock)
    platform = FakeChannel(clock)
    for channel in (CHANNEL, OTHER_CHANNEL):
        for message in messages_of_incident(watch(channel=channel)):
            store.enqueue(message.message)
            store.store(message.watch, message.incident)
    failures = iter([True, False, True])
    ready_channels = store.ready_channels

    async def failing_ready_channels() -> object:
        if next(failures, False):
            raise ConnectionError
        return await ready_channels()

    store.ready_channels = failing_ready_channels  # type: ignore[method-assign, assignment]
    done = asyncio.Event()

    async def sleep(seconds: float) -> None:
        clock.add(seconds)
        if len(platform.posted) == 2 * len(REASONS):
            done.set()
        await asyncio.sleep(0)

    worker = DeliveryWorker(store, store, {"slack": platform}, DeliveryTimeouts(now=clock, sleep=sleep))
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(60):
        await done.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    for channel in (CHANNEL, OTHER_CHANNEL):
        assert next(message.card.title for message in platform.posted if message.channel == channel).endswith(
            "clear again after 4h 58m"
        )


def _raise(error: Exception) -> None:
    raise error
