"""Pages of the web chat and their forms; a form is equivalent to a typed command."""

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

from bot.demo import EXAMPLES, WATCH_EXAMPLES, Demo, Example
from bot.settings import HostPort
from handlers.charts import layout_timeline, render_svg
from handlers.charts.scene import DARK, LIGHT
from handlers.messages.formatting import MUTE_DURATIONS
from handlers.messages.overview import Overview
from handlers.ports import ChannelUnavailable, File, MessageNotFound
from handlers.sanitize import sanitize
from handlers.web.dashboard import STATIC, checks_section, http_error_response, overview_context, status_route
from handlers.web.event_stream import MAX_STREAMS, EventStream, last_event_number
from handlers.web.message_log import ALERTS, CHANNELS, MAX_MESSAGES, MAX_REPLIES, MessageEvent, MessageLog
from handlers.web.render import ALT, message_view, template_environment
from handlers.web.sessions import is_loopback, text_response

PALETTES = {"light": LIGHT, "dark": DARK}
MAX_TEXT = 20_000  # characters in one message
INTERVALS = ("15m", "1h", "6h", "24h")
HOME_PATH = f"/c/{CHANNELS[0].name}"
OWN_PATH = re.compile(r"/c/[a-z]+(/t/[0-9]+)?|/dashboard")
FIRST_STEPS = (
    Example("example.com", "a domain: SPF, DMARC, MX, blocklists"),
    Example("lists", "which blocklists are working here"),
    Example("help", "all that you can type"),
)


class ChatBackend(Protocol):
    """What the pages need of the web chat."""

    @property
    def message_log(self) -> MessageLog: ...

    @property
    def usages(self) -> Sequence[tuple[str, str]]: ...

    def receive(self, channel: str, thread: str, person: str, text: str, files: tuple[File, ...] = ()) -> None:
        """Accept a command. Raises ChannelUnavailable or MessageNotFound."""

    async def overview(self) -> Overview: ...


