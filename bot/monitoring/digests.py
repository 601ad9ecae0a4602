"""Weekly digests: those that are due are enqueued by the minutely plan."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b

from bot.monitoring.interfaces import DigestMessage
from bot.monitoring.models import Channel
from bot.monitoring.repository import RedisRepository
from bot.monitoring.schedule import next_digest
from bot.monitoring.serialization import dump
from bot.monitoring.stored_types import from_timestamp
from bot.storage.unreadable import printable

DIGEST_BATCH = 100


async def enqueue_digests(repository: RedisRepository, now: datetime) -> int:
    """Enqueue due digests of channels with watches; returns their number."""
    count = 0
    for channel_name, due in await repository.digests.due(now.timestamp(), DIGEST_BATCH):
        message = repository.unreadable.parse("mc1:digests", channel_name, digest_message, channel_name, due)
        if message and not await repository.list_watches(message.channel):
            message = None
        if message and await repository.root_message_id(message.channel, message.thread_key):
            message = None  # the clock was set back since
        text = (message.id, dump(message)) if message else None
        next_at = next_digest(printable(channel_name), now).timestamp()
        posted = await repository.digests.enqueue(channel_name, due, next_at, text)
        count += posted and message is not None
    return count


def digest_message(channel_name: str, due_s: float) -> DigestMessage:
    """Digest of a channel; its id is derived from the channel and the due time. Raises ValueError."""
    channel, due = Channel.parse(channel_name), from_timestamp(due_s)
    digest = blake2b(str(channel).encode(), digest_size=5).hexdigest()
    return DigestMessage(f"digest.{digest}.{int(due.timestamp()):x}", channel, due)
