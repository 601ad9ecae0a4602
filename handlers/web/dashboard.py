"""One page to look at: how everything is, and what was checked lately.

The overview for those who may only look: at `/status`, without a form, a button, or a word of what people asked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from handlers.message import Card, Table, Tone
from handlers.messages.formatting import count
from handlers.messages.overview import Overview, Section
from handlers.web.message_log import Message
from handlers.web.render import MARKS, WORDS, card_view, clock, templates
from handlers.web.sessions import PUBLIC, Guard, Tries, said

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


PATH = "/status"
STATIC = Path(__file__).parent / "static"


def status_route(overview: Callable[[], Awaitable[Overview]], drawn_by: Environment) -> Route:
    async def status(_: Request) -> Response:
        return HTMLResponse(drawn_by.get_template("status.html").render(seen(await overview())))

    return Route(PATH, status, methods=["GET"])


def status_alone(look: Look) -> list[Mount]:
    """The published page of a bot whose chat is elsewhere; to be mounted last."""
    glance = Glance(look, time.monotonic)
    routes = [status_route(glance.overview, templates()), Mount("/static", StaticFiles(directory=STATIC))]
    pages = Starlette(routes=routes, exception_handlers={HTTPException: wrong})
    return [Mount("/", app=Guard(pages, "", Tries(time.monotonic), published=PUBLIC))]


def seen(overview: Overview, *between: Section) -> dict[str, Any]:
    """What a page of the overview draws, with sections of its own between the watches and how well the bot can see."""
    sections = (*overview.watched, *between, *overview.sight)
    drawn = [(section.title, [card_view(card) for card in section.cards]) for section in sections]
    return {"sections": drawn, "waiting": overview.waiting, "at": datetime.now(UTC)}


async def wrong(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return said(error.detail if error.status_code != 404 else "There is no such page.", error.status_code)
