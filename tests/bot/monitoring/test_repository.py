"""Redis repository and outbox: isolation of channels, limits, concurrency, order."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest
from redis.asyncio import Redis

from bot.models import Role
from bot.monitoring.alert_state import acknowledge, mute, unmute
from bot.monitoring.interfaces import (
    MAX_WATCHES_PER_CHANNEL,
    MAX_WATCHES_PER_WORKSPACE,
    AlertMessage,
    ChannelSettings,
    StoredWatch,
    TooManyWatches,
)
from bot.monitoring.models import Channel, Watch
from bot.monitoring.repository import RedisRepository
from bot.monitoring.serialization import dump, dump_incident
from bot.storage import StoreUnavailable
from bot.storage.watch_store import NOTIFY_SCHEDULE, PollResultRow, WatchUpdate
from tests.support.incident_stories import T0
from tests.support.redis_server import RedisServer
from tests.support.stored_watches import CHANNEL, OTHER_CHANNEL, Clock, baseline, numbered_watch, open_incident, watch

DUE = T0 + timedelta(minutes=20)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def repository(redis: Redis, clock: Clock) -> RedisRepository:
    return RedisRepository(redis, clock)


async def enqueue_alert(repository: RedisRepository, watched: Watch, results: str = "a+") -> list[AlertMessage]:
    """Store a poll that opened an incident, and its messages, as the poller does."""
    now = DUE.timestamp()
    (claimed,) = [
        target for target in await repository.watches.claim(now, (60, 300), 100) if target.watches[0].id == watched.id
    ]
    incident, alerts = open_incident(baseline(watched), results)
    messages = [AlertMessage(alert.key, watched.channel, alert) for alert in alerts]
    change = WatchUpdate(
        claimed.watches[0], dump_incident(incident), [(message.id, dump(message)) for message in messages]
    )
    assert await repository.watches.apply([PollResultRow(claimed, [change], next_poll_at=now + 3600)], now) == ["done"]
    return messages


async def test_add_stores_watch_unchanged(repository: RedisRepository) -> None:
    requested = watch("203.0.113.0/28", "example.com", name="HQ egress")
    incident = baseline(requested, "a+ b-")
    assert await repository.add(requested, incident, DUE)
    (stored,) = await repository.list_watches(CHANNEL)
    assert (stored.watch, stored.incident, stored.next_poll_at, stored.interval, stored.paused) == (
        requested,
        incident,
        DUE,
        requested.interval,
        False,
    )


async def test_address_is_watched_alone_or_in_range(repository: RedisRepository) -> None:
    for watched in (watch("203.0.113.0/28"), watch("192.0.2.1", "example.com")):
        assert await repository.add(watched, baseline(watched), DUE)
    addresses = ("203.0.113.15", "203.0.113.16", "192.0.2.1", "2001:db8::1")
    assert [await repository.is_watched(ip_address(text)) for text in addresses] == [True, False, True, False]


async def test_add_same_watch_twice_stores_one(repository: RedisRepository) -> None:
    assert await repository.add(watch(), baseline(watch()), DUE)
    assert not await repository.add(watch(interval=timedelta(minutes=5)), baseline(watch()), DUE)
    assert len(await repository.list_watches(CHANNEL)) == 1


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("203.0.113.5", True),
        ("  HQ  Egress ", True),
        (watch(name="HQ egress").id, True),
        ("203.0.113.6", False),
        ("", False),
        (watch(channel=OTHER_CHANNEL).id, False),
    ],
)
async def test_find_accepts_id_subject_or_name(repository: RedisRepository, query: str, expected: bool) -> None:
    await repository.add(watch(name="HQ egress"), baseline(watch()), DUE)
    await repository.add(watch(channel=OTHER_CHANNEL), baseline(watch(channel=OTHER_CHANNEL)), DUE)
    found = await repository.find(CHANNEL, query)
    assert [stored.watch.channel for stored in found] == ([CHANNEL] if expected else [])


async def test_watch_of_other_channel_is_not_found(repository: RedisRepository) -> None:
    hidden = watch(channel=OTHER_CHANNEL)
    incident = baseline(hidden)
    await repository.add(hidden, incident, DUE)
    assert not await repository.find(CHANNEL, hidden.id)
    assert not await repository.remove(CHANNEL, hidden.id)
    assert not await repository.update_incident(CHANNEL, hidden.id, mute(incident, "U1", DUE), incident)
    assert [stored.incident for stored in await repository.list_watches(OTHER_CHANNEL)] == [incident]


async def test_get_finds_removed_watch_only_while_its_alerts_wait(repository: RedisRepository) -> None:
    stayed, left = watch("203.0.113.6/32", name="HQ egress"), watch()
    for added in (stayed, left):
        await repository.add(added, baseline(added), DUE)
    await enqueue_alert(repository, left)
    assert await repository.get(CHANNEL, stayed.id) == StoredWatch(stayed, baseline(stayed))
    assert await repository.remove(CHANNEL, left.id)
    stored = await repository.get(CHANNEL, left.id)
    assert stored
    assert (stored.watch, stored.removed) == (left, True)
    assert await repository.get(OTHER_CHANNEL, left.id) is None
    message = await repository.peek(CHANNEL)
    assert message
    await repository.mark_sent(message, "1.0")
    assert await repository.remove(CHANNEL, stayed.id)
    assert await repository.get(CHANNEL, stayed.id) is None


async def test_add_over_channel_or_workspace_limit_raises(repository: RedisRepository) -> None:
    for number in range(MAX_WATCHES_PER_WORKSPACE):
        channel = replace(CHANNEL, id=f"C{number // MAX_WATCHES_PER_CHANNEL}")
        assert await repository.add(numbered_watch(number, channel), baseline(watch()), DUE)
    for channel, limit in (
        (replace(CHANNEL, id="C0"), MAX_WATCHES_PER_CHANNEL),
        (OTHER_CHANNEL, MAX_WATCHES_PER_WORKSPACE),
    ):
        with pytest.raises(TooManyWatches, match=f"has {limit} watches"):
            await repository.add(numbered_watch(9999, channel), baseline(watch()), DUE)
    assert await repository.remove(replace(CHANNEL, id="C1"), numbered_watch(50, replace(CHANNEL, id="C1")).id)
    assert await repository.add(numbered_watch(9999, OTHER_CHANNEL), baseline(watch()), DUE)
    assert await repository.add(numbered_watch(9999, Channel("slack", "T9", "C1")), baseline(watch()), DUE)


async def test_update_of_changed_incident_is_refused(repository: RedisRepository) -> None:
    incident, _ = open_incident(baseline(watch()))
    await repository.add(watch(), incident, DUE)
    first, second = acknowledge(incident, "U1", T0), acknowledge(incident, "U2", T0)
    assert await repository.update_incident(CHANNEL, watch().id, first, incident)
    assert not await repository.update_incident(CHANNEL, watch().id, second, incident)
    assert [stored.incident for stored in await repository.list_watches(CHANNEL)] == [first]


async def test_unmute_schedules_notification(repository: RedisRepository, clock: Clock) -> None:
    muted = mute(baseline(watch()), "U1", DUE)
    await repository.add(watch(), muted, DUE)
    assert await repository.watches.claim(clock().timestamp(), (60, 300), 100, NOTIFY_SCHEDULE) == []
    await repository.update_incident(CHANNEL, watch().id, unmute(muted), muted)
    assert len(await repository.watches.claim(clock().timestamp(), (60, 300), 100, NOTIFY_SCHEDULE)) == 1


async def test_removing_last_watch_of_target_stops_polls(repository: RedisRepository, redis: Redis) -> None:
    for channel in (CHANNEL, OTHER_CHANNEL):
        await repository.add(watch(channel=channel), baseline(watch(channel=channel)), DUE)
    assert [await repository.remove(CHANNEL, watch().id) for _ in range(2)] == [True, False]
    assert await redis.zcard("mc1:looks") == 1
    assert await repository.remove(OTHER_CHANNEL, watch(channel=OTHER_CHANNEL).id)
    assert [key async for key in redis.scan_iter("mc1:*") if not key.startswith(("mc1:done:", "mc1:polled"))] == []


async def test_paused_channel_is_not_polled(repository: RedisRepository, clock: Clock) -> None:
    for channel in (CHANNEL, OTHER_CHANNEL):
        await repository.add(watch(channel=channel), baseline(watch(channel=channel)), DUE)
    await repository.add(watch(role=Role.CLIENT), baseline(watch(role=Role.CLIENT)), DUE)
    await repository.pause_channel(CHANNEL)
    assert [stored.paused for stored in await repository.list_watches(CHANNEL)] == [True, True]
    claimed = await repository.watches.claim(DUE.timestamp(), (60, 300), 100)
    assert [[row.channel for row in target.watches] for target in claimed] == [[str(OTHER_CHANNEL)]]
    assert [await repository.resume_channel(CHANNEL) for _ in range(2)] == [True, False]
    assert all(
        stored.next_poll_at and stored.next_poll_at <= clock.now + timedelta(minutes=5)
        for stored in await repository.list_watches(CHANNEL)
    )


async def test_paused_workspace_pauses_its_channels(repository: RedisRepository, clock: Clock) -> None:
    unaffected = replace(CHANNEL, workspace="T0999")
    for channel in (CHANNEL, OTHER_CHANNEL, unaffected):
        await repository.add(watch(channel=channel), baseline(watch(channel=channel)), DUE)
    await repository.pause_channel(OTHER_CHANNEL)
    await repository.pause_workspace(CHANNEL.platform, CHANNEL.workspace)
    assert [(await repository.list_watches(channel))[0].paused for channel in (CHANNEL, OTHER_CHANNEL, unaffected)] == [
        True,
        True,
        False,
    ]
    claimed = await repository.watches.claim(DUE.timestamp(), (60, 300), 100)
    assert [[row.channel for row in target.watches] for target in claimed] == [[str(unaffected)]]
    assert [await repository.resume_channel(CHANNEL) for _ in range(2)] == [True, False]
    assert [(await repository.list_watches(channel))[0].paused for channel in (CHANNEL, OTHER_CHANNEL, unaffected)] == [
        False,
        True,
        False,
    ]
    assert all(
        stored.next_poll_at and stored.next_poll_at <= clock.now + timedelta(minutes=5)
        for stored in await repository.list_watches(CHANNEL)
    )


async def test_workspace_pause_expires_after_thirty_days(repository: RedisRepository, clock: Clock) -> None:
    for channel in (CHANNEL, OTHER_CHANNEL):
        await repository.add(watch(channel=channel), baseline(watch(channel=channel)), DUE)
    await repository.pause_workspace(CHANNEL.platform, CHANNEL.workspace)
    clock.now += timedelta(days=29)
    assert await repository.purge_expired() == 0
    clock.now += timedelta(days=1)
    assert await repository.purge_expired() == 1
    assert [len(await repository.list_watches(channel)) for channel in (CHANNEL, OTHER_CHANNEL)] == [0, 0]
    assert await repository.purge_expired() == 0


async def test_channel_pause_expires_after_thirty_days(repository: RedisRepository, clock: Clock) -> None:
    for channel in (CHANNEL, OTHER_CHANNEL):
        await repository.add(watch(channel=channel), baseline(watch(channel=channel)), DUE)
    await repository.pause_channel(CHANNEL)
    clock.now += timedelta(days=29)
    await repository.pause_channel(CHANNEL)
    assert await repository.purge_expired() == 0
    clock.now += timedelta(days=1)
    assert await repository.purge_expired() == 1
    assert [len(await repository.list_watches(channel)) for channel in (CHANNEL, OTHER_CHANNEL)] == [0, 1]


async def test_purged_workspace_leaves_no_keys(repository: RedisRepository, redis: Redis) -> None:
    channels = [
        Channel(platform, workspace, f"19:a*[b]@{n}")
        for platform, workspace in (("teams", "T1"), ("teams", "T12"))
        for n in "xy"
    ]
    for channel in channels:
        watched = watch(channel=channel)
        await repository.add(watched, baseline(watched), DUE)
        await repository.set_settings(channel, ChannelSettings(creator_only=True))
        await repository.audit(channel, "U1", "watch", new=watched.subject)
    targets = await repository.watches.claim(DUE.timestamp(), (60, 300), 10)
    incident, alerts = open_incident(baseline(watch(channel=channels[0])))
    changes = [
        WatchUpdate(
            row,
            dump_incident(incident),
            [(alerts[0].key, dump(AlertMessage(alerts[0].key, Channel.parse(row.channel), alerts[0])))],
        )
        for row in targets[0].watches
    ]
    await repository.watches.apply([PollResultRow(targets[0], changes, next_poll_at=0)], 0)
    for channel in channels[1:]:  # the first message still waits
        message = await repository.peek(channel)
        assert message
        await repository.mark_sent(message, "1.0")
    for _ in range(2):
        await repository.purge_workspace("teams", "T1")
    keys = {key async for key in redis.scan_iter("mc1:*")}
    assert not {key for key in keys if "T1/" in key or key.endswith("T1")}
    assert [len(await repository.list_watches(channel)) for channel in channels] == [0, 0, 1, 1]
    assert await repository.root_message_id(channels[2], alerts[0].thread_key) == "1.0"


async def test_channel_settings_are_stored(repository: RedisRepository) -> None:
    settings = ChannelSettings(update_mode="edit-only", reminders=False)
    await repository.set_settings(CHANNEL, settings)
    assert [await repository.settings(channel) for channel in (CHANNEL, OTHER_CHANNEL)] == [settings, ChannelSettings()]


async def test_audit_lines_are_stored_per_workspace(redis: Redis, repository: RedisRepository) -> None:
    await repository.audit(CHANNEL, "U1", "watch", new="203.0.113.5")
    await repository.audit(OTHER_CHANNEL, "U2", "mute", old="", new="24h")
    lines = [line for _, line in await redis.xrevrange("mc1:audit:slack/T0123ABCD")]
    assert [(line["who"], line["what"], line["new"]) for line in lines] == [
        ("U2", "mute", "24h"),
        ("U1", "watch", "203.0.113.5"),
    ]


async def test_outbox_is_ordered_until_sent_or_dropped(repository: RedisRepository) -> None:
    sent: list[str] = []
    expected: list[str] = []
    for number in range(3):
        await repository.add(numbered_watch(number), baseline(numbered_watch(number)), DUE)
        expected += [message.id for message in await enqueue_alert(repository, numbered_watch(number))]
    while message := await repository.peek(CHANNEL):
        assert message == await repository.peek(CHANNEL)
        assert await repository.ready_channels() == [CHANNEL]
        sent.append(message.id)
        await (
            repository.mark_dropped(message, "archived")
            if len(sent) == 2
            else repository.mark_sent(message, f"{len(sent)}.0")
        )
    assert sent == expected
    assert await repository.ready_channels() == []


async def test_two_senders_of_a_message_one_wins(repository: RedisRepository, clock: Clock) -> None:
    await repository.add(watch(), baseline(watch()), DUE)
    await enqueue_alert(repository, watch())
    copies = [await repository.peek(CHANNEL) for _ in range(2)]
    assert all(message and message.send_started_at is None and message.attempts == 0 for message in copies)
    started, late = [await repository.begin_attempt(message, clock.now) for message in copies if message]
    assert started
    assert late is None
    assert started == await repository.peek(CHANNEL)
    assert (started.send_started_at, started.attempts) == (clock.now, 1)
    assert await repository.begin_attempt(started, clock.add(30))


async def test_slow_sender_reverts_no_newer_attempt(repository: RedisRepository, clock: Clock) -> None:
    await repository.add(watch(), baseline(watch()), DUE)
    (message,) = await enqueue_alert(repository, watch())
    slow = await repository.begin_attempt(message, clock.now)
    assert slow
    newer = await repository.begin_attempt(slow, clock.add(30))
    await repository.revert_attempt(slow, clock.now)
    assert newer == await repository.peek(CHANNEL)


async def test_channel_delay_is_never_shortened(repository: RedisRepository, clock: Clock) -> None:
    await repository.add(watch(), baseline(watch()), DUE)
    (message,) = await enqueue_alert(repository, watch())
    started = await repository.begin_attempt(message, clock.now)
    assert started
    await repository.revert_attempt(started, clock.now + timedelta(seconds=30))
    await repository.delay(message, clock.now + timedelta(seconds=1))
    clock.add(29)
    assert await repository.ready_channels() == []


async def test_delayed_channel_is_ready_after_delay(repository: RedisRepository, clock: Clock) -> None:
    await repository.add(watch(), baseline(watch()), DUE)
    (message,) = await enqueue_alert(repository, watch())
    started = await repository.begin_attempt(message, clock.now)
    assert started
    await repository.revert_attempt(started, clock.now + timedelta(seconds=30))
    assert await repository.ready_channels() == []
    clock.add(30)
    assert await repository.ready_channels() == [CHANNEL]
    pending = await repository.peek(CHANNEL)
    assert pending
    assert (pending.send_started_at, pending.attempts) == (None, 1)


async def test_resume_clears_outbox_delay(repository: RedisRepository, clock: Clock) -> None:
    await repository.add(watch(), baseline(watch()), DUE)
    (message,) = await enqueue_alert(repository, watch())
    await repository.pause_channel(CHANNEL)
    await repository.delay(message, clock.now + timedelta(hours=1))
    assert await repository.ready_channels() == []
    await repository.resume_channel(CHANNEL)
    assert await repository.ready_channels() == [CHANNEL]


async def test_delay_preserves_the_started_attempt(repository: RedisRepository, clock: Clock) -> None:
    await repository.add(watch(), baseline(watch()), DUE)
    (message,) = await enqueue_alert(repository, watch())
    await repository.begin_attempt(message, clock.now)
    await repository.delay(message, clock.now + timedelta(seconds=11))
    assert await repository.ready_channels() == []
    started_at = clock.now
    clock.add(11)
    assert await repository.ready_channels() == [CHANNEL]
    pending = await repository.peek(CHANNEL)
    assert pending
    assert (pending.send_started_at, pending.attempts) == (started_at, 1)


async def test_thread_is_known_after_root_is_sent(repository: RedisRepository) -> None:
    await repository.add(watch(), baseline(watch()), DUE)
    (message,) = await enqueue_alert(repository, watch())
    assert await repository.root_message_id(CHANNEL, message.alert.thread_key) is None
    await repository.mark_sent(message, "1700000000.000100")
    assert await repository.root_message_id(CHANNEL, message.alert.thread_key) == "1700000000.000100"
    assert await repository.root_message_id(OTHER_CHANNEL, message.alert.thread_key) is None


async def test_store_start_time_is_known(repository: RedisRepository, clock: Clock) -> None:
    assert timedelta(0) <= clock.now - await repository.store_started_at() < timedelta(hours=1)


async def test_unavailable_store_raises_with_one_sentence(
    redis_server: RedisServer, repository: RedisRepository
) -> None:
    await repository.add(watch(), baseline(watch()), DUE)
    calls: Sequence[Awaitable[object]] = (
        repository.add(watch(), baseline(watch()), DUE),
        repository.list_watches(CHANNEL),
        repository.settings(CHANNEL),
        repository.peek(CHANNEL),
        repository.ready_channels(),
    )
    redis_server.kill()
    try:
        for call in calls:
            with pytest.raises(StoreUnavailable, match="does not answer"):
                await call
    finally:
        redis_server.start()
    assert len(await repository.list_watches(CHANNEL)) == 1


async def test_mute_is_recorded_in_history(repository: RedisRepository, clock: Clock) -> None:
    watched = watch()
    incident = baseline(watched, "a+")
    await repository.add(watched, incident, DUE)
    clock.add(3600)
    muted = mute(incident, "Ada", clock() + timedelta(hours=8))
    assert await repository.update_incident(CHANNEL, watched.id, muted, expected=incident)
    clock.add(3600)
    assert await repository.update_incident(CHANNEL, watched.id, unmute(muted), expected=muted)
    history = await repository.history(CHANNEL, watched.id)
    assert [(span.since, span.until) for span in history.track("blocklist:a").spans] == [(T0, None)]
    assert [(span.until, span.actor) for span in history.track("muted").spans] == [(clock(), "Ada")]
    assert await repository.histories(CHANNEL) == {watched.id: history}


async def test_refused_update_is_not_recorded_in_history(repository: RedisRepository, clock: Clock) -> None:
    watched = watch()
    incident = baseline(watched)
    await repository.add(watched, incident, DUE)
    assert await repository.update_incident(
        CHANNEL, watched.id, mute(incident, "Ada", clock.add(3600)), expected=incident
    )
    assert not await repository.update_incident(
        CHANNEL, watched.id, mute(incident, "Bo", clock.add(3600)), expected=incident
    )
    assert [span.actor for span in (await repository.history(CHANNEL, watched.id)).track("muted").spans] == ["Ada"]


async def test_remove_deletes_history(repository: RedisRepository, redis: Redis) -> None:
    removed, remaining = watch(), watch(domain="example.com")
    for watched in (removed, remaining):
        await repository.add(watched, baseline(watched, "a+"), DUE)
    await repository.remove(CHANNEL, removed.id)
    assert list(await repository.histories(CHANNEL)) == [remaining.id]
    await repository.purge_channel(CHANNEL)
    assert [key async for key in redis.scan_iter("mc1:history:*")] == []
