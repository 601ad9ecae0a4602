"""In-memory watch repository and outbox for tests, with snapshots and restarts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.models import Report
from bot.monitoring.history import History, record_changes
from bot.monitoring.interfaces import (
    MAX_WATCHES_PER_CHANNEL,
    ChannelSettings,
    OutboxMessage,
    StoredWatch,
    TooManyWatches,
)
from bot.monitoring.models import Channel, Incident, Watch
from bot.monitoring.watch_search import find_watches
from tests.support.stored_watches import Clock


@dataclass
class StoreContents:
    """Contents of the store, so that tests can copy and restore them."""

    watches: dict[tuple[Channel, str], StoredWatch] = field(default_factory=dict)
    histories: dict[tuple[Channel, str], History] = field(default_factory=dict)
    settings: dict[Channel, ChannelSettings] = field(default_factory=dict)
    paused: set[Channel | tuple[str, str]] = field(default_factory=set)
    outbox: dict[Channel, list[OutboxMessage]] = field(default_factory=dict)
    delays: dict[Channel, datetime] = field(default_factory=dict)
    threads: dict[tuple[Channel, str], str] = field(default_factory=dict)
    audit_lines: list[tuple[str, ...]] = field(default_factory=list)
    removed: dict[tuple[Channel, str], Watch] = field(default_factory=dict)


@dataclass
class InMemoryRepository:
    """Implements `WatchRepository` and `Outbox`."""

    clock: Clock
    contents: StoreContents = field(default_factory=StoreContents)
    started_at: datetime | None = None

    def enqueue(self, message: OutboxMessage) -> None:
        self.contents.outbox.setdefault(message.channel, []).append(message)

    def store(self, watch: Watch, incident: Incident) -> None:
        self.contents.watches[watch.channel, watch.id] = StoredWatch(watch, incident)

    def snapshot(self) -> StoreContents:
        contents = self.contents
        messages = {channel: list(queue) for channel, queue in contents.outbox.items()}
        snapshot = StoreContents(
            dict(contents.watches), dict(contents.histories), dict(contents.settings), set(contents.paused), messages
        )
        snapshot.removed = dict(contents.removed)
        snapshot.delays, snapshot.threads, snapshot.audit_lines = (
            dict(contents.delays),
            dict(contents.threads),
            list(contents.audit_lines),
        )
        return snapshot

    def restart(self, contents: StoreContents | None = None) -> None:
        self.contents, self.started_at = contents or self.contents, self.clock()

    # WatchRepository

    async def add(self, watch: Watch, incident: Incident, due: datetime, reports: Sequence[Report] = ()) -> bool:
        if (watch.channel, watch.id) in self.contents.watches:
            return False
        if len(await self.list_watches(watch.channel)) >= MAX_WATCHES_PER_CHANNEL:
            raise TooManyWatches("This channel is full.")
        self.contents.watches[watch.channel, watch.id] = StoredWatch(watch, incident, due, watch.interval)
        self._record_history(watch, Incident(watch.id, incident.started_at), incident)
        return True

    async def change(self, watch: Watch, changed: Watch) -> bool:
        stored = self.contents.watches.get((watch.channel, watch.id))
        if stored is None or stored.watch != watch:
            return False
        self.contents.watches[watch.channel, watch.id] = replace(stored, watch=changed)
        return True

    async def find(self, channel: Channel, query: str) -> Sequence[StoredWatch]:
        return find_watches(query, await self.list_watches(channel), lambda stored: stored.watch)

    async def get(self, channel: Channel, watch_id: str) -> StoredWatch | None:
        if stored := next((s for s in await self.list_watches(channel) if s.watch.id == watch_id), None):
            return stored
        watch = self.contents.removed.get((channel, watch_id))
        return StoredWatch(watch, Incident(watch_id, watch.created_at), removed=True) if watch else None

    async def list_watches(self, channel: Channel) -> Sequence[StoredWatch]:
        paused = channel in self.contents.paused or (channel.platform, channel.workspace) in self.contents.paused
        return [replace(stored, paused=paused) for (key, _), stored in self.contents.watches.items() if key == channel]

    async def list_channels(self, platform: str, workspace: str) -> Sequence[Channel]:
        channels = dict.fromkeys(channel for channel, _ in self.contents.watches)
        return [channel for channel in channels if (channel.platform, channel.workspace) == (platform, workspace)]

    async def remove(self, channel: Channel, watch_id: str) -> bool:
        self.contents.histories.pop((channel, watch_id), None)
        stored = self.contents.watches.pop((channel, watch_id), None)
        if stored and self.contents.outbox.get(channel):
            self.contents.removed[channel, watch_id] = stored.watch
        return stored is not None

    async def update_incident(self, channel: Channel, watch_id: str, incident: Incident, expected: Incident) -> bool:
        stored = self.contents.watches.get((channel, watch_id))
        if stored is None or stored.incident != expected:
            return False
        self.contents.watches[channel, watch_id] = replace(stored, incident=incident)
        self._record_history(stored.watch, expected, incident)
        return True

    async def history(self, channel: Channel, watch_id: str) -> History:
        return self.contents.histories.get((channel, watch_id), History())

    async def histories(self, channel: Channel) -> Mapping[str, History]:
        return {id: history for (key, id), history in self.contents.histories.items() if key == channel}

    async def settings(self, channel: Channel) -> ChannelSettings:
        return self.contents.settings.get(channel, ChannelSettings())

    async def set_settings(self, channel: Channel, settings: ChannelSettings) -> None:
        workspace = (channel.platform, channel.workspace)
        for stored_channel, current in self.contents.settings.items():
            if settings.list_notices and (stored_channel.platform, stored_channel.workspace) == workspace:
                self.contents.settings[stored_channel] = replace(current, list_notices=False)
        self.contents.settings[channel] = settings

    async def pause_channel(self, channel: Channel) -> None:
        self.contents.paused.add(channel)

    async def pause_workspace(self, platform: str, workspace: str) -> None:
        self.contents.paused.add((platform, workspace))

    async def resume_channel(self, channel: Channel) -> bool:
        was_paused = bool(self.contents.paused & {channel, (channel.platform, channel.workspace)})
        self.contents.paused.discard(channel)
        self.contents.delays.pop(channel, None)
        await self.resume_workspace(channel.platform, channel.workspace)
        return was_paused

    async def resume_workspace(self, platform: str, workspace: str) -> bool:
        was_paused = (platform, workspace) in self.contents.paused
        self.contents.paused.discard((platform, workspace))
        for channel in [
            channel
            for channel in self.contents.delays
            if was_paused and (channel.platform, channel.workspace) == (platform, workspace)
        ]:
            del self.contents.delays[channel]
        return was_paused

    async def purge_channel(self, channel: Channel) -> None:
        self.contents.watches = {key: stored for key, stored in self.contents.watches.items() if key[0] != channel}
        self.contents.removed = {key: watch for key, watch in self.contents.removed.items() if key[0] != channel}
        self.contents.outbox.pop(channel, None)

    async def purge_workspace(self, platform: str, workspace: str) -> None:
        for channel in {
            channel
            for channel, _ in self.contents.watches
            if (channel.platform, channel.workspace) == (platform, workspace)
        }:
            await self.purge_channel(channel)

    async def audit(self, channel: Channel, actor: str, action: str, old: str = "", new: str = "") -> None:
        self.contents.audit_lines.append((str(channel), actor, action, old, new))

    # Outbox

    async def ready_channels(self) -> Sequence[Channel]:
        now = self.clock()
        return [
            channel
            for channel, messages in self.contents.outbox.items()
            if messages and self.contents.delays.get(channel, now) <= now
        ]

    async def peek(self, channel: Channel) -> OutboxMessage | None:
        messages = self.contents.outbox.get(channel)
        return messages[0] if messages else None

    async def begin_attempt(self, message: OutboxMessage, now: datetime) -> OutboxMessage | None:
        head = await self.peek(message.channel)
        if head is None or (head.id, head.attempts) != (message.id, message.attempts):
            return None
        self.contents.outbox[message.channel][0] = replace(head, send_started_at=now, attempts=head.attempts + 1)
        return self.contents.outbox[message.channel][0]

    async def revert_attempt(self, message: OutboxMessage, retry_at: datetime) -> None:
        head = await self.peek(message.channel)
        if head and (head.id, head.attempts) == (message.id, message.attempts):
            self.contents.outbox[message.channel][0] = replace(head, send_started_at=None)
            self.contents.delays[message.channel] = retry_at

    async def delay(self, message: OutboxMessage, until: datetime) -> None:
        head = await self.peek(message.channel)
        if head and head.id == message.id:
            self.contents.delays[message.channel] = max(until, self.contents.delays.get(message.channel, until))

    async def mark_sent(self, message: OutboxMessage, message_id: str) -> None:
        head = await self.peek(message.channel)
        if head and head.id == message.id:
            self._remove_head(message.channel)
            if message.is_root:
                self.contents.threads[message.channel, message.thread_key] = message_id

    async def mark_dropped(self, message: OutboxMessage, reason: str) -> None:
        head = await self.peek(message.channel)
        if head and head.id == message.id:
            self._remove_head(message.channel)
            await self.audit(message.channel, "mailcheck", "dropped", message.id, reason)

    async def root_message_id(self, channel: Channel, thread_key: str) -> str | None:
        return self.contents.threads.get((channel, thread_key))

    async def store_started_at(self) -> datetime:
        return self.started_at or self.clock() - timedelta(days=30)

    def _record_history(self, watch: Watch, before: Incident, after: Incident) -> None:
        key = (watch.channel, watch.id)
        history = self.contents.histories.get(key, History())
        self.contents.histories[key] = record_changes(history, before, after, self.clock())

    def _remove_head(self, channel: Channel) -> None:
        del self.contents.outbox[channel][0]
        self.contents.delays.pop(channel, None)
