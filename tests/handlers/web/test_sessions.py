"""Who comes in, and what does not: other names for this machine, other people's pages, wrong passwords."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from bot.settings import HostPort
from handlers.ports import CannotServe
from handlers.web.form_parser import LARGEST_FORM
from handlers.web.sessions import Seal, password_for
from tests.handlers.web.conftest import OURS, PAGE, Chat, chat_of, send, token

PASSWORD = "correct horse battery staple"
PATHS = ["/", "/c/mail", "/c/nowhere", "/c/mail/t/1", "/dashboard", "/stream", "/static/chat.css", "/nothing"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "::1", "localhost"])
def test_on_this_machine_no_password_is_needed(host: str) -> None:
    assert password_for(HostPort(host, 3000), "") == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "bot.example", "localhost.evil.example"])
def test_anywhere_else_it_does_not_start_without_one(host: str) -> None:
    with pytest.raises(CannotServe, match="MAILCHECK_WEB_PASSWORD"):
        password_for(HostPort(host, 3000), "")
    with pytest.raises(CannotServe):
        chat_of(listening=HostPort(host, 3000))
    assert password_for(HostPort(host, 3000), PASSWORD) == PASSWORD


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["evil.example", "evil.example:3000", "127.0.0.1.evil.example", "192.0.2.1", ""])
async def test_a_strange_name_for_this_machine_gets_nothing(path: str, host: str, chat: Chat) -> None:
    async with chat.visitor() as visitor:
        answer = await visitor.get(path, headers={"host": host})
    assert answer.status_code == 421
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["localhost:3000", "127.0.0.1:8080", "[::1]:3000"])
async def test_a_name_of_this_machine_is_let_in(host: str, chat: Chat) -> None:
    async with chat.visitor() as visitor:
        assert (await visitor.get("/c/mail", headers={"host": host})).status_code == 200


@pytest.mark.parametrize("path", PATHS[:1] + PATHS[1:5] + PATHS[6:])
async def test_every_answer_forbids_what_is_not_ours(path: str, chat: Chat) -> None:
    async with chat.visitor() as visitor:
        headers = (await visitor.get(path)).headers
    rules = dict(rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";"))
    assert rules.pop("default-src") == "'none'"
    assert set(rules.values()) <= {"'self'", "'none'"}
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/c/mail", "/dashboard"])
async def test_no_page_needs_what_the_policy_forbids(path: str, chat: Chat) -> None:
    async with chat.visitor() as visitor:
        html = (await visitor.get(path)).text
    assert " style=" not in html
    assert "<style" not in html
    assert html.count("<script") == html.count('<script src="/static/')
    assert ' onclick="' not in html


async def test_the_session_is_a_cookie_that_no_script_and_no_other_site_can_use(chat: Chat) -> None:
    async with chat.visitor() as visitor:
        cookie = (await visitor.get("/c/mail")).headers["set-cookie"]
        again = await visitor.get("/c/mail")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "set-cookie" not in again.headers


@pytest.mark.parametrize("cookie", ["", "x", "x.y", "0123456789abcdef.", ".", "0123456789abcdef." + "0" * 64, '"'])
def test_a_forged_session_is_none(cookie: str) -> None:
    assert Seal().visitor(cookie) is None


def test_a_session_of_another_process_is_none() -> None:
    cookie = Seal().new()
    assert Seal().visitor(cookie) is None


def test_the_token_of_a_form_is_not_the_seal_of_the_session() -> None:
    seal = Seal()
    cookie = seal.new()
    visitor = seal.visitor(cookie)
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
        {"origin": f"{PAGE}.evil.example"},
        {**OURS, "sec-fetch-site": "cross-site"},
        {**OURS, "sec-fetch-site": "same-site"},
    ],
    ids=lambda headers: str(headers)[:40],
)
async def test_a_form_of_another_page_changes_nothing(
    path: str, headers: dict[str, str], chat: Chat, page: httpx.AsyncClient
) -> None:
    data = {"csrf": await token(page), "text": "example.com"}
    assert (await page.post(path, data=data, headers=headers)).status_code == 403
    assert chat.commands.asked == []


@pytest.mark.parametrize("csrf", ["", "0" * 64, "é"])
async def test_a_form_without_its_token_changes_nothing(csrf: str, chat: Chat, page: httpx.AsyncClient) -> None:
    assert (await page.post("/c/mail", data={"csrf": csrf, "text": "x"}, headers=OURS)).status_code == 403
    assert chat.commands.asked == []


async def test_the_token_of_somebody_else_changes_nothing(chat: Chat, page: httpx.AsyncClient) -> None:
    async with chat.visitor() as other:
        theirs = await token(other)
    assert (await page.post("/c/mail", data={"csrf": theirs, "text": "x"}, headers=OURS)).status_code == 403


async def test_a_form_without_a_session_changes_nothing(chat: Chat) -> None:
    async with chat.visitor() as stranger:
        assert (await stranger.post("/c/mail", data={"text": "x"}, headers=OURS)).status_code == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_nothing_but_get_and_post_is_taken(method: str, page: httpx.AsyncClient) -> None:
    assert (await page.request(method, "/c/mail")).status_code == 405


@pytest.mark.parametrize("body", [b"text=" + b"x" * LARGEST_FORM, b"&".join([b"a=b"] * 60)], ids=["long", "many"])
async def test_a_form_that_is_too_big_is_refused(body: bytes, page: httpx.AsyncClient) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert (await page.post("/c/mail", content=body, headers=OURS | kind)).status_code == 413


@pytest.fixture
async def locked() -> AsyncIterator[tuple[Chat, httpx.AsyncClient]]:
    chat = chat_of(password=PASSWORD, listening=HostPort("0.0.0.0", 3000))
    async with chat.visitor() as visitor:
        yield chat, visitor


async def log_in(visitor: httpx.AsyncClient, password: str) -> httpx.Response:
    return await visitor.post("/login", data={"password": password}, headers=OURS)


@pytest.mark.parametrize("path", ["/", "/c/mail", "/dashboard", "/nothing"])
async def test_with_a_password_every_page_leads_to_the_door(path: str, locked: tuple[Chat, httpx.AsyncClient]) -> None:
    answer = await locked[1].get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "set-cookie" not in answer.headers


async def test_the_stream_is_behind_the_door_too(locked: tuple[Chat, httpx.AsyncClient]) -> None:
    assert (await locked[1].get("/stream?after=0")).status_code == 403


async def test_the_password_opens_the_door(locked: tuple[Chat, httpx.AsyncClient]) -> None:
    chat, visitor = locked
    assert (await log_in(visitor, PASSWORD)).status_code == 303
    assert (await visitor.get("/c/mail")).status_code == 200
    assert (await send(visitor, "/c/mail", "example.com")).status_code == 303
    await chat.settle()
    assert [ask.text for ask in chat.commands.asked] == ["example.com"]


async def test_with_a_password_the_page_may_have_any_name(locked: tuple[Chat, httpx.AsyncClient]) -> None:
    _, visitor = locked
    named = {"host": "bot.example", "origin": "https://bot.example"}
    assert (await visitor.post("/login", data={"password": PASSWORD}, headers=named)).status_code == 303


@pytest.mark.parametrize("password", ["", "wrong", PASSWORD.upper(), PASSWORD + " ", "é"])
async def test_a_wrong_password_does_not(password: str, locked: tuple[Chat, httpx.AsyncClient]) -> None:
    _, visitor = locked
    answer = await log_in(visitor, password)
    assert answer.status_code == 401
    assert "That is not the password." in answer.text
    assert (await visitor.get("/c/mail")).status_code == 303


async def test_guessing_is_slow(locked: tuple[Chat, httpx.AsyncClient]) -> None:
    chat, visitor = locked
    for _ in range(10):
        await log_in(visitor, "wrong")
    assert "wait a minute" in (await log_in(visitor, PASSWORD)).text
    chat.clock.pass_by(61)
    assert (await log_in(visitor, PASSWORD)).status_code == 303


async def test_another_page_cannot_log_anybody_in(locked: tuple[Chat, httpx.AsyncClient]) -> None:
    foreign = {"origin": "http://evil.example"}
    answer = await locked[1].post("/login", data={"password": PASSWORD}, headers=foreign)
    assert answer.status_code == 403


async def test_behind_https_the_cookie_stays_there(locked: tuple[Chat, httpx.AsyncClient]) -> None:
    chat, _ = locked
    async with httpx.AsyncClient(transport=httpx.ASGITransport(chat.app), base_url="https://bot.example") as visitor:
        data, ours = {"password": PASSWORD}, {"origin": "https://bot.example"}
        assert "; Secure" in (await visitor.post("/login", data=data, headers=ours)).headers["set-cookie"]
