"""Who may come in: the door of the web chat.

Without a password only this machine can reach the page, so the `Host` header must name this machine: a stranger's page whose
name was pointed at 127.0.0.1 (DNS rebinding) sends its own. With a password anybody may knock, and the password decides.
Whatever changes something must come from our own page: its Origin, and a token that only that page holds.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.settings import HostPort, split_port
from handlers.ports import CannotServe
from handlers.web.form_parser import Form, read_form

COOKIE = "mailcheck_session"
TRIES, TRIES_WITHIN_S = 10, 60.0
OPEN = ("/login", "/static/")
PUBLIC = ("/status", "/static/")
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with `no-referrer` a browser would send `Origin: null`, even to ourselves
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Visitor:
    """Someone with a valid session: what stands in their cookie, and the token of their forms."""

    person: str
    csrf: str


@dataclass(frozen=True, slots=True)
class Seal:
    """Sessions without a memory: a cookie is a name, sealed with a secret of this process."""

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def new(self) -> str:
        person = secrets.token_hex(8)
        return f"{person}.{self._of('session', person)}"

    def visitor(self, cookie: str) -> Visitor | None:
        person, _, seal = cookie.partition(".")
        if not person or not same(seal, self._of("session", person)):
            return None
        return Visitor(person, self._of("form", person))

    def _of(self, purpose: str, person: str) -> str:
        return hmac.new(self.secret, f"{purpose} {person}".encode(), hashlib.sha256).hexdigest()


class Tries:
    """Wrong passwords, counted for everybody together: ten in a minute, then nobody may try for a while."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wrong: deque[float] = deque(maxlen=TRIES)

    def exhausted(self) -> bool:
        return len(self._wrong) == TRIES and self._clock() - self._wrong[0] < TRIES_WITHIN_S

    def wrong(self) -> None:
        self._wrong.append(self._clock())


@dataclass(frozen=True, slots=True)
class Guard:
    """Stands before the pages. They find the visitor and the form of a request in its state.

    What starts with one of `published` may be read by whoever asks, through a proxy too: nobody is let in and nothing can
    be changed there.
    """

    pages: ASGIApp
    password: str = field(repr=False)
    tries: Tries
    seal: Seal = field(default_factory=Seal)
    published: tuple[str, ...] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope, receive)
            answer = await self._answer(request)
            await (answer or self.pages)(scope, receive, _with_headers(send, request))

    async def _answer(self, request: Request) -> Response | None:
        """What the guard says itself; None where the pages may answer."""
        path, posted = request.url.path, request.method == "POST"
        if request.method in ("GET", "HEAD") and path.startswith(self.published):
            return None
        if not self.password and not is_here(request.headers):
            return said("The web chat answers on this machine only: open it as http://127.0.0.1.", 421)
        if posted and not from_our_page(request.headers):
            return said("That did not come from a page of the web chat.", 403)
        if request.method not in ("GET", "HEAD", "POST"):
            return said("The web chat knows only GET and POST.", 405)
        visitor = self.seal.visitor(cookie_of(request.headers))
        form = await read_form(request, visitor is not None) if posted else Form()
        if form is None:
            return said("That is more text than the web chat takes at once.", 413)
        request.state.visitor, request.state.form, request.state.files = visitor, form.fields, form.files
        if path == "/login" and posted:
            return self._log_in(request)
        if path.startswith(OPEN):
            return None
        if visitor is None:
            return self._welcome(request)
        if posted and not same(dict(request.state.form).get("csrf", ""), visitor.csrf):
            return said("This page is out of date: reload it and try again.", 403)
        return None

    def _welcome(self, request: Request) -> Response | None:
        """A session for whoever comes; where there is a password, the way to one."""
        if request.method == "POST" or request.url.path == "/stream":
            return said("This page is out of date: reload it and try again.", 403)
        if self.password:
            return RedirectResponse("/login", 303)
        self._let_in(request)
        return None

    def _let_in(self, request: Request) -> None:
        request.state.cookie = self.seal.new()
        request.state.visitor = self.seal.visitor(request.state.cookie)

    def _log_in(self, request: Request) -> Response | None:
        """None where the page with the form has to come again; it then says `request.state.wrong`."""
        if self.password and not self.tries.exhausted():
            if same(dict(request.state.form).get("password", ""), self.password):
                self._let_in(request)
                return RedirectResponse("/", 303)
            self.tries.wrong()
            request.state.wrong = "That is not the password."
        else:
            request.state.wrong = "Too many wrong passwords; please wait a minute."
        return None


def password_for(listening: HostPort, password: str) -> str:
    """The password to ask for, empty where none is set. Raises CannotServe where the page would be open to a network."""
    if not password and not is_loopback(listening.host):
        raise CannotServe(
            f"The web chat would be open to everybody who reaches {listening}: set MAILCHECK_WEB_PASSWORD, "
            "or let it listen on this machine only with MAILCHECK_HTTP=127.0.0.1:3000."
        )
    return password


def is_here(headers: Headers) -> bool:
    """Whether a browser on this machine asks: by our own name, and not through a proxy that would let others in."""
    return is_loopback(split_port(headers.get("host", ""))[0]) and not any(name in headers for name in FORWARDED)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def from_our_page(headers: Headers) -> bool:
    """Browsers say where a form comes from; what sends no Origin is no page of ours."""
    host = headers.get("host", "")
    site = headers.get("sec-fetch-site", "same-origin")
    return bool(host) and site == "same-origin" and urlsplit(headers.get("origin", "")).netloc == host


def cookie_of(headers: Mapping[str, str]) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def said(sentence: str, status: int) -> Response:
    return PlainTextResponse(f"{sentence}\n", status)


def same(one: str, other: str) -> bool:
    """In a time that tells nothing."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def _with_headers(send: Send, request: Request) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            if cookie := getattr(request.state, "cookie", ""):
                secure = "; Secure" if request.url.scheme == "https" else ""
                headers.append("set-cookie", f"{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Strict{secure}")
        await send(message)

    return sending
