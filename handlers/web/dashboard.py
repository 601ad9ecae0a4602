"""Dashboard, and the read-only status page at `/status`.

The status page has no forms, no buttons and no text of users' commands.
"""

from __future__ import annotations

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

from bot.resilience.rate_limit import RateLimiter
from bot.resilience.single_flight import SingleFlight
from handlers.message import Card, Table, Tone
from handlers.messages.formatting import pluralize
from handlers.messages.overview import Overview, Section
from handlers.web.message_log import Message
from handlers.web.render import SYMBOLS, TONE_LABELS, card_view, format_time, template_environment
from handlers.web.sessions import FAILED_LOGINS, PUBLIC_PATHS, SessionGate, text_response

CACHE_TTL_S = 2.0
MAX_RECENT = 12

OverviewLoader = Callable[[], Awaitable[Overview]]


def cached_overview(load_overview: OverviewLoader, clock: Callable[[], float]) -> OverviewLoader:
    """Overview that is kept for CACHE_TTL_S and shared by concurrent viewers."""
    overviews: SingleFlight[str, Overview] = SingleFlight(CACHE_TTL_S, clock=clock)
    return lambda: overviews("all", load_overview)


async def empty_overview() -> Overview:
    """Default loader: an empty overview."""
    return Overview()


def checks_section(messages: Iterable[Message]) -> Section:
    return Section("Checks", (recent_card(messages),))


def recent_card(messages: Iterable[Message]) -> Card:
    """The latest public answers, newest first."""
    answers = ((m, m.card) for m in messages if m.card and not (m.only_for or m.pending or m.key))
    newest = islice(sorted(answers, key=lambda answer: answer[0].id, reverse=True), MAX_RECENT)
    rows = tuple((format_time(m.at), f"#{m.channel}", verdict_text(card.tone), card.title) for m, card in newest)
    if not rows:
        return Card("Nothing was checked since the bot was started")
    return Card(
        f"The last {pluralize(len(rows), 'answer')} in the channels", table=Table(("At", "In", "", "Answer"), rows)
    )


def verdict_text(tone: Tone) -> str:
    return f"{SYMBOLS[tone]} {TONE_LABELS[tone].rstrip(':').lower()}".strip()


STATUS_PATH = "/status"
STATIC = Path(__file__).parent / "static"


def status_route(overview: Callable[[], Awaitable[Overview]], environment: Environment) -> Route:
    async def status(_: Request) -> Response:
        return HTMLResponse(environment.get_template("status.html").render(overview_context(await overview())))

    return Route(STATUS_PATH, status, methods=["GET"])


def status_page_routes(load_overview: OverviewLoader) -> list[Mount]:
    """The published status page without the web chat; to be mounted last."""
    overview = cached_overview(load_overview, time.monotonic)
    routes = [status_route(overview, template_environment()), Mount("/static", StaticFiles(directory=STATIC))]
    pages = Starlette(routes=routes, exception_handlers={HTTPException: http_error_response})
    return [
        Mount("/", app=SessionGate(pages, "", RateLimiter(FAILED_LOGINS, time.monotonic), public_paths=PUBLIC_PATHS))
    ]


def overview_context(overview: Overview, *extra_sections: Section) -> dict[str, Any]:
    """Template context of an overview, with extra sections between watches and blocklists."""
    sections = (*overview.watched, *extra_sections, *overview.health)
    rendered = [(section.title, [card_view(card) for card in section.cards]) for section in sections]
    return {"sections": rendered, "waiting": overview.lists_pending, "at": datetime.now(UTC)}


async def http_error_response(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return text_response(error.detail if error.status_code != 404 else "There is no such page.", error.status_code)