class Pages:
    """Handlers of the web chat's pages."""

    def __init__(self, chat: ChatBackend, demo: Demo | None, address: HostPort) -> None:
        self._chat, self._demo = chat, demo
        self._templates = template_environment()
        self._message_template = self._templates.get_template("message_fragment.html")
        self._address_note = (
            f"Served on {address}, for this machine only." if is_loopback(address.host) else f"Served on {address}."
        )

    def build_app(self) -> Starlette:
        routes = [
            Route("/", self._home),
            Route("/c/{channel}", self._channel, methods=["GET"]),
            Route("/c/{channel}", self._post_message, methods=["POST"]),
            Route("/c/{channel}/t/{thread}", self._channel, methods=["GET"]),
            Route("/c/{channel}/t/{thread}", self._post_message, methods=["POST"]),
            Route("/c/{channel}/p/{message}/{paper}.svg", self._chart),
            Route("/stream", self._stream),
            Route("/dashboard", self._dashboard),
            status_route(self._chat.overview, self._templates),
            Route("/demo", self._switch, methods=["POST"]),
            Route("/login", self._login, methods=["GET", "POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
        return Starlette(
            routes=routes,
            exception_handlers={
                ChannelUnavailable: not_found_response,
                MessageNotFound: not_found_response,
                HTTPException: http_error_response,
            },
        )

    # Pages

    async def _home(self, _: Request) -> Response:
        return RedirectResponse(HOME_PATH, 303)

    async def _channel(self, request: Request) -> Response:
        channel, thread = request.path_params["channel"], request.path_params.get("thread", "")
        person, message_log = request.state.visitor.person, self._chat.message_log
        channel_log = message_log.channel_log(channel)
        if thread and not message_log.find(channel, thread).visible_to(person):
            raise MessageNotFound("it is for another person")
        messages = message_log.visible(channel, person)
        return self._page(
            "chat",
            request,
            here=channel,
            topic=channel_log.channel.topic,
            forgot=channel_log.truncated,
            most=MAX_MESSAGES,
            most_replies=MAX_REPLIES,
            messages=[message_view(message, person) for message in messages],
            thread=thread,
            replies=[message_view(m, person, thread) for m in message_log.visible(channel, person, thread)]
            if thread
            else (),
            pending=any(message.pending for message in messages),
            after=message_log.last_event_number,
            examples=self._examples(channel),
            usages=self._chat.usages,
            can_watch=any(typed.startswith("watch") for typed, _ in self._chat.usages),
            longest=MAX_TEXT,
            mute_for=MUTE_DURATIONS,
            intervals=INTERVALS,
        )

    async def _chart(self, request: Request) -> Response:
        """A message's chart for a user who may see it; `paper` is light or dark."""
        params = request.path_params
        message = self._chat.message_log.find(params["channel"], params["message"])
        palette = PALETTES.get(params["paper"])
        if not message.visible_to(request.state.visitor.person) or palette is None:
            raise MessageNotFound("it is for another person")
        if message.card is None or message.card.chart is None:
            raise MessageNotFound("it has no picture")
        chart = message.card.chart
        image = render_svg(layout_timeline(chart.timeline), palette, sanitize(chart.alt, ALT))
        return Response(image, media_type="image/svg+xml")

    def _examples(self, channel: str) -> Sequence[Example]:
        if channel == ALERTS:
            return WATCH_EXAMPLES if self._demo else ()
        return EXAMPLES if self._demo else FIRST_STEPS

    async def _dashboard(self, request: Request) -> Response:
        overview = await self._chat.overview()
        checks = checks_section(self._chat.message_log.all_messages())
        return self._page("dashboard", request, here="dashboard", **overview_context(overview, checks))

    async def _login(self, request: Request) -> Response:
        error = getattr(request.state, "wrong", "")
        html = self._templates.get_template("login.html").render(wrong=error)
        return HTMLResponse(html, 401 if error else 200)

    async def _stream(self, request: Request) -> Response:
        person, message_log = request.state.visitor.person, self._chat.message_log
        if message_log.subscriber_count >= MAX_STREAMS:
            return text_response("Too many pages are open at once; please close some.", 503)

        def render(event: MessageEvent) -> str:
            return self._message_template.render(of=message_view(event.message, person))

        return EventStream(message_log, person, last_event_number(request), render)

    # Forms

    async def _post_message(self, request: Request) -> Response:
        channel, thread = request.path_params["channel"], request.path_params.get("thread", "")
        person, text = request.state.visitor.person, command_from_form(request.state.form)
        if len(text) > MAX_TEXT:
            return text_response(f"That is more than the {MAX_TEXT:,} characters that one message can hold.", 413)
        if text:
            self._chat.receive(channel, thread, person, text, request.state.files)
        return accepted_response(request, f"/c/{channel}/t/{thread}" if thread else f"/c/{channel}")

    async def _switch(self, request: Request) -> Response:
        form = dict(request.state.form)
        try:
            if self._demo is None:
                return text_response("This is no demo.", 404)
            self._demo.switch(form.get("switch", ""), bool(form.get("on")))
        except KeyError:
            return text_response("There is no such switch.", 404)
        back = form.get("back", "")
        return RedirectResponse(back if OWN_PATH.fullmatch(back) else HOME_PATH, 303)

    def _page(self, name: str, request: Request, **context: Any) -> Response:
        html = self._templates.get_template(f"{name}.html").render(
            channels=CHANNELS,
            path=request.url.path,
            csrf=request.state.visitor.csrf,
            switches=self._demo.switches if self._demo else (),
            listening=self._address_note,
            **context,
        )
        return HTMLResponse(html)


def command_from_form(form: Sequence[tuple[str, str]]) -> str:
    """The command of a form: its texts in order; other filled fields with their keyword."""
    prefixes = {"text": "", "every": "every ", "as": "as ", "name": "name "}
    parts = ((prefixes[name], value.strip()) for name, value in form if name in prefixes)
    return " ".join(f"{prefix}{value}" for prefix, value in parts if value)


def accepted_response(request: Request, page: str) -> Response:
    """204 for a page with an event stream; a redirect for browsers without JavaScript."""
    return Response(status_code=204) if request.headers.get("x-live") else RedirectResponse(page, 303)


async def not_found_response(_: Request, error: Exception) -> Response:
    return text_response(f"That is not here: {error}.", 404)
