"""Redis implementation of the watch repository and the outbox."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_network

from redis.asyncio import Redis

from bot.models import Address
from bot.monitoring.dnsbl_quarantine import ListNotice, NoticeReason, QuarantineState
from bot.monitoring.history import History, dump_history, load_history, record_changes
from bot.monitoring.interfaces import (
    MAX_WATCHES_PER_CHANNEL,
    MAX_WATCHES_PER_WORKSPACE,
    ChannelSettings,
    ListNoticeMessage,
    OutboxMessage,
    StoredWatch,
    TooManyWatches,
)
from bot.monitoring.models import Channel, Incident, Watch
from bot.monitoring.schedule import JITTER, Multipliers, first_due, next_digest, watch_interval
from bot.monitoring.serialization import (
    channel_location,
    dump,
    dump_incident,
    from_timestamp,
    load,
    parse_incident,
    parse_message,
    parse_watch,
    poll_subject,
    updated_history,
    watch_entry,
)
from bot.storage.channel_store import ChannelStore
from bot.storage.outbox_store import DigestStore, OutboxStore
from bot.storage.poll_store import PollStore
from bot.storage.watch_store import WatchRow, WatchStore, WatchUpdate

_NAMES: tuple[Callable[[StoredWatch], str], ...] = (
    lambda stored: stored.watch.id,
    lambda stored: stored.watch.subject,
    lambda stored: stored.watch.name,
)
PAUSE_TTL = timedelta(days=30)
MAX_DELAY = timedelta(hours=1, minutes=1)  # of a channel: longer than any retry
UNKNOWN_ATTEMPT_AGE = timedelta(days=1)  # so far back an attempt is looked up whose time is not known
RESUME_WITHIN = timedelta(minutes=5)  # first poll after a resume
LIMIT_ADVICE = "End one that you no longer need, or watch a whole range at once, such as 203.0.113.0/28."
LIMIT_MESSAGES = {
    "room": f"This room has {MAX_WATCHES_PER_CHANNEL} watches, which is the most. {LIMIT_ADVICE}",
    "space": (f"This workspace has {MAX_WATCHES_PER_WORKSPACE} watches, which is the most. {LIMIT_ADVICE}"),
}


class RedisRepository:
    """Implements `WatchRepository` and `Outbox`.

    `clock` returns aware datetimes. Every method raises StoreUnavailable where Redis does not
    answer.
    """

    def __init__(self, redis: Redis, clock: Callable[[], datetime]) -> None:
        self.watches = WatchStore(redis)
        self.channels = ChannelStore(redis)
        self.outbox = OutboxStore(redis)
        self.digests = DigestStore(redis)
        self.polls = PollStore(redis)
        self._clock = clock

    async def add(self, watch: Watch, incident: Incident, due: datetime) -> bool:
        limits = (MAX_WATCHES_PER_CHANNEL, MAX_WATCHES_PER_WORKSPACE)
        history = dump_history(
            record_changes(History(), Incident(watch.id, incident.started_at), incident, incident.started_at)
        )
        status = await self.watches.add(watch_entry(watch), dump_incident(incident), history, due.timestamp(), limits)
        if status in LIMIT_MESSAGES:
            raise TooManyWatches(LIMIT_MESSAGES[status])
        await self.polls.mark_finished(self._clock().timestamp())
        return status == "added"

    async def find(self, channel: Channel, query: str) -> StoredWatch | None:
        normalized = " ".join(query.lower().split())
        watches = await self.list_watches(channel)
        matches = (stored for name in _NAMES for stored in watches if normalized and name(stored).lower() == normalized)
        return next(matches, None)

    async def list_watches(self, channel: Channel) -> Sequence[StoredWatch]:
        """Oldest first."""
        rows = [(parse_watch(row), parse_incident(row)) for row in await self._rows(channel)]
        rows.sort(key=lambda pair: (pair[0].created_at, pair[0].id))
        due_times = await self.watches.next_polls([poll_subject(watch) for watch, _ in rows])
        paused = await self.channels.is_paused(channel_location(channel))
        factors = await self._multipliers(channel)
        return [
            StoredWatch(watch, incident, self._next_poll_at(due, interval), interval, paused)
            for (watch, incident), due in zip(rows, due_times, strict=True)
            for interval in [watch_interval(watch, factors)]
        ]

    async def is_watched(self, ip: Address) -> bool:
        """Whether any watch covers this address, alone or in a range."""
        async for subject in self.watches.targets():
            if _contains(subject, ip):
                return True
        return False

    async def effective_interval(self, watch: Watch) -> timedelta:
        """Effective interval of a watch, longer than requested if a list budget requires it."""
        return watch_interval(watch, await self._multipliers(watch.channel))

    async def remove(self, channel: Channel, watch_id: str) -> bool:
        row = await self._row(channel, watch_id)
        return row is not None and await self.watches.remove(watch_entry(parse_watch(row)))

    async def update_incident(self, channel: Channel, watch_id: str, incident: Incident, expected: Incident) -> bool:
        """Ending a mute schedules its deferred alerts at once."""
        row = await self._row(channel, watch_id)
        if row is None or parse_incident(row) != expected:
            return False
        now = self._clock()
        tell_at = now.timestamp() if expected.muted and not incident.muted else None
        row = replace(row, history=await self.watches.history(str(channel), watch_id))
        change = WatchUpdate(row, dump_incident(incident), history=updated_history(row, expected, incident, now))
        return await self.watches.update_incident(change, poll_subject(parse_watch(row)), tell_at)

    async def history(self, channel: Channel, watch_id: str) -> History:
        return load_history(await self.watches.history(str(channel), watch_id))

    async def histories(self, channel: Channel) -> Mapping[str, History]:
        return {id: load_history(text) for id, text in (await self.watches.histories(str(channel))).items()}

    async def settings(self, channel: Channel) -> ChannelSettings:
        text = await self.channels.settings(channel_location(channel))
        settings = load(ChannelSettings, text) if text else ChannelSettings()
        return replace(settings, list_notices=await self.channels.gets_list_notices(channel_location(channel)))

    async def set_settings(self, channel: Channel, settings: ChannelSettings) -> None:
        """The last channel of a workspace that turned on list notices gets them."""
        first = next_digest(str(channel), self._clock()).timestamp() if settings.weekly_digest else None
        await self.channels.set_settings(
            channel_location(channel), dump(settings, omit="lists"), settings.list_notices, first
        )

    async def pause_channel(self, channel: Channel) -> None:
        await self.channels.pause(str(channel), (self._clock() + PAUSE_TTL).timestamp())

    async def pause_workspace(self, platform: str, workspace: str) -> None:
        await self.channels.pause(f"{platform}/{workspace}", (self._clock() + PAUSE_TTL).timestamp())

    async def resume_channel(self, channel: Channel) -> bool:
        was_paused = await self.channels.resume(str(channel))
        if was_paused:
            await self._resume(channel)
        return await self.resume_workspace(channel.platform, channel.workspace) or was_paused

    async def resume_workspace(self, platform: str, workspace: str) -> bool:
        """True if it was paused."""
        was_paused = await self.channels.resume(f"{platform}/{workspace}")
        for channel in await self.channels.list_channels(f"{platform}/{workspace}") if was_paused else ():
            await self._resume(Channel.parse(channel))
        return was_paused

    async def purge_channel(self, channel: Channel) -> None:
        for row in await self._rows(channel):
            await self.watches.remove(watch_entry(parse_watch(row)))
        await self.channels.delete_channel(channel_location(channel))

    async def purge_workspace(self, platform: str, workspace: str) -> None:
        """Idempotent, so it can be repeated after an interruption."""
        for channel in await self.channels.list_channels(f"{platform}/{workspace}"):
            await self.purge_channel(Channel.parse(channel))
        await self.channels.delete_workspace(f"{platform}/{workspace}")

    async def purge_expired(self) -> int:
        """Purge channels and workspaces paused for 30 days; returns their number."""
        now = self._clock()
        pauses = await self.channels.paused((now + PAUSE_TTL).timestamp())
        expired = [name for name, until in pauses.items() if until <= now.timestamp()]
        for name in expired:
            if name.count("/") == 1:
                await self.purge_workspace(*name.split("/"))
            else:
                await self.purge_channel(Channel.parse(name))
        return len(expired)

    async def audit(self, channel: Channel, actor: str, action: str, old: str = "", new: str = "") -> None:
        line = {"room": str(channel), "who": actor, "what": action, "old": old, "new": new}
        await self.channels.append_audit(
            channel_location(channel).workspace, {name: text for name, text in line.items() if text}
        )

    async def ready_channels(self) -> Sequence[Channel]:
        ready = await self.outbox.ready_channels(self._clock().timestamp(), MAX_DELAY.total_seconds())
        return [Channel.parse(channel) for channel in ready]

    async def peek(self, channel: Channel) -> OutboxMessage | None:
        """Where an attempt began ahead of time, it is taken to begin now, and at the next look to be a day old."""
        head = await self.outbox.peek(str(channel))
        if head is None:
            return None
        message = parse_message(head.text)
        now, intent = self._clock(), None if head.send_started_at is None else from_timestamp(head.send_started_at)
        if intent and await self.outbox.clamp_attempt(
            str(channel), now.timestamp(), (now - UNKNOWN_ATTEMPT_AGE).timestamp()
        ):
            intent = now
        return replace(message, channel=channel, send_started_at=intent, attempts=head.attempts)

    async def begin_attempt(self, message: OutboxMessage, now: datetime) -> OutboxMessage | None:
        claimed = await self.outbox.begin_attempt(str(message.channel), message.id, now.timestamp(), message.attempts)
        return replace(message, send_started_at=now, attempts=message.attempts + 1) if claimed else None

    async def revert_attempt(self, message: OutboxMessage, retry_at: datetime) -> None:
        await self.outbox.revert_attempt(str(message.channel), message.id, retry_at.timestamp(), message.attempts)

    async def delay(self, message: OutboxMessage, until: datetime) -> None:
        await self.outbox.delay(str(message.channel), message.id, until.timestamp())

    async def mark_sent(self, message: OutboxMessage, message_id: str) -> None:
        thread = message.thread_key if message.is_root else ""
        await self.outbox.mark_sent(str(message.channel), message.id, thread, message_id)

    async def mark_dropped(self, message: OutboxMessage, reason: str) -> None:
        if await self.outbox.mark_dropped(str(message.channel), message.id):
            await self.audit(message.channel, "mailcheck", "dropped", message.id, reason)

    async def root_message_id(self, channel: Channel, thread_key: str) -> str | None:
        return await self.outbox.root_message_id(str(channel), thread_key)

    async def store_started_at(self) -> datetime:
        """Rounded down: Redis reports uptime in whole seconds."""
        return self._clock() - timedelta(seconds=await self.outbox.uptime_s() + 1)

    async def last_poll_at(self) -> datetime | None:
        """Time of the last poll round of any worker; None if more than an hour ago."""
        at = await self.polls.last_poll_at(self._clock().timestamp())
        return None if at is None else from_timestamp(at)

    async def list_channels(self, platform: str, workspace: str) -> Sequence[Channel]:
        return [Channel.parse(channel) for channel in await self.channels.list_channels(f"{platform}/{workspace}")]

    async def list_workspaces(self) -> Sequence[tuple[str, str]]:
        """Platform and workspace of every watch."""
        names = sorted({name.partition(" ")[0] for name in await self.watches.demand()})
        return [(platform, workspace) for platform, _, workspace in (name.partition("/") for name in names)]

    async def quarantine_state(self) -> QuarantineState | None:
        """State of all lists; None before the first round."""
        _, text = await self.polls.quarantine_state()
        return load(QuarantineState, text) if text else None

    async def store_quarantine_state(
        self, operation: str, text: str, notices: Sequence[ListNotice], list_names: Mapping[str, str]
    ) -> bool:
        """Replace the list state if `operation` still is the last one, and enqueue the notices.

        Channels get notices about quarantine only; unresponsive lists are logged for the operator.
        """
        announced = [notice for notice in notices if notice.reason in (NoticeReason.QUARANTINED, NoticeReason.TRUSTED)]
        channels = await self.channels.list_notice_channels() if announced else ()
        messages = [
            ListNoticeMessage(
                f"list.{notice.key}",
                Channel.parse(channel),
                notice,
                list_names.get(notice.list_ids[0], notice.list_ids[0]),
                self._clock(),
            )
            for notice in announced
            for channel in channels
        ]
        outgoing = [(str(message.channel), message.id, dump(message)) for message in messages]
        return await self.polls.replace_quarantine_state(
            operation, text, [dump(notice) for notice in notices], outgoing
        )

    async def quarantined_lists(self) -> frozenset[str]:
        """Ids of lists in quarantine."""
        _, text = await self.polls.quarantine_state()
        return load(QuarantineState, text).quarantined if text else frozenset()

    async def list_notices(self, limit: int = 10) -> list[ListNotice]:
        """Recent list notices, newest first."""
        return [load(ListNotice, text) for text in await self.polls.list_notices(limit)]

    async def _resume(self, channel: Channel) -> None:
        """Schedule its polls within five minutes, and its messages at once."""
        subjects, now = ([poll_subject(parse_watch(row)) for row in await self._rows(channel)], self._clock())
        await self.watches.bring_forward({s: first_due(s, RESUME_WITHIN, now).timestamp() for s in subjects})
        await self.outbox.end_delays([str(channel)])
        await self.polls.mark_finished(now.timestamp())

    def _next_poll_at(self, due: float | None, interval: timedelta) -> datetime | None:
        """At the latest an interval from now, as the poller sees it."""
        latest = self._clock() + interval * (1 + JITTER)
        return None if due is None else min(from_timestamp(due), latest)

    async def _multipliers(self, channel: Channel) -> Multipliers:
        factors: Multipliers = json.loads(
            await self.polls.workspace_multipliers(channel_location(channel).workspace) or "{}"
        )
        return factors

    async def _rows(self, channel: Channel) -> list[WatchRow]:
        return await self.watches.list_watches(str(channel))

    async def _row(self, channel: Channel, watch_id: str) -> WatchRow | None:
        return next((row for row in await self._rows(channel) if row.id == watch_id), None)


def _contains(subject: str, ip: Address) -> bool:
    _, network, *_ = subject.split()
    try:
        return ip in ip_network(network)
    except ValueError:
        return False  # a domain
