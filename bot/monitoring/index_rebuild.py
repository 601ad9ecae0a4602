"""Indexes over watches and settings: one that holds a value of another type is set aside and built anew.

The watches of a target and the times of the digests are also in the watches and the settings of all channels. Without
them, one wrong value would stop every channel that shares the target, or every digest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import datetime

import structlog

from bot.monitoring.models import Channel
from bot.monitoring.repository import RedisRepository
from bot.monitoring.schedule import next_digest
from bot.monitoring.serialization import poll_subject
from bot.storage.outbox_store import DIGESTS_KEY
from bot.storage.watch_store import TARGET_PREFIX

log = structlog.get_logger()


async def rebuild_indexes(repository: RedisRepository, now: datetime) -> None:
    """Rebuild the indexes that this process met with another type. Raises StoreUnavailable."""
    wrong = [key for key in repository.unreadable.wrong_types if key == DIGESTS_KEY or key.startswith(TARGET_PREFIX)]
    targets = [key.removeprefix(TARGET_PREFIX) for key in wrong if key != DIGESTS_KEY]
    if targets:
        await _rebuild_targets(repository, targets, now)
    if DIGESTS_KEY in wrong:
        due_times = {str(channel): next_digest(str(channel), now) async for channel in _digest_channels(repository)}
        await repository.digests.rebuild({name: due.timestamp() for name, due in due_times.items()})
    repository.unreadable.wrong_types.difference_update(wrong)
    if wrong:
        log.warning("indexes rebuilt", targets=len(targets), digests=DIGESTS_KEY in wrong)


async def _rebuild_targets(repository: RedisRepository, targets: Collection[str], now: datetime) -> None:
    watches: dict[str, list[str]] = {target: [] for target in targets}
    async for channel in _channels(repository):
        for stored in await repository.list_watches(channel):
            if (target := poll_subject(stored.watch)) in watches:
                watches[target].append(f"{stored.watch.id} {channel}")
    for target, members in watches.items():
        await repository.watches.rebuild_target(target, members, now.timestamp())


async def _digest_channels(repository: RedisRepository) -> AsyncIterator[Channel]:
    async for channel in _channels(repository):
        if (await repository.settings(channel)).weekly_digest:
            yield channel


async def _channels(repository: RedisRepository) -> AsyncIterator[Channel]:
    for platform, workspace in await repository.list_workspaces():
        for channel in await repository.list_channels(platform, workspace):
            yield channel
