"""Delivery worker: drains the outbox, channel by channel, and makes the platform calls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from bot.monitoring.interfaces import (
    AlertMessage,
    ChannelSettings,
    DigestMessage,
    FollowMessage,
    ListNoticeMessage,
    Outbox,
    OutboxMessage,
    StoredWatch,
    WatchRepository,
)
from bot.monitoring.models import AlertReason, Channel, Watch
from bot.monitoring.schedule import WEEK
from bot.storage import StoreUnavailable
from handlers.delivery.retry_policy import (
    POST_ERRORS,
    DeliveryTimeouts,
    PauseScope,
    PostError,
    earliest_attempt,
    retry_decision,
)
from handlers.message import Card, UpdateMode
from handlers.messages.alerts import reply_card, root_card, undeliverable_card
from handlers.messages.blocklists import list_notice_card
from handlers.messages.history import digest_card
from handlers.messages.watches import follows_card
from handlers.ports import DeliveryUnknown, HistoryUnavailable, MessageNotFound, MessagePoster, Rejected, RetryAfter

LOG_LEVELS = {RetryAfter: logging.INFO, Rejected: logging.ERROR}  # else WARNING

log = structlog.get_logger()


@dataclass(slots=True)
class DeliveryWorker:
    """Drains the outbox. Several processes may run it; `Outbox.begin_attempt` arbitrates."""

    outbox: Outbox
    watches: WatchRepository
    posters: Mapping[str, MessagePoster]
    timeouts: DeliveryTimeouts = field(default_factory=DeliveryTimeouts)
    _busy: set[Channel] = field(default_factory=set)

    async def run(self, stop: asyncio.Event | None = None) -> None:
        """Deliver until `stop` is set or the task is cancelled; channels do not block each other.

        `stop` exists because a store client that hangs can swallow the cancellation.
        """
        stop = stop or asyncio.Event()
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                try:
                    for channel in await self.outbox.ready_channels():
                        if channel not in self._busy:
                            self._busy.add(channel)
                            group.create_task(self._drain_channel(channel, stop))
                except StoreUnavailable as error:  # retried at the next poll
                    log.warning("outbox unavailable", error=str(error))
                except Exception:
                    log.exception("outbox poll failed")
                await self.timeouts.sleep(self.timeouts.poll_interval_s)

    async def _drain_channel(self, channel: Channel, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set() and await self.deliver_next(channel):
                await self.timeouts.sleep(self.timeouts.min_interval_s)
        except StoreUnavailable as error:  # retried at the next poll
            log.warning(
                "store unavailable, delivery delayed", platform=channel.platform, channel=channel.id, error=str(error)
            )
        except Exception:
            log.exception("delivery failed", platform=channel.platform, team=channel.workspace, channel=channel.id)
        finally:
            self._busy.discard(channel)

    async def deliver_next(self, channel: Channel) -> bool:
        """Process the first message of a channel; False if there is none or it has to wait."""
        poster = self.posters.get(channel.platform)
        message = await self.outbox.peek(channel) if poster else None
        if poster is None or message is None:
            return False
        earliest = earliest_attempt(message, await self.outbox.store_started_at(), self.timeouts)
        if self.timeouts.now() < earliest.not_before:
            await self.outbox.delay(message, earliest.not_before)
            return False
        content = await self._content(message)
        if content is None:
            log.error("alert of an unknown watch", platform=channel.platform, channel=channel.id, key=message.id)
            await self.outbox.mark_dropped(message, "its watch is not stored")
            return True
        attempt = DeliveryAttempt(self.outbox, self.watches, poster, self.timeouts, message, content)
        return await attempt.run(earliest.possibly_sent_since)

    async def _content(self, message: OutboxMessage) -> Content | None:
        """What to post; None for an alert whose watch is not known any more."""
        if isinstance(message, ListNoticeMessage):
            return Content(list_notice_card(message.notice, message.list_name))
        if isinstance(message, FollowMessage):
            return Content(follows_card(message.follows))
        if isinstance(message, DigestMessage):
            stored = await self.watches.list_watches(message.channel)
            histories = await self.watches.histories(message.channel)
            return Content(digest_card(stored, histories, message.at - WEEK, message.at))
        watch = await self.watches.get(message.channel, message.alert.watch_id) or message.snapshot
        return alert_content(message, watch, await self.watches.settings(message.channel)) if watch else None


@dataclass(frozen=True, slots=True)
class Content:
    """The cards of a message: the root, and for an alert its reply and its watch.

    `broadcast`: the reply is shown to the whole channel. `is_unwanted`: by the settings of the channel.
    """

    root: Card
    reply: Card | None = None
    broadcast: bool = False
    is_unwanted: bool = False
    watch: StoredWatch | None = None


def alert_content(message: AlertMessage, stored: StoredWatch, settings: ChannelSettings) -> Content:
    """The root also shows acknowledgements and mutes made since the alert."""
    alert, incident = message.alert, stored.incident
    current = incident if incident.thread_key == alert.thread_key else None
    is_severe = alert.is_escalation or alert.reason is AlertReason.RESOLVED
    is_back = alert.reason is AlertReason.OPENED and not alert.is_root  # the channel is to see it
    return Content(
        root_card(stored.watch, alert, current),
        reply_card(stored.watch, alert) if settings.update_mode != UpdateMode.EDIT_ONLY else None,
        broadcast=is_back or (is_severe and settings.update_mode == UpdateMode.BROADCAST),
        is_unwanted=alert.reason is AlertReason.REMINDER and not settings.reminders,
        watch=stored,
    )


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One attempt to deliver an outbox message. A list notice that ends a condition only edits the first one."""

    outbox: Outbox
    watches: WatchRepository
    poster: MessagePoster
    timeouts: DeliveryTimeouts
    message: OutboxMessage
    content: Content

    async def run(self, possibly_sent_since: datetime | None) -> bool:
        """Deliver; True if the message left the outbox.

        `possibly_sent_since`: it may have been posted since then, so look it up first.
        """
        if possibly_sent_since is None and self.content.is_unwanted:
            await self.outbox.mark_dropped(self.message, "reminders are off in this channel")
            return True
        try:
            if possibly_sent_since and (existing_id := await self._find_existing(possibly_sent_since)):
                await self._mark_sent(self.message, existing_id)
                return True
        except POST_ERRORS as error:
            return await self._handle_failure(error, None)
        started = await self.outbox.begin_attempt(self.message, self.timeouts.now())
        if started is None:
            return False
        try:
            await self._send()
        except POST_ERRORS as error:
            return await self._handle_failure(error, started)
        return True

    async def _find_existing(self, since: datetime) -> str | None:
        """Id of the message if it was posted, in its thread or, if that was deleted, outside."""
        key, channel = self.message.id, self.message.channel
        try:
            if thread := await self._thread():
                try:
                    if message_id := await self.poster.find(channel, key, since, thread):
                        return message_id
                except MessageNotFound:
                    log.info("thread not found", **self._log_fields("searching the channel"))
            return await self.poster.find(channel, key, since)
        except (HistoryUnavailable, Rejected, MessageNotFound) as error:
            log.warning("history unavailable, may post twice", **self._log_fields(str(error)))
            return None

    async def _send(self) -> None:
        """Edit the root first, then reply: a retry after a crash repeats the edit."""
        thread = await self._thread()
        if thread and not await self._edit_root(thread):
            thread = None
        if thread and self.content.reply is None:
            await self._mark_sent(self.message, thread)
        elif isinstance(self.message, ListNoticeMessage) and not self.message.is_root:
            await self.outbox.mark_dropped(self.message, "the notice to update was not found")
        else:
            await self._post(thread)

    async def _thread(self) -> str | None:
        message = self.message
        return None if message.is_root else await self.outbox.root_message_id(message.channel, message.thread_key)

    async def _edit_root(self, root: str) -> bool:
        """Edit the root message; False if it no longer exists."""
        try:
            await self.poster.update(self.message.channel, root, self.content.root)
        except MessageNotFound as error:
            log.info("thread not found", **self._log_fields(str(error)))
            return False
        except DeliveryUnknown as error:  # edits are idempotent, so just retry
            raise RetryAfter(str(error), self.timeouts.backoff(self.message.attempts + 1).total_seconds()) from None
        except Rejected as error:
            log.error("root message not edited", **self._log_fields(str(error)))
        return True

    async def _post(self, thread: str | None) -> None:
        message, content = self.message, self.content
        if thread and content.reply:
            try:
                message_id = await self.poster.post(
                    message.channel, content.reply, thread, message.id, content.broadcast
                )
                await self._mark_sent(message, message_id)
                return
            except MessageNotFound as error:
                log.info("thread not found", **self._log_fields(str(error)))
        message_id = await self.poster.post(message.channel, content.root, "", message.id)
        if isinstance(message, AlertMessage):
            message = replace(message, alert=replace(message.alert, is_root=True))
        await self._mark_sent(message, message_id)

    async def _mark_sent(self, message: OutboxMessage, message_id: str) -> None:
        await self.outbox.mark_sent(message, message_id)
        if self.content.watch and self.content.watch.paused:
            await self.watches.resume_channel(message.channel)

    async def _handle_failure(self, error: PostError, started: OutboxMessage | None) -> bool:
        """Retry, delay or drop; True if the message left the outbox.

        `started` is the message with this attempt recorded, None if no attempt was made.
        """
        stored = self.content.watch
        watched = stored if stored and not stored.removed else None
        decision = retry_decision(self.message, error, watched is not None, self.timeouts)
        log.log(LOG_LEVELS.get(type(error), logging.WARNING), "message not sent", **self._log_fields(str(error)))
        if decision.pause_scope is not PauseScope.NONE and watched and not watched.paused:
            await self._pause(watched.watch, decision.pause_scope, str(error))
        if decision.retry_at is None:
            await self.outbox.mark_dropped(self.message, str(error))
        elif started and decision.definitely_not_sent:
            await self.outbox.revert_attempt(started, decision.retry_at)
        else:
            await self.outbox.delay(self.message, decision.retry_at)
        return decision.retry_at is None

    async def _pause(self, watch: Watch, scope: PauseScope, reason: str) -> None:
        """Pause the watches until an attempt succeeds again.

        The creator of the watch gets a direct message about an unavailable channel; an unavailable
        workspace is logged for the operator.
        """
        channel = self.message.channel
        if scope is PauseScope.WORKSPACE:
            log.error(
                "workspace unavailable",
                **self._log_fields(reason),
                watches="paused",
                dropped_after=str(self.timeouts.drop_unavailable_after),
            )
            await self.watches.pause_workspace(channel.platform, channel.workspace)
            return
        await self.watches.pause_channel(channel)
        try:
            await self.poster.notify_user(channel, watch.created_by, undeliverable_card(watch, reason))
        except POST_ERRORS as error:
            log.info("creator not notified", **self._log_fields(str(error)))

    def _log_fields(self, error: str) -> dict[str, str]:
        channel, key = self.message.channel, self.message.id
        return {
            "platform": channel.platform,
            "team": channel.workspace,
            "channel": channel.id,
            "key": key,
            "error": error,
        }
