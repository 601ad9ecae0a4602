"""What the watches of a channel follow by its settings."""

from __future__ import annotations

from collections.abc import Collection

from bot.monitoring.interfaces import ChannelSettings
from bot.monitoring.models import Channel, Follow
from bot.monitoring.serialization import channel_location, load
from bot.storage.channel_store import ChannelStore
from bot.storage.unreadable import UnreadableValues


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


def parse_settings(unreadable: UnreadableValues, channel: Channel, text: str | None) -> ChannelSettings:
    """The settings of a channel; those that cannot be read are reported and are the default ones."""
    key = f"mc1:settings:{channel_location(channel).workspace}"
    return unreadable.parse(key, str(channel), load, ChannelSettings, text or "{}") or ChannelSettings()
