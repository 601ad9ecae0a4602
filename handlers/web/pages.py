"""The pages of the web chat, and the forms that come back from them. A form is a typed command: nothing more can be done here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from bot.demo import ALERTED, EXAMPLES, DemoWorld, Example
from bot.settings import HostPort
from handlers.charts import laid_out, svg
from handlers.charts.scene import DARK, LIGHT
from handlers.messages import help_card
from handlers.messages.formatting import MUTE_FOR
from handlers.messages.overview import Overview
from handlers.ports import File, MessageGone, RoomGone
from handlers.sanitize import inert
from handlers.web.dashboard import STATIC, checks_section, seen, status_route, wrong
from handlers.web.event_stream import MOST_STREAMS, Stream, after_of
from handlers.web.message_log import ALERTS, CHANNELS, MOST_MESSAGES, MOST_REPLIES, Channels, News
from handlers.web.render import ALT, message_view, templates
from handlers.web.sessions import is_loopback, said

PAPERS = {"light": LIGHT, "dark": DARK}
LONGEST = 20_000  # characters in one message
INTERVALS = ("15m", "1h", "6h", "24h")
HOME = f"/c/{CHANNELS[0].name}"
OUR_PAGE = re.compile(r"/c/[a-z]+(/t/[0-9]+)?|/dashboard")
FIRST_STEPS = (
    Example("example.com", "a domain: SPF, DMARC, MX, blocklists"),
    Example("lists", "which blocklists answer here, and which do not"),
    Example("help", "all that you can type"),
)


class Chat(Protocol):
    """What the pages need of the chat behind them."""

    @property
    def channels(self) -> Channels: ...

    def hear(self, channel: str, thread: str, person: str, text: str, files: tuple[File, ...] = ()) -> None:
        """Takes what was typed and attached; raises RoomGone or MessageGone."""

    async def overview(self) -> Overview: ...


class Pages:
    def __init__(self, chat: Chat, demo: DemoWorld | None, listening: HostPort) -> None:
        self._chat, self._demo = chat, demo
        self._templates = templates()
        self._one = self._templates.get_template("one.html")
        self._where = (
            f"Served on {listening}, for this machine only."
            if is_loopback(listening.host)
            else f"Served on {listening}."
        )

    def site(self) -> Starlette:
        routes = [
            Route("/", self._home),
            Route("/c/{channel}", self._channel, methods=["GET"]),
            Route("/c/{channel}", self._say, methods=["POST"]),
            Route("/c/{channel}/t/{thread}", self._channel, methods=["GET"]),
            Route("/c/{channel}/t/{thread}", self._say, methods=["POST"]),
            Route("/c/{channel}/p/{message}/{paper}.svg", self._picture),
            Route("/stream", self._stream),
            Route("/dashboard", self._dashboard),
            status_route(self._chat.overview, self._templates),
            Route("/demo", self._switch, methods=["POST"]),
            Route("/login", self._login, methods=["GET", "POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
        return Starlette(routes=routes, exception_handlers={RoomGone: gone, MessageGone: gone, HTTPException: wrong})

    # Pages

    async def _home(self, _: Request) -> Response:
        return RedirectResponse(HOME, 303)

    async def _channel(self, request: Request) -> Response:
        here, thread = request.path_params["channel"], request.path_params.get("thread", "")
        person, channels = request.state.visitor.person, self._chat.channels
        room = channels.room(here)
        if thread and not channels.find(here, thread).seen_by(person):
            raise MessageGone("it is for somebody else")
        seen = channels.seen(here, person)
        usages = help_card().table
        return self._page(
            "chat",
            request,
            here=here,
            topic=room.channel.topic,
            forgot=room.forgot,
            most=MOST_MESSAGES,
            most_replies=MOST_REPLIES,
            messages=[message_view(message, person) for message in seen],
            thread=thread,
            replies=[message_view(m, person, thread) for m in channels.seen(here, person, thread)] if thread else (),
            pending=any(message.pending for message in seen),
            after=channels.number,
            examples=self._examples(here),
            usages=[row[:2] for row in usages.rows] if usages else (),
            can_watch=any(row[0].startswith("watch") for row in (usages.rows if usages else ())),
            longest=LONGEST,
            mute_for=MUTE_FOR,
            intervals=INTERVALS,
        )

    async def _picture(self, request: Request) -> Response:
        """Of a message, for whoever may see it; its paper is light or dark, as the page is."""
        where = request.path_params
        message = self._chat.channels.find(where["channel"], where["message"])
        palette = PAPERS.get(where["paper"])
        if not message.seen_by(request.state.visitor.person) or palette is None:
            raise MessageGone("it is for somebody else")
        if message.card is None or message.card.picture is None:
            raise MessageGone("it has no picture")
        picture = message.card.picture
        drawn = svg(laid_out(picture.timeline), palette, inert(picture.alt, ALT))
        return Response(drawn, media_type="image/svg+xml")

    def _examples(self, channel: str) -> Sequence[Example]:
        if channel == ALERTS:
            return ALERTED if self._demo else ()
        return EXAMPLES if self._demo else FIRST_STEPS

    async def _dashboard(self, request: Request) -> Response:
        overview = await self._chat.overview()
        checks = checks_section(self._chat.channels.all())
        return self._page("dashboard", request, here="dashboard", **seen(overview, checks))

    async def _login(self, request: Request) -> Response:
        wrong_word = getattr(request.state, "wrong", "")
        html = self._templates.get_template("login.html").render(wrong=wrong_word)
        return HTMLResponse(html, 401 if wrong_word else 200)

    async def _stream(self, request: Request) -> Response:
        person, channels = request.state.visitor.person, self._chat.channels
        if channels.listeners >= MOST_STREAMS:
            return said("Too many pages are open at once; please close some.", 503)

        def draw(news: News) -> str:
            return self._one.render(of=message_view(news.message, person))

        return Stream(channels, person, after_of(request), draw)

    # What comes back

    async def _say(self, request: Request) -> Response:
        here, thread = request.path_params["channel"], request.path_params.get("thread", "")
        person, text = request.state.visitor.person, command_of(request.state.form)
        if len(text) > LONGEST:
            return said(f"That is more than the {LONGEST:,} characters that one message can hold.", 413)
        if text:
            self._chat.hear(here, thread, person, text, request.state.files)
        return taken(request, f"/c/{here}/t/{thread}" if thread else f"/c/{here}")

    async def _switch(self, request: Request) -> Response:
        form = dict(request.state.form)
        try:
            if self._demo is None:
                return said("This is no demo.", 404)
            self._demo.switch(form.get("switch", ""), bool(form.get("on")))
        except KeyError:
            return said("There is no such switch.", 404)
        back = form.get("back", "")
        return RedirectResponse(back if OUR_PAGE.fullmatch(back) else HOME, 303)

    def _page(self, name: str, request: Request, **parts: Any) -> Response:
        html = self._templates.get_template(f"{name}.html").render(
            channels=CHANNELS,
            path=request.url.path,
            csrf=request.state.visitor.csrf,
            switches=self._demo.switches if self._demo else (),
            listening=self._where,
            **parts,
        )
        return HTMLResponse(html)


def command_of(form: Sequence[tuple[str, str]]) -> str:
    """The command that a form spells: its texts in a row; another field that is filled in says its name first."""
    spelt = {"text": "", "every": "every ", "as": "as ", "name": "name "}
    filled = ((spelt[name], value.strip()) for name, value in form if name in spelt)
    return " ".join(f"{word}{value}" for word, value in filled if value)


def taken(request: Request, page: str) -> Response:
    """Nothing for a page that hears of it by its stream, and the page again for a browser without script."""
    return Response(status_code=204) if request.headers.get("x-live") else RedirectResponse(page, 303)


async def gone(_: Request, error: Exception) -> Response:
    return said(f"That is not here: {error}.", 404)
