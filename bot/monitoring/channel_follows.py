"""What the watches of a channel follow: by its settings, and one line about what a new version adds."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from hashlib import blake2b

from bot.checks.registry import CHECK_NAMES
from bot.monitoring.check_schedule import RAN_AT
from bot.monitoring.interfaces import ChannelSettings, FollowMessage
from bot.monitoring.models import Channel, Follow, Incident
from bot.monitoring.observations import FOLLOWED, SELECTORS, WATCHED_CHECKS
from bot.monitoring.serialization import channel_location, dump, load
from bot.storage.channel_store import ChannelStore
from bot.storage.outbox_store import OutboxStore
from bot.storage.unreadable import UnreadableValues

# Followed by the first version, which did not store it.
EARLIER_CHECKS = frozenset({"ptr", "helo", "spf", "dmarc", "mx"})


async def read_follows(
    store: ChannelStore, unreadable: UnreadableValues, channels: Collection[Channel]
) -> dict[Channel, Follow]:
    """What the watches of these channels follow, where that is not everything."""
    if not channels:
        return {}
    texts = await store.settings_of([channel_location(channel) for channel in channels])
    stored = {
        channel: parse_settings(unreadable, channel, texts[str(channel)])
        for channel in channels
        if str(channel) in texts
    }
    return {channel: settings.follow for channel, settings in stored.items() if settings.follow is not Follow.ALL}


def newly_followed(before: Incident, after: Incident) -> tuple[str, ...]:
    """The checks that the poll of a watch of an earlier version followed for the first time; empty for any other."""
    if RAN_AT in before.config or RAN_AT not in after.config or not before.config.keys() - {SELECTORS}:
        return ()
    earlier = EARLIER_CHECKS.union(before.config.get(FOLLOWED, "").split())
    return tuple(id for id in CHECK_NAMES if id in WATCHED_CHECKS and id not in earlier)


async def announce_checks(
    outbox: OutboxStore,
    changes: Iterable[tuple[Channel, Incident, Incident]],
    switched_off: Collection[str],
    now: datetime,
) -> None:
    """Enqueue the line about what the watches of an earlier version follow now, once for a channel.

    `changes` are the incidents of watches before and after a poll.
    """
    for channel, before, after in changes:
        if checks := tuple(check for check in newly_followed(before, after) if check not in switched_off):
            digest = blake2b(str(channel).encode(), digest_size=5).hexdigest()
            message = FollowMessage(f"follows.{digest}", channel, now, follows=checks)
            await outbox.announce(channel_location(channel).workspace, str(channel), (message.id, dump(message)))


def parse_settings(unreadable: UnreadableValues, channel: Channel, text: str | None) -> ChannelSettings:
    """The settings of a channel; those that cannot be read are reported and are the default ones."""
    key = f"mc1:settings:{channel_location(channel).workspace}"
    return unreadable.parse(key, str(channel), load, ChannelSettings, text or "{}") or ChannelSettings()
