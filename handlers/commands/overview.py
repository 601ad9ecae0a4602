"""Everything at one look, gathered for `handlers.messages.overview`, which says it. A part that fails hides no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from bot.models import ServerHealth
from bot.monitoring.dnsbl_quarantine import ListMemory, Used
from bot.monitoring.interfaces import Kept
from bot.monitoring.models import Room
from bot.storage import StoreUnavailable
from handlers.message import Card, Tone
from handlers.messages import ListRow, broken_card
from handlers.messages.overview import (
    Overview,
    Section,
    Watched,
    budgets_section,
    lists_section,
    resolver_section,
    watched_sections,
)

LISTS_KEPT_S = 300.0  # two questions a list: not at every look
WITHIN_S = 5.0
MOST_ROOMS = 100
AWAY = Card("The store of the watches does not answer right now.", Tone.WARN)

Sections = tuple[Section, ...]
Asked = Callable[[], Awaitable[Sequence[ListRow]]]

log = structlog.get_logger()


class Remembering(Protocol):
    """What the overview reads of the register. Every method raises StoreUnavailable where the store does not answer."""

    async def spaces(self) -> Sequence[tuple[str, str]]:
        """The platform and the space of every watch there is."""

    async def rooms_of(self, platform: str, space: str) -> Sequence[Room]: ...

    async def of_room(self, room: Room) -> Sequence[Kept]: ...

    async def list_memory(self) -> ListMemory | None:
        """What the rounds know of every list; None before the first."""


class Lately:
    """The health of the lists: asked when somebody looks, once however many look, and kept for five minutes."""

    def __init__(self, ask: Asked, clock: Callable[[], float]) -> None:
        self._ask, self._clock = ask, clock
        self._asking: asyncio.Future[Sequence[ListRow]] | None = None
        self._asked = float("-inf")

    async def rows(self, within: float) -> Sequence[ListRow] | None:
        """None while the lists are still being asked. Raises what asking them raised."""
        asking = self._asking
        if asking is None or (asking.done() and (asking.exception() or self._clock() - self._asked > LISTS_KEPT_S)):
            asking = self._asking = asyncio.ensure_future(self._ask())
            self._asked = self._clock()
        await asyncio.wait({asking}, timeout=within)
        return asking.result() if asking.done() else None


@dataclass(frozen=True, slots=True)
class Overviews:
    """`names` are those of the lists by id; `lists_within` is how long a look waits for them, in seconds."""

    kept: Remembering
    lately: Lately
    names: Mapping[str, str]
    resolver: Callable[[], Sequence[ServerHealth]]
    budgets: Callable[[], Awaitable[Sequence[Used]]]
    now: Callable[[], datetime]
    lists_within: float = 0.3

    async def of_everything(self) -> Overview:
        """For whoever runs the bot."""
        watched, (lists, waiting), resolver, budgets = await asyncio.gather(
            _part("Watches", self._watched_everywhere()),
            self._lists(self.lists_within),
            _part("Resolver", self._resolver()),
            _part("Budgets", self._budgets()),
        )
        return Overview(watched, (*lists, *resolver, *budgets), waiting)

    async def of_rooms(self, platform: str, space: str, names: Mapping[str, str]) -> Overview:
        """For a person: the channels of a space that they are in, with what people call them by id."""
        watched, (lists, waiting) = await asyncio.gather(
            _part("Watches", self._watched_in(platform, space, names)), self._lists(WITHIN_S)
        )
        return Overview(watched, lists, waiting)

    async def _watched_everywhere(self) -> Sections:
        spaces = await self.kept.spaces()
        rooms = [room for space in spaces for room in await self.kept.rooms_of(*space)]
        return await self._watched({room: called(room) for room in rooms})

    async def _watched_in(self, platform: str, space: str, names: Mapping[str, str]) -> Sections:
        rooms = await self.kept.rooms_of(platform, space)
        return await self._watched({room: names[room.channel] for room in rooms if room.channel in names})

    async def _watched(self, rooms: Mapping[Room, str]) -> Sections:
        shown = list(rooms.items())[:MOST_ROOMS]
        found = await asyncio.gather(*(self.kept.of_room(room) for room, _ in shown))
        watched = [Watched(kept, name) for (_, name), some in zip(shown, found, strict=True) for kept in some]
        return watched_sections(watched, self.now())

    async def _lists(self, within: float) -> tuple[Sections, bool]:
        """The section, and whether the lists are still being asked."""
        waiting = False

        async def lists() -> Sections:
            nonlocal waiting
            rows = await self.lately.rows(within)
            waiting = rows is None
            memory = await self.kept.list_memory()
            return (lists_section(rows, memory.healths if memory else (), self.names),)

        return await _part("Blocklists", lists()), waiting

    async def _resolver(self) -> Sections:
        return (resolver_section(self.resolver()),)

    async def _budgets(self) -> Sections:
        return (budgets_section(await self.budgets(), self.names),)


def called(room: Room) -> str:
    """A channel where nobody says what people call it."""
    return f"#{room.channel}" if room.platform == "web" else f"{room.platform} {room.channel}"


async def _part(title: str, work: Awaitable[Sections]) -> Sections:
    """Some sections, in time or with a sentence in their place."""
    try:
        async with asyncio.timeout(WITHIN_S + 1):
            return await work
    except (StoreUnavailable, TimeoutError) as away:
        log.warning("overview waits", section=title, why=str(away))
        return (Section(title, (AWAY,)),)
    except Exception:
        log.exception("overview broke", section=title)
        return (Section(title, (broken_card(),)),)
