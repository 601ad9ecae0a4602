"""Forms with file uploads, and their limits."""

from __future__ import annotations

import httpx
import pytest

from handlers.ports import FileUnreadable
from handlers.verbs import Command
from handlers.web.form_parser import MAX_FIELDS, MAX_FORM_BYTES, MAX_UPLOAD_BYTES
from tests.handlers.web.conftest import SAME_ORIGIN, WebChatFixture, build_chat, csrf_token

LOG = "550 5.7.1 client [192.0.2.66] blocked using zen.spamhaus.org\r\n\r\nünd\n--x\n".encode()


async def upload(visitor: httpx.AsyncClient, file: bytes, csrf: str, *texts: str) -> httpx.Response:
    data = {"csrf": csrf, "text": list(texts)}
    return await visitor.post("/c/mail", data=data, files={"file": ("mail.log", file)}, headers=SAME_ORIGIN)


async def test_uploaded_file_reaches_command_unchanged(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    assert (await upload(page, LOG, await csrf_token(page), "bounce", "")).headers["location"] == "/c/mail"
    await chat.wait_answered()
    [request] = chat.commands.requests
    [file] = request.files
    assert (request.command, await file.read(1_000)) == (Command("bounce", ""), LOG)
    with pytest.raises(FileUnreadable):
        await file.read(10)


async def test_pasted_lines_are_preserved_and_empty_file_dropped(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    await upload(page, b"", await csrf_token(page), "bounce", "550-one\n550 two ü")
    await chat.wait_answered()
    [request] = chat.commands.requests
    assert (request.command, request.files) == (Command("bounce", "550-one\n550 two ü"), ())


async def test_upload_without_csrf_token_is_refused(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    assert (await upload(page, LOG, "guessed", "bounce")).status_code == 403
    assert chat.commands.requests == []


async def test_large_form_without_session_is_refused(chat: WebChatFixture) -> None:
    async with chat.open_browser() as browser:
        assert (await upload(browser, b"x" * MAX_FORM_BYTES, "", "bounce")).status_code == 413


async def test_upload_over_limit_is_refused(page: httpx.AsyncClient) -> None:
    assert (await upload(page, b"x" * MAX_UPLOAD_BYTES, await csrf_token(page), "bounce")).status_code == 413


async def test_multipart_with_too_many_fields_is_refused(page: httpx.AsyncClient) -> None:
    assert (await upload(page, LOG, await csrf_token(page), *["a"] * (MAX_FIELDS + 5))).status_code == 413


async def test_page_has_bounce_upload_form(page: httpx.AsyncClient) -> None:
    html = (await page.get("/c/mail")).text
    assert 'data-dialog="pasted"' in html
    assert 'enctype="multipart/form-data"' in html
    assert 'type="file"' in html


async def test_large_form_before_login_is_refused() -> None:
    chat = build_chat(password="a secret")
    async with chat.open_browser() as browser:
        assert (await upload(browser, b"x" * MAX_FORM_BYTES, "", "bounce")).status_code == 413
