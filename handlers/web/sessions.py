"""Sessions, CSRF protection and login of the web chat.

Without a password only this machine can connect, and the `Host` header must name it, which defeats
DNS rebinding. With a password any host may connect. Every write needs a same-origin `Origin` header
and the page's CSRF token.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.resilience.rate_limit import Rate, RateLimiter
from bot.settings import HostPort, split_port
from handlers.ports import CannotServe
from handlers.web.form_parser import Form, read_form
from handlers.web.multipart_form import MalformedForm

COOKIE = "mailcheck_session"
FAILED_LOGINS = Rate(per_second=10 / 60, burst=10.0)  # of all clients together
LOGIN_PATHS = ("/login", "/static/")
PUBLIC_PATHS = ("/status", "/static/")
PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # With `no-referrer`, browsers send `Origin: null` even on same-origin forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Visitor:
    """A valid session: the user id of the cookie, and the CSRF token of its forms."""

    person: str
    csrf: str


@dataclass(frozen=True, slots=True)
class SignedCookie:
    """Stateless sessions: the cookie is a user id signed with a secret of this process."""

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def issue(self) -> str:
        person = secrets.token_hex(8)
        return f"{person}.{self._sign('session', person)}"

    def verify(self, cookie: str) -> Visitor | None:
        person, _, seal = cookie.partition(".")
        if not person or not constant_time_equal(seal, self._sign("session", person)):
            return None
        return Visitor(person, self._sign("form", person))

    def _sign(self, purpose: str, person: str) -> str:
        return hmac.new(self.secret, f"{purpose} {person}".encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class SessionGate:
    """ASGI middleware in front of the pages; sets visitor and form in `request.state`.

    GET requests to paths that start with one of `public_paths` need no session, also behind a
    proxy.
    """

    app: ASGIApp
    password: str = field(repr=False)
    failed_logins: RateLimiter
    signed_cookie: SignedCookie = field(default_factory=SignedCookie)
    public_paths: tuple[str, ...] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope, receive)
            try:
                answer = await self._gate(request)
            except MalformedForm as error:
                answer = text_response(str(error), 400)
            await (answer or self.app)(scope, receive, _with_headers(send, request))

    async def _gate(self, request: Request) -> Response | None:
        """The response of the gate itself; None to pass the request on."""
        path, is_post = request.url.path, request.method == "POST"
        if request.method in ("GET", "HEAD") and path.startswith(self.public_paths):
            return None
        if not self.password and not is_local_request(request.headers):
            return text_response("The web chat answers on this machine only: open it as http://127.0.0.1.", 421)
        if is_post and not is_same_origin(request.headers):
            return text_response("That did not come from a page of the web chat.", 403)
        if request.method not in ("GET", "HEAD", "POST"):
            return text_response("The web chat knows only GET and POST.", 405)
        visitor = self.signed_cookie.verify(session_cookie(request.headers))
        form = await read_form(request, visitor is not None) if is_post else Form()
        if form is None:
            return text_response("That is more text than the web chat takes at once.", 413)
        request.state.visitor, request.state.form, request.state.files = (visitor, form.fields, form.files)
        if path == "/login" and is_post:
            return self._log_in(request)
        if path.startswith(LOGIN_PATHS):
            return None
        if visitor is None:
            return self._start_session(request)
        if is_post and not constant_time_equal(dict(request.state.form).get("csrf", ""), visitor.csrf):
            return text_response("This page is out of date: reload it and try again.", 403)
        return None

    def _start_session(self, request: Request) -> Response | None:
        """A session for a new client, or a redirect to the login page."""
        if request.method == "POST" or request.url.path == "/stream":
            return text_response("This page is out of date: reload it and try again.", 403)
        if self.password:
            return RedirectResponse("/login", 303)
        self._issue_cookie(request)
        return None

    def _issue_cookie(self, request: Request) -> None:
        request.state.cookie = self.signed_cookie.issue()
        request.state.visitor = self.signed_cookie.verify(request.state.cookie)

    def _log_in(self, request: Request) -> Response | None:
        """None to show the login page again, with the error in `request.state.wrong`."""
        if self.password and not self.failed_logins.wait_s("all"):
            if constant_time_equal(dict(request.state.form).get("password", ""), self.password):
                self._issue_cookie(request)
                return RedirectResponse("/", 303)
            self.failed_logins.reserve("all")
            request.state.wrong = "That is not the password."
        else:
            request.state.wrong = "Too many wrong passwords; please wait a minute."
        return None


def required_password(address: HostPort, password: str) -> str:
    """The required password, empty for none. Raises CannotServe if a network could connect."""
    if not password and not is_loopback(address.host):
        raise CannotServe(
            f"The web chat would be open to everybody who reaches {address}: "
            "set MAILCHECK_WEB_PASSWORD, "
            "or let it listen on this machine only with MAILCHECK_HTTP=127.0.0.1:3000."
        )
    return password


def is_local_request(headers: Headers) -> bool:
    """Whether a browser on this machine connects by a loopback name and without a proxy."""
    return is_loopback(split_port(headers.get("host", ""))[0]) and not any(name in headers for name in PROXY_HEADERS)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_same_origin(headers: Headers) -> bool:
    """Whether the form comes from our own page; browsers always send its Origin."""
    host = headers.get("host", "")
    site = headers.get("sec-fetch-site", "same-origin")
    return bool(host) and site == "same-origin" and urlsplit(headers.get("origin", "")).netloc == host


def session_cookie(headers: Mapping[str, str]) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def text_response(sentence: str, status: int) -> Response:
    return PlainTextResponse(f"{sentence}\n", status)


def constant_time_equal(left: str, right: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(left.encode("utf-8", "replace"), right.encode("utf-8", "replace"))


def _with_headers(send: Send, request: Request) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(SECURITY_HEADERS)
            if cookie := getattr(request.state, "cookie", ""):
                secure = "; Secure" if request.url.scheme == "https" else ""
                headers.append("set-cookie", f"{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Strict{secure}")
        await send(message)

    return send_with_headers
