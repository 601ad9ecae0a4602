"""One page to look at: how everything is, and what was checked lately."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice

from handlers.card import Card, Table, Tone
from handlers.messages.overview import Overview, Section
from handlers.messages.words import count
from handlers.web.channels import Message
from handlers.web.drawing import MARKS, WORDS, clock

KEPT_S = 2.0  # however many look, and however often
RECENT = 12

Look = Callable[[], Awaitable[Overview]]


class Glance:
    """The overview, taken once for all who look within two seconds."""

    def __init__(self, look: Look, clock: Callable[[], float]) -> None:
        self._look, self._clock = look, clock
        self._taken: asyncio.Future[Overview] | None = None
        self._at = float("-inf")

    async def overview(self) -> Overview:
        taken = self._taken
        if taken is None or (taken.done() and self._clock() - self._at >= KEPT_S):
            taken = self._taken = asyncio.ensure_future(self._look())
            self._at = self._clock()
        return await asyncio.shield(taken)


async def nothing() -> Overview:
    """For a bot that looks after nothing."""
    return Overview()


def checks_section(messages: Iterable[Message]) -> Section:
    return Section("Checks", (recent_card(messages),))


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
