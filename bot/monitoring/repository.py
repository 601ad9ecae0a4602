"""Redis implementation of the watch repository and the outbox."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from redis.asyncio import Redis

from bot.models import Address, Report
from bot.monitoring.channel_follows import parse_settings
from bot.monitoring.dnsbl_quarantine import ListNotice, NoticeReason, QuarantineState
from bot.monitoring.domain_records import DomainRecordStore
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
from bot.monitoring.messages import CHANNEL_LIMIT, WORKSPACE_LIMIT
from bot.monitoring.models import Channel, Incident, Watch
from bot.monitoring.schedule import JITTER, Multipliers, first_due, next_digest, watch_interval
from bot.monitoring.serialization import (
    channel_location,
    dump,
    dump_incident,
    load,
    parse_incident,
    parse_message,
    parse_multipliers,
    parse_watch,
    poll_subject,
    updated_history,
    watch_entry,
)
from bot.monitoring.stored_types import from_timestamp
from bot.monitoring.watch_search import covers, find_watches
from bot.storage.channel_store import LIST_NOTICES_KEY, ChannelStore
from bot.storage.outbox_store import DigestStore, OutboxHead, OutboxStore
from bot.storage.poll_store import PollStore
from bot.storage.unreadable import UNREADABLE_ERRORS, UnreadableValues, check_text, is_text
from bot.storage.watch_store import PAUSED_RECHECK_S, POLL_SCHEDULE, WatchRow, WatchStore, WatchUpdate

PAUSE_TTL = timedelta(days=30)
MAX_DELAY = timedelta(hours=1, minutes=1)  # of a channel: longer than any retry
UNKNOWN_ATTEMPT_AGE = timedelta(days=1)  # so far back an attempt is looked up whose time is not known
RESUME_WITHIN = timedelta(minutes=5)  # first poll after a resume
ANNOUNCED = frozenset({NoticeReason.QUARANTINED, NoticeReason.TRUSTED})
LIMIT_MESSAGES = {
    "channel": CHANNEL_LIMIT.format(count=MAX_WATCHES_PER_CHANNEL),
    "workspace": WORKSPACE_LIMIT.format(count=MAX_WATCHES_PER_WORKSPACE),
}


class RedisRepository:
    """Implements `WatchRepository` and `Outbox`.

    `clock` returns aware datetimes. Every method raises StoreUnavailable where Redis does not
    answer.
    """

    def __init__(self, redis: Redis, clock: Callable[[], datetime], unreadable: UnreadableValues | None = None) -> None:
        self.unreadable = unreadable or UnreadableValues(redis)
        self.watches = WatchStore(redis, self.unreadable)
        self.channels = ChannelStore(redis, self.unreadable)
        self.outbox = OutboxStore(redis, self.unreadable)
        self.digests = DigestStore(redis, self.unreadable)
        self.polls = PollStore(redis, self.unreadable)
        self.domain_records = DomainRecordStore(self.polls, self.unreadable)
        self._clock = clock

    async def add(self, watch: Watch, incident: Incident, due: datetime, reports: Sequence[Report] = ()) -> bool:
        limits = (MAX_WATCHES_PER_CHANNEL, MAX_WATCHES_PER_WORKSPACE)
        history = dump_history(
            record_changes(History(), Incident(watch.id, incident.started_at), incident, incident.started_at)
        )
        status = await self.watches.add(watch_entry(watch), dump_incident(incident), history, due.timestamp(), limits)
        if status in LIMIT_MESSAGES:
            raise TooManyWatches(LIMIT_MESSAGES[status])
        await self.polls.mark_finished(self._clock().timestamp())
        if watch.domain:
            await self.domain_records.accept(watch.domain, reports, incident, self._clock())
        return status == "added"

    async def find(self, channel: Channel, query: str) -> Sequence[StoredWatch]:
        """The watches of a channel that the query names; several where it is ambiguous."""
        return find_watches(query, await self.list_watches(channel), lambda stored: stored.watch)

    async def get(self, channel: Channel, watch_id: str) -> StoredWatch | None:
        row, removed = await self.watches.get(str(channel), watch_id)
        paused = await self.channels.is_paused(channel_location(channel))
        if row and (pair := self._parse_row(row)):
            return StoredWatch(*pair, paused=paused)
        removed_row = WatchRow(str(channel), watch_id, removed, "", "")
        watch = self.unreadable.parse(f"mc1:removed:{channel}", watch_id, parse_watch, removed_row) if removed else None
        return StoredWatch(watch, Incident(watch_id, watch.created_at), paused=paused, removed=True) if watch else None

    async def list_watches(self, channel: Channel) -> Sequence[StoredWatch]:
        """Oldest first."""
        rows = [pair for row in await self._rows(channel) if (pair := self._parse_row(row))]
        rows.sort(key=lambda pair: (pair[0].created_at, pair[0].id))
        due_times = await self.watches.next_polls([poll_subject(watch) for watch, _ in rows])
        paused = await self.channels.is_paused(channel_location(channel))
        factors = await self._multipliers(channel)
        return [
            StoredWatch(watch, incident, self._next_poll_at(due, longest), interval, paused)
            for (watch, incident), due in zip(rows, due_times, strict=True)
            for interval in [watch_interval(watch, factors)]
            for longest in [PAUSED_RECHECK_S if paused else interval.total_seconds() * (1 + JITTER)]
        ]

    async def is_watched(self, ip: Address) -> bool:
        """Whether any watch covers this address, alone or in a range."""
        async for subject in self.watches.targets():
            if covers(subject, ip):
                return True
        return False

    async def effective_interval(self, watch: Watch) -> timedelta:
        """Effective interval of a watch, longer than requested if a list budget requires it."""
        return watch_interval(watch, await self._multipliers(watch.channel))

    async def change(self, watch: Watch, changed: Watch) -> bool:
        """Polled at once in another role, as that changes what its problems mean."""
        row = await self._row(watch.channel, watch.id)
        if row is None or (pair := self._parse_row(row)) is None or pair[0] != watch:
            return False
        before, after, now = watch_entry(watch), watch_entry(changed), self._clock()
        due = now if before.target != after.target else first_due(after.target, changed.interval, now)
        return await self.watches.change(replace(before, watch=row.watch), after, due.timestamp())

    async def remove(self, channel: Channel, watch_id: str) -> bool:
        row = await self._row(channel, watch_id)
        pair = self._parse_row(row) if row else None
        return pair is not None and await self.watches.remove(watch_entry(pair[0]))

    async def update_incident(self, channel: Channel, watch_id: str, incident: Incident, expected: Incident) -> bool:
        """Ending a mute schedules its deferred alerts at once."""
        row = await self._row(channel, watch_id)
        pair = self._parse_row(row) if row else None
        if row is None or pair is None or pair[1] != expected:
            return False
        now = self._clock()
        tell_at = now.timestamp() if expected.muted and not incident.muted else None
        row = replace(row, history=await self.watches.history(str(channel), watch_id))
        history = self.unreadable.parse(
            f"mc1:history:{channel}", watch_id, lambda: updated_history(row, expected, incident, now)
        )
        change = WatchUpdate(row, dump_incident(incident), history=history or "")
        return await self.watches.update_incident(change, poll_subject(pair[0]), tell_at)

    async def history(self, channel: Channel, watch_id: str) -> History:
        text = await self.watches.history(str(channel), watch_id)
        return self._parse_history(channel, watch_id, text) or History()

    async def histories(self, channel: Channel) -> Mapping[str, History]:
        texts = await self.watches.histories(str(channel))
        parsed = {id: self._parse_history(channel, id, text) for id, text in texts.items()}
        return {id: history for id, history in parsed.items() if history is not None}

    async def settings(self, channel: Channel) -> ChannelSettings:
        text = await self.channels.settings(channel_location(channel))
        settings = parse_settings(self.unreadable, channel, text)
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
        for channel in await self.list_channels(platform, workspace) if was_paused else ():
            await self._resume(channel)
        return was_paused

    async def purge_channel(self, channel: Channel) -> None:
        for row in await self._rows(channel):
            if pair := self._parse_row(row):
                await self.watches.remove(watch_entry(pair[0]))
        await self.channels.delete_channel(channel_location(channel))

    async def purge_workspace(self, platform: str, workspace: str) -> None:
        """Idempotent, so it can be repeated after an interruption."""
        for channel in await self.list_channels(platform, workspace):
            await self.purge_channel(channel)
        await self.channels.delete_workspace(f"{platform}/{workspace}")

    async def purge_expired(self) -> int:
        """Purge channels and workspaces paused for 30 days; returns their number."""
        now = self._clock()
        pauses = await self.channels.paused((now + PAUSE_TTL).timestamp())
        expired = [name for name, until in pauses.items() if until <= now.timestamp()]
        for name in expired:
            if name.count("/") == 1:
                await self.purge_workspace(*name.split("/"))
            elif channels := self._parse_channels("mc1:resting", [name]):
                await self.purge_channel(channels[0])
        return len(expired)

    async def audit(self, channel: Channel, actor: str, action: str, old: str = "", new: str = "") -> None:
        line = {"room": str(channel), "who": actor, "what": action, "old": old, "new": new}
        await self.channels.append_audit(
            channel_location(channel).workspace, {name: text for name, text in line.items() if text}
        )

    async def ready_channels(self) -> Sequence[Channel]:
        ready = await self.outbox.ready_channels(self._clock().timestamp(), MAX_DELAY.total_seconds())
        return self._parse_channels("mc1:waiting", ready)

    async def peek(self, channel: Channel) -> OutboxMessage | None:
        """A message that cannot be read is set aside, and the next one takes its place."""
        while head := await self.outbox.peek(str(channel)):
            try:
                message = self._parse_head(channel, head)
            except UNREADABLE_ERRORS as error:
                if not await self.outbox.set_aside(str(channel), head, type(error).__name__):
                    break
            else:
                return await self._clamp_attempt(message)
        return None

    async def _clamp_attempt(self, message: OutboxMessage) -> OutboxMessage:
        """An attempt that began ahead of time is taken to begin now, and at the next look to be a day old."""
        now = self._clock()
        if message.send_started_at and await self.outbox.clamp_attempt(
            str(message.channel), now.timestamp(), (now - UNKNOWN_ATTEMPT_AGE).timestamp()
        ):
            return replace(message, send_started_at=now)
        return message

    def _parse_head(self, channel: Channel, head: OutboxHead) -> OutboxMessage:
        message = parse_message(head.text)
        if message.id != head.id:
            raise ValueError("the id of another message")
        intent = None if head.send_started_at is None else from_timestamp(head.send_started_at)
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
        return self._parse_time("mc1:swept", at)

    async def list_channels(self, platform: str, workspace: str) -> Sequence[Channel]:
        name = f"{platform}/{workspace}"
        return self._parse_channels(f"mc1:rooms:{name}", await self.channels.list_channels(name))

    async def list_workspaces(self) -> Sequence[tuple[str, str]]:
        """Platform and workspace of every watch."""
        names = [name.partition("/") for name in await self.watches.workspaces() if is_text(name)]
        return [(platform, workspace) for platform, separator, workspace in names if separator]

    async def quarantine_state(self) -> QuarantineState | None:
        """State of all lists; None before the first round."""
        _, text = await self.polls.quarantine_state()
        return self._parse_lists(text) if text else None

    async def claim_quarantine_state(self, now: datetime) -> tuple[str, QuarantineState]:
        """State of all lists and its version, to be replaced; one that cannot be read is set aside."""
        version, text = await self.polls.quarantine_state()
        state = self._parse_lists(text) if text else None
        if state is None and (version or text):
            await self.polls.set_aside_quarantine_state(version, text)
            version = ""
        return version, state or QuarantineState(now)

    async def store_quarantine_state(
        self, operation: str, text: str, notices: Sequence[ListNotice], list_names: Mapping[str, str]
    ) -> bool:
        """Replace the list state if `operation` still is the last one, and enqueue the notices.

        Channels get notices about quarantine only. Unresponsive lists, and several lists at once,
        which is a fault of the resolver, are logged for the operator.
        """
        announced = [notice for notice in notices if notice.reason in ANNOUNCED and len(notice.list_ids) == 1]
        names = await self.channels.list_notice_channels() if announced else ()
        channels = self._parse_channels(LIST_NOTICES_KEY, names)
        messages = [
            ListNoticeMessage(
                f"list.{notice.key}",
                channel,
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
        state = await self.quarantine_state()
        return state.quarantined if state else frozenset()

    async def _resume(self, channel: Channel) -> None:
        """Schedule its polls within five minutes, and its messages at once."""
        pairs = [pair for row in await self._rows(channel) if (pair := self._parse_row(row))]
        subjects, now = ([poll_subject(watch) for watch, _ in pairs], self._clock())
        await self.watches.bring_forward({s: first_due(s, RESUME_WITHIN, now).timestamp() for s in subjects})
        await self.outbox.end_delays([str(channel)])
        await self.polls.mark_finished(now.timestamp())

    def _next_poll_at(self, due: float | None, longest_s: float) -> datetime | None:
        """At the latest `longest_s` from now, as the poller sees it."""
        latest = self._clock().timestamp() + longest_s
        return self._parse_time(POLL_SCHEDULE, None if due is None else min(due, latest))

    async def _multipliers(self, channel: Channel) -> Multipliers:
        workspace = channel_location(channel).workspace
        text = await self.polls.workspace_multipliers(workspace)
        return self._parse_multipliers(workspace, text or "{}")

    async def interval_multipliers(self) -> dict[str, Multipliers]:
        """Multipliers of every workspace that has some."""
        texts = await self.polls.interval_multipliers()
        return {workspace: self._parse_multipliers(workspace, text) for workspace, text in texts.items()}

    def _parse_multipliers(self, workspace: str, text: str) -> Multipliers:
        return self.unreadable.parse("mc1:stretched", workspace, lambda: parse_multipliers(text)) or {}

    def _parse_row(self, row: WatchRow) -> tuple[Watch, Incident] | None:
        key = f"mc1:watches:{row.channel}"
        return self.unreadable.parse(key, row.id, lambda: (parse_watch(row), parse_incident(row)))

    def _parse_history(self, channel: Channel, id: str, text: str) -> History | None:
        return self.unreadable.parse(f"mc1:history:{channel}", id, lambda: load_history(text))

    def _parse_lists(self, text: str) -> QuarantineState | None:
        return self.unreadable.parse("mc1:lists", "", lambda: load(QuarantineState, text))

    def _parse_time(self, key: str, at: float | None) -> datetime | None:
        return None if at is None else self.unreadable.parse(key, "", lambda: from_timestamp(at))

    def _parse_channels(self, key: str, names: Iterable[str]) -> list[Channel]:
        channels = [self.unreadable.parse(key, name, _channel, name) for name in names]
        return [channel for channel in channels if channel]

    async def _rows(self, channel: Channel) -> list[WatchRow]:
        return await self.watches.list_watches(str(channel))

    async def _row(self, channel: Channel, watch_id: str) -> WatchRow | None:
        return next((row for row in await self._rows(channel) if row.id == watch_id), None)


def _channel(name: str) -> Channel:
    return Channel.parse(check_text(name))
