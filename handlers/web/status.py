"""The overview for those who may only look: at `/status`, without a form, a button, or a word of what people asked."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from handlers.messages.overview import Overview, Section
from handlers.web.dashboard import Glance, Look
from handlers.web.drawing import card_view, templates
from handlers.web.guard import PUBLIC, Guard, Tries, said

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
