"""What the code reads in a saved store, as plain JSON: every value of it that is not empty.

The keys of the facts are those of `store_26e3500_read.json` and independent of the code's names.
Every value is named here, so that one that is no longer read is missed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from redis.asyncio import Redis

from bot.monitoring.dnsbl_quarantine import ListHealth, ListNotice
from bot.monitoring.history import History, Span
from bot.monitoring.interfaces import AlertMessage, ChannelSettings, DigestMessage, OutboxMessage, StoredWatch
from bot.monitoring.list_counts import RoundCounts
from bot.monitoring.models import Alert, Channel, Incident, Problem
from bot.monitoring.repository import RedisRepository
from tests.support.stored_watches import stored_notices

Facts = dict[str, Any]
ReadPart = Callable[[RedisRepository, Redis, Sequence[Channel], datetime], Awaitable[Any]]
DIGEST_HORIZON = timedelta(days=30)


async def read_watches(
    repository: RedisRepository, redis: Redis, channels: Sequence[Channel], now: datetime
) -> list[Facts]:
    return [watch_facts(stored) for channel in channels for stored in await repository.list_watches(channel)]


async def read_histories(
    repository: RedisRepository, redis: Redis, channels: Sequence[Channel], now: datetime
) -> Facts:
    by_channel = [await repository.histories(channel) for channel in channels]
    return {id: history_facts(history) for histories in by_channel for id, history in histories.items()}


async def read_messages(
    repository: RedisRepository, redis: Redis, channels: Sequence[Channel], now: datetime
) -> list[Facts]:
    """Each message is removed, so that the next can be read."""
    facts: list[Facts] = []
    for channel in channels:
        while message := await repository.peek(channel):
            facts.append(message_facts(message))
            await repository.mark_sent(message, "read")
    return facts


async def read_channels(repository: RedisRepository, redis: Redis, channels: Sequence[Channel], now: datetime) -> Facts:
    workspaces = [f"{platform}/{workspace}" for platform, workspace in await repository.list_workspaces()]
    return {
        "rooms": {workspace: await channel_names(repository, workspace) for workspace in workspaces},
        "settings": {str(channel): settings_facts(await repository.settings(channel)) for channel in channels},
        "digests": dict(await repository.digests.due((now + DIGEST_HORIZON).timestamp(), 99)),
        "resting": dict(await repository.channels.paused(float("inf"))),
        "to be told now": sorted(map(str, await repository.ready_channels())),
        "who did what": {workspace: await audit_entries(redis, workspace) for workspace in workspaces},
    }


async def audit_entries(redis: Redis, workspace: str) -> list[dict[str, str]]:
    """Audit entries of a workspace, newest first; `at` is the time."""
    entries = await redis.xrevrange(f"mc1:audit:{workspace}")
    return [{**entry, "at": id.partition("-")[0]} for id, entry in entries]


async def channel_names(repository: RedisRepository, workspace: str) -> list[str]:
    return [str(channel) for channel in await repository.list_channels(*workspace.split("/"))]


async def read_lists(repository: RedisRepository, redis: Redis, channels: Sequence[Channel], now: datetime) -> Facts:
    state, budgeted = await repository.quarantine_state(), ["spamhaus-zen", "spamhaus-dbl", "nordspam"]
    assert state
    return {
        "since": at(state.round_started_at),
        "health": [health_facts(health) for health in state.healths],
        "heard": [round_facts(counts) for counts in state.round_counts],
        "quarantined": sorted(await repository.quarantined_lists()),
        "notes": [notice_facts(notice) for notice in await stored_notices(redis)],
        "used": await repository.polls.used_today(budgeted, now.timestamp()),
        "wishes": await repository.watches.demand(),
        "swept": at(await repository.last_poll_at()),
    }


PARTS: Mapping[str, ReadPart] = {
    "watches": read_watches,
    "histories": read_histories,
    "letters": read_messages,
    "places": read_channels,
    "lists": read_lists,
}


def non_empty(**facts: Any) -> Facts:
    return {name: fact for name, fact in facts.items() if fact not in (None, "", 0, False, [], {})}


def at(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def watch_facts(stored: StoredWatch) -> Facts:
    watch, interval = stored.watch, stored.interval
    return non_empty(
        room=str(watch.channel),
        id=watch.id,
        subject=watch.subject,
        network=str(watch.network or ""),
        domain=watch.domain,
        role=str(watch.role),
        every=watch.interval.total_seconds(),
        by=watch.created_by,
        since=at(watch.created_at),
        name=watch.name,
        due=at(stored.next_poll_at),
        granted=interval.total_seconds() if interval else None,
        rests=stored.paused,
        incident=incident_facts(stored.incident),
    )


def incident_facts(incident: Incident) -> Facts:
    acknowledged, muted = incident.acknowledged, incident.muted
    return non_empty(
        watch=incident.watch_id,
        began=at(incident.started_at),
        thread=incident.thread_key,
        opened=at(incident.opened_at),
        spoken=incident.alert_count,
        told_at=at(incident.notified_at),
        acknowledged=[acknowledged.actor, at(acknowledged.at)] if acknowledged else None,
        muted=[muted.actor, at(muted.until)] if muted else None,
        settings=dict(incident.config),
        problems=[problem_facts(problem) for problem in incident.problems],
    )


def problem_facts(problem: Problem) -> Facts:
    observation = problem.last_observation
    flags = {
        "told": problem.notified,
        "quiet": problem.informational,
        "unstable": problem.flapping,
        "noted": problem.noted,
    }
    return non_empty(
        key=problem.key,
        phase=str(problem.phase),
        since=at(problem.since),
        turned=at(problem.phase_changed_at),
        asked=at(problem.last_polled_at),
        clean=problem.clean_polls,
        misses=problem.unanswered_polls,
        opens=[at(moment) for moment in problem.confirmations],
        so=[word for word, is_set in flags.items() if is_set],
        seen=f"{observation.state} {at(observation.at)}",
        severity=str(observation.severity),
        sublists=list(observation.sublists),
        says=observation.summary,
        step=observation.remediation,
        links=[f"{link.label} {link.url}" for link in observation.links],
        setting=observation.config_key,
        was=observation.previous_value,
        value=observation.value,
        passing=observation.notify_once,
        name=observation.name,
        text=observation.text,
    )


def message_facts(message: OutboxMessage) -> Facts:
    common = non_empty(
        id=message.id,
        room=str(message.channel),
        at=at(message.at),
        began=at(message.earliest_post_at),
        root=message.is_root,
        thread=message.thread_key,
        intent=at(message.send_started_at),
        tries=message.attempts,
    )
    if isinstance(message, AlertMessage):
        assert message.snapshot, "an earlier version stored the watch with every alert"
        return common | {"watch": watch_facts(message.snapshot), "alert": alert_facts(message.alert)}
    if isinstance(message, DigestMessage):
        return common
    return common | {"list": message.list_name, "note": notice_facts(message.notice)}


def alert_facts(alert: Alert) -> Facts:
    groups = {"new": alert.new, "still": alert.remaining, "gone": alert.cleared, "lost": alert.unverified}
    return non_empty(
        key=alert.key,
        watch=alert.watch_id,
        reason=str(alert.reason),
        at=at(alert.at),
        thread=alert.thread_key,
        root=alert.is_root,
        loud=alert.is_alerting,
        opened=at(alert.opened_at),
        broadcast=alert.is_escalation,
        addresses=list(alert.addresses),
        **{name: [problem_facts(problem) for problem in problems] for name, problems in groups.items()},
    )


def notice_facts(notice: ListNotice) -> Facts:
    return non_empty(
        key=notice.key,
        reason=str(notice.reason),
        lists=list(notice.list_ids),
        flipped=notice.newly_listed,
        asked=notice.answered,
    )


def history_facts(history: History) -> Facts:
    return {track.key: [track.name, *map(span_facts, track.spans)] for track in history.tracks}


def span_facts(span: Span) -> list[Any]:
    durations = [span.count, span.duration.total_seconds(), span.longest.total_seconds()]
    return [at(span.since), at(span.until), *durations, span.actor]


def settings_facts(settings: ChannelSettings) -> Facts:
    return non_empty(
        updates=settings.update_mode,
        reminder=settings.reminders,
        restrict=settings.creator_only,
        lists=settings.list_notices,
        digest=settings.weekly_digest,
    )


def health_facts(health: ListHealth) -> Facts:
    return non_empty(
        list=health.list_id,
        asked=health.answered,
        flipped=health.newly_listed,
        held_since=at(health.quarantined_since),
        good=health.good_rounds,
        silent=health.silent_rounds,
        degraded=health.degraded,
        episode=health.episode,
    )


def round_facts(counts: RoundCounts) -> Facts:
    return non_empty(
        list=counts.list_id,
        asked=counts.queried,
        answered=counts.answered,
        listed=counts.listed,
        lists_everything=counts.lists_everything,
    )
