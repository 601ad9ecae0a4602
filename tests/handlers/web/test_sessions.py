"""Access to the web chat: host names, origins, CSRF tokens, passwords."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from bot.settings import HostPort
from handlers.commands import VERBS
from handlers.ports import CannotServe
from handlers.web.form_parser import MAX_FORM_BYTES
from handlers.web.sessions import SignedCookie, required_password
from tests.handlers.web.conftest import BASE_URL, SAME_ORIGIN, WebChatFixture, build_chat, csrf_token, submit_form

PASSWORD = "correct horse battery staple"
PATHS = ["/", "/c/mail", "/c/nowhere", "/c/mail/t/1", "/dashboard", "/stream", "/static/chat.css", "/nothing"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "::1", "localhost"])
def test_loopback_address_needs_no_password(host: str) -> None:
    assert required_password(HostPort(host, 3000), "") == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "bot.example", "localhost.evil.example"])
def test_public_address_without_password_refuses_start(host: str) -> None:
    with pytest.raises(CannotServe, match="MAILCHECK_WEB_PASSWORD"):
        required_password(HostPort(host, 3000), "")
    with pytest.raises(CannotServe):
        build_chat(address=HostPort(host, 3000))
    assert required_password(HostPort(host, 3000), PASSWORD) == PASSWORD


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["evil.example", "evil.example:3000", "127.0.0.1.evil.example", "192.0.2.1", ""])
async def test_foreign_host_header_is_refused(path: str, host: str, chat: WebChatFixture) -> None:
    async with chat.open_browser() as visitor:
        answer = await visitor.get(path, headers={"host": host})
    assert answer.status_code == 421
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["localhost:3000", "127.0.0.1:8080", "[::1]:3000"])
async def test_loopback_host_header_is_accepted(host: str, chat: WebChatFixture) -> None:
    async with chat.open_browser() as visitor:
        assert (await visitor.get("/c/mail", headers={"host": host})).status_code == 200


@pytest.mark.parametrize("path", PATHS[:1] + PATHS[1:5] + PATHS[6:])
async def test_every_response_has_security_headers(path: str, chat: WebChatFixture) -> None:
    async with chat.open_browser() as visitor:
        headers = (await visitor.get(path)).headers
    rules = dict(rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";"))
    assert rules.pop("default-src") == "'none'"
    assert set(rules.values()) <= {"'self'", "'none'"}
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/c/mail", "/dashboard"])
async def test_pages_have_no_inline_script_or_style(path: str, chat: WebChatFixture) -> None:
    async with chat.open_browser() as visitor:
        html = (await visitor.get(path)).text
    assert " style=" not in html
    assert "<style" not in html
    assert html.count("<script") == html.count('<script src="/static/')
    assert ' onclick="' not in html


async def test_session_cookie_is_httponly_and_samesite(chat: WebChatFixture) -> None:
    async with chat.open_browser() as visitor:
        cookie = (await visitor.get("/c/mail")).headers["set-cookie"]
        second_response = await visitor.get("/c/mail")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "set-cookie" not in second_response.headers


@pytest.mark.parametrize("cookie", ["", "x", "x.y", "0123456789abcdef.", ".", "0123456789abcdef." + "0" * 64, '"'])
def test_forged_cookie_is_invalid(cookie: str) -> None:
    assert SignedCookie().verify(cookie) is None


def test_cookie_of_other_process_is_invalid() -> None:
    cookie = SignedCookie().issue()
    assert SignedCookie().verify(cookie) is None


def test_csrf_token_differs_from_cookie_signature() -> None:
    seal = SignedCookie()
    cookie = seal.issue()
    visitor = seal.verify(cookie)
    assert visitor
    assert visitor.csrf not in cookie


@pytest.mark.parametrize("path", ["/c/mail", "/c/mail/t/1", "/demo"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:8080"},
        {"origin": f"{BASE_URL}.evil.example"},
        {**SAME_ORIGIN, "sec-fetch-site": "cross-site"},
        {**SAME_ORIGIN, "sec-fetch-site": "same-site"},
    ],
    ids=lambda headers: str(headers)[:40],
)
async def test_cross_origin_post_is_refused(
    path: str, headers: dict[str, str], chat: WebChatFixture, page: httpx.AsyncClient
) -> None:
    data = {"csrf": await csrf_token(page), "text": "example.com"}
    assert (await page.post(path, data=data, headers=headers)).status_code == 403
    assert chat.commands.requests == []


@pytest.mark.parametrize("csrf", ["", "0" * 64, "é"])
async def test_post_with_bad_csrf_token_is_refused(csrf: str, chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    assert (await page.post("/c/mail", data={"csrf": csrf, "text": "x"}, headers=SAME_ORIGIN)).status_code == 403
    assert chat.commands.requests == []


async def test_post_with_other_users_csrf_token_is_refused(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    async with chat.open_browser() as other_browser:
        other_token = await csrf_token(other_browser)
    assert (await page.post("/c/mail", data={"csrf": other_token, "text": "x"}, headers=SAME_ORIGIN)).status_code == 403


async def test_post_without_session_is_refused(chat: WebChatFixture) -> None:
    async with chat.open_browser() as browser:
        assert (await browser.post("/c/mail", data={"text": "x"}, headers=SAME_ORIGIN)).status_code == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_not_allowed(method: str, page: httpx.AsyncClient) -> None:
    assert (await page.request(method, "/c/mail")).status_code == 405


@pytest.mark.parametrize("body", [b"text=" + b"x" * MAX_FORM_BYTES, b"&".join([b"a=b"] * 60)], ids=["long", "many"])
async def test_oversized_form_is_refused(body: bytes, page: httpx.AsyncClient) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert (await page.post("/c/mail", content=body, headers=SAME_ORIGIN | kind)).status_code == 413


@pytest.fixture
async def locked() -> AsyncIterator[tuple[WebChatFixture, httpx.AsyncClient]]:
    chat = build_chat(password=PASSWORD, address=HostPort("0.0.0.0", 3000))
    async with chat.open_browser() as visitor:
        yield chat, visitor


async def log_in(visitor: httpx.AsyncClient, password: str) -> httpx.Response:
    return await visitor.post("/login", data={"password": password}, headers=SAME_ORIGIN)


@pytest.mark.parametrize("path", ["/", "/c/mail", "/dashboard", "/nothing"])
async def test_pages_without_login_redirect_to_login(
    path: str, locked: tuple[WebChatFixture, httpx.AsyncClient]
) -> None:
    answer = await locked[1].get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "set-cookie" not in answer.headers


async def test_stream_without_login_is_refused(locked: tuple[WebChatFixture, httpx.AsyncClient]) -> None:
    assert (await locked[1].get("/stream?after=0")).status_code == 403


async def test_correct_password_logs_in(locked: tuple[WebChatFixture, httpx.AsyncClient]) -> None:
    chat, visitor = locked
    assert (await log_in(visitor, PASSWORD)).status_code == 303
    assert (await visitor.get("/c/mail")).status_code == 200
    assert (await submit_form(visitor, "/c/mail", "example.com")).status_code == 303
    await chat.wait_answered()
    assert [request.command for request in chat.commands.requests] == [VERBS.parse("example.com")]


async def test_password_allows_any_host_name(locked: tuple[WebChatFixture, httpx.AsyncClient]) -> None:
    _, visitor = locked
    named = {"host": "bot.example", "origin": "https://bot.example"}
    assert (await visitor.post("/login", data={"password": PASSWORD}, headers=named)).status_code == 303


@pytest.mark.parametrize("password", ["", "wrong", PASSWORD.upper(), PASSWORD + " ", "é"])
async def test_wrong_password_is_refused(password: str, locked: tuple[WebChatFixture, httpx.AsyncClient]) -> None:
    _, visitor = locked
    answer = await log_in(visitor, password)
    assert answer.status_code == 401
    assert "That is not the password." in answer.text
    assert (await visitor.get("/c/mail")).status_code == 303


async def test_repeated_wrong_passwords_are_throttled(locked: tuple[WebChatFixture, httpx.AsyncClient]) -> None:
    chat, visitor = locked
    for _ in range(10):
        await log_in(visitor, "wrong")
    assert "wait a minute" in (await log_in(visitor, PASSWORD)).text
    chat.clock.advance(61)
    assert (await log_in(visitor, PASSWORD)).status_code == 303


async def test_cross_origin_login_is_refused(locked: tuple[WebChatFixture, httpx.AsyncClient]) -> None:
    foreign = {"origin": "http://evil.example"}
    answer = await locked[1].post("/login", data={"password": PASSWORD}, headers=foreign)
    assert answer.status_code == 403


async def test_https_cookie_is_secure(locked: tuple[WebChatFixture, httpx.AsyncClient]) -> None:
    chat, _ = locked
    async with httpx.AsyncClient(transport=httpx.ASGITransport(chat.app), base_url="https://bot.example") as visitor:
        data, same_origin = {"password": PASSWORD}, {"origin": "https://bot.example"}
        assert "; Secure" in (await visitor.post("/login", data=data, headers=same_origin)).headers["set-cookie"]
