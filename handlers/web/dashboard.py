"""One page to look at: whether the lists can be believed, what was checked lately, and what others hand in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from typing import Protocol

import structlog

from handlers.card import Card, Table, Tone
from handlers.messages import broken_card
from handlers.messages.words import count
from handlers.platform import Answering, Ask, Room
from handlers.web.channels import Message
from handlers.web.drawing import MARKS, WORDS, clock

LISTS_KEPT_S = 300.0  # two questions a list: not at every look
WAIT_S = 0.3
OVERVIEW_WITHIN_S = 5.0
RECENT = 12
HERE = Room("web", "local", "dashboard")

Section = tuple[str, Sequence[Card]]

log = structlog.get_logger()


class Overview(Protocol):
    """A section that others fill, such as watches and incidents: its cards, as things are now."""

    async def __call__(self) -> Sequence[Card]: ...


class Lists:
    """The health of the lists, asked when somebody looks, and kept for five minutes."""

    def __init__(self, commands: Answering, clock: Callable[[], float]) -> None:
        self._commands, self._clock = commands, clock
        self._asking: asyncio.Task[Card] | None = None
        self._asked = float("-inf")

    async def card(self) -> Card | None:
        """None while the lists are still being asked."""
        if self._asking is None or (self._asking.done() and self._clock() - self._asked > LISTS_KEPT_S):
            ask = Ask(HERE, "dashboard", "lists", private=True)
            self._asking = asyncio.create_task(_said("lists", self._commands.answer(ask)))
            self._asked = self._clock()
        await asyncio.wait({self._asking}, timeout=WAIT_S)
        return self._asking.result() if self._asking.done() else None


async def sections(overviews: Iterable[tuple[str, Overview]], recent: Card, lists: Card | None) -> list[Section]:
    """The whole page; what an overview cannot say in time is said to be broken, and the rest stands."""
    asked = [(title, asyncio.create_task(_overview(title, overview))) for title, overview in overviews]
    handed_in = [(title, await cards) for title, cards in asked]
    still_asking = Card("Asking every blocklist for its test entries …")
    return [*handed_in, ("Checks", (recent,)), ("Blocklists", (lists or still_asking,))]


def recent_card(messages: Iterable[Message]) -> Card:
    """The last answers that all may see, newest first."""
    answers = ((m, m.card) for m in messages if m.card and not (m.only_for or m.pending or m.key))
    newest = islice(sorted(answers, key=lambda answer: answer[0].id, reverse=True), RECENT)
    rows = tuple((clock(m.at), f"#{m.channel}", verdict(card.tone), card.title) for m, card in newest)
    if not rows:
        return Card("Nothing was checked since the bot was started")
    return Card(f"The last {count(len(rows), 'answer')} in the channels", table=Table(("At", "In", "", "Answer"), rows))


def verdict(tone: Tone) -> str:
    return f"{MARKS[tone]} {WORDS[tone].rstrip(':').lower()}".strip()


async def _overview(title: str, overview: Overview) -> Sequence[Card]:
    try:
        async with asyncio.timeout(OVERVIEW_WITHIN_S):
            return await overview()
    except Exception:  # one part that is broken hides no other
        log.exception("overview broke", section=title)
        return (broken_card(),)


async def _said(section: str, card: Awaitable[Card]) -> Card:
    try:
        return await card
    except Exception:
        log.exception("overview broke", section=section)
        return broken_card()
