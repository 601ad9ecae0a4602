"""Collects the data of the dashboard and App Home; a section that fails shows an error card."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from bot.models import ServerHealth
from bot.monitoring.dnsbl_quarantine import QuarantineState, QueryUsage
from bot.monitoring.interfaces import StoredWatch
from bot.monitoring.models import Channel
from bot.resilience.single_flight import SingleFlight
from bot.storage import StoreUnavailable
from handlers.message import Card, Tone
from handlers.messages import ListRow, internal_error_card
from handlers.messages.overview import (
    ChannelWatch,
    Overview,
    Section,
    budgets_section,
    lists_section,
    resolver_section,
    watch_sections,
)

LIST_STATUS_TTL_S = 300.0  # each refresh costs two queries per list
SECTION_TIMEOUT_S = 5.0
MAX_CHANNELS = 100
STORE_UNAVAILABLE = Card("The store of the watches does not answer right now.", Tone.WARN)

Sections = tuple[Section, ...]
QueryLists = Callable[[], Awaitable[Sequence[ListRow]]]

log = structlog.get_logger()


class OverviewSource(Protocol):
    """What the overview reads from the repository. Every method may raise StoreUnavailable."""

    async def list_workspaces(self) -> Sequence[tuple[str, str]]:
        """Platform and workspace of all watches."""

    async def list_channels(self, platform: str, workspace: str) -> Sequence[Channel]: ...

    async def list_watches(self, channel: Channel) -> Sequence[StoredWatch]: ...

    async def quarantine_state(self) -> QuarantineState | None:
        """State of the lists from monitoring; None before the first poll round."""


class ListStatusCache:
    """Status of the lists: queried on demand, shared by concurrent callers, cached five minutes."""

    def __init__(self, query_lists: QueryLists, clock: Callable[[], float]) -> None:
        self._query_lists = query_lists
        self._rows: SingleFlight[str, Sequence[ListRow]] = SingleFlight(LIST_STATUS_TTL_S, clock=clock)

    async def rows(self, timeout_s: float) -> Sequence[ListRow] | None:
        """The status, or None if the queries take longer. Raises what the query raised."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                return await self._rows("all", self._query_lists)
        return None


@dataclass(frozen=True, slots=True)
class OverviewBuilder:
    """Builds overviews.

    `list_names` are by list id; `list_timeout_s` limits the wait for their status.
    """

    source: OverviewSource
    list_status: ListStatusCache
    list_names: Mapping[str, str]
    name_servers: Callable[[], Sequence[ServerHealth]]
    budgets: Callable[[], Awaitable[Sequence[QueryUsage]]]
    now: Callable[[], datetime]
    list_timeout_s: float = 0.3

    async def build_all(self) -> Overview:
        """Overview of all workspaces, for the operator."""
        watched, (lists, waiting), resolver, budgets = await asyncio.gather(
            _sections_or_error("Watches", self._all_watches()),
            self._list_section(self.list_timeout_s),
            _sections_or_error("Resolver", self._resolver_section()),
            _sections_or_error("Budgets", self._budgets_section()),
        )
        return Overview(watched, (*lists, *resolver, *budgets), waiting)

    async def build_for_channels(self, platform: str, workspace: str, channel_names: Mapping[str, str]) -> Overview:
        """Overview of a user's channels in a workspace; `channel_names` are by channel id."""
        watched, (lists, waiting) = await asyncio.gather(
            _sections_or_error("Watches", self._workspace_watches(platform, workspace, channel_names)),
            self._list_section(SECTION_TIMEOUT_S),
        )
        return Overview(watched, lists, waiting)

    async def _all_watches(self) -> Sections:
        workspaces = await self.source.list_workspaces()
        channels = [channel for workspace in workspaces for channel in await self.source.list_channels(*workspace)]
        return await self._watch_sections({channel: channel_label(channel) for channel in channels})

    async def _workspace_watches(self, platform: str, workspace: str, channel_names: Mapping[str, str]) -> Sections:
        channels = await self.source.list_channels(platform, workspace)
        return await self._watch_sections(
            {channel: channel_names[channel.id] for channel in channels if channel.id in channel_names}
        )

    async def _watch_sections(self, channel_names: Mapping[Channel, str]) -> Sections:
        shown = list(channel_names.items())[:MAX_CHANNELS]
        stored_watches = await asyncio.gather(*(self.source.list_watches(channel) for channel, _channel in shown))
        watched = [
            ChannelWatch(stored, name)
            for (_channel, name), channel_watches in zip(shown, stored_watches, strict=True)
            for stored in channel_watches
        ]
        return watch_sections(watched, self.now())

    async def _list_section(self, timeout_s: float) -> tuple[Sections, bool]:
        """The section, and whether the list status is still pending."""
        waiting = False

        async def lists() -> Sections:
            nonlocal waiting
            rows = await self.list_status.rows(timeout_s)
            waiting = rows is None
            memory = await self.source.quarantine_state()
            return (lists_section(rows, memory.healths if memory else (), self.list_names),)

        return await _sections_or_error("Blocklists", lists()), waiting

    async def _resolver_section(self) -> Sections:
        return (resolver_section(self.name_servers()),)

    async def _budgets_section(self) -> Sections:
        return (budgets_section(await self.budgets(), self.list_names),)


def channel_label(channel: Channel) -> str:
    """Label of a channel whose display name is unknown."""
    return f"#{channel.id}" if channel.platform == "web" else f"{channel.platform} {channel.id}"


async def _sections_or_error(title: str, sections: Awaitable[Sections]) -> Sections:
    """The sections, or an error card after a timeout or an exception."""
    try:
        async with asyncio.timeout(SECTION_TIMEOUT_S + 1):
            return await sections
    except (StoreUnavailable, TimeoutError) as error:
        log.warning("overview section unavailable", section=title, error=str(error))
        return (Section(title, (STORE_UNAVAILABLE,)),)
    except Exception:
        log.exception("overview section failed", section=title)
        return (Section(title, (internal_error_card(),)),)
