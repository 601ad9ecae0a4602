"""Forms with files: a log that somebody attaches on the page, and nobody else from elsewhere."""

from __future__ import annotations

import httpx
import pytest

from handlers.ports import Unreadable
from handlers.web.form_parser import LARGEST_FORM, LARGEST_UPLOAD, MOST_FIELDS
from tests.handlers.web.conftest import OURS, Chat, chat_of, token

LOG = "550 5.7.1 client [192.0.2.66] blocked using zen.spamhaus.org\r\n\r\nünd\n--x\n".encode()


async def attach(visitor: httpx.AsyncClient, file: bytes, csrf: str, *texts: str) -> httpx.Response:
    data = {"csrf": csrf, "text": list(texts)}
    return await visitor.post("/c/mail", data=data, files={"file": ("mail.log", file)}, headers=OURS)


async def test_an_attached_log_goes_with_the_command_to_the_octet(chat: Chat, page: httpx.AsyncClient) -> None:
    assert (await attach(page, LOG, await token(page), "bounce", "")).headers["location"] == "/c/mail"
    await chat.settle()
    [ask] = chat.commands.asked
    [file] = ask.files
    assert (ask.text, await file.read(1_000)) == ("bounce", LOG)
    with pytest.raises(Unreadable):
        await file.read(10)


async def test_what_was_pasted_keeps_its_lines_and_an_empty_file_is_none(chat: Chat, page: httpx.AsyncClient) -> None:
    await attach(page, b"", await token(page), "bounce", "550-one\n550 two ü")
    await chat.settle()
    [ask] = chat.commands.asked
    assert (ask.text, ask.files) == ("bounce 550-one\n550 two ü", ())


async def test_a_file_without_the_token_of_the_page_is_not_taken(chat: Chat, page: httpx.AsyncClient) -> None:
    assert (await attach(page, LOG, "guessed", "bounce")).status_code == 403
    assert chat.commands.asked == []


async def test_who_has_no_session_may_not_send_a_large_form(chat: Chat) -> None:
    async with chat.visitor() as stranger:
        assert (await attach(stranger, b"x" * LARGEST_FORM, "", "bounce")).status_code == 413


async def test_no_more_is_taken_than_a_log_of_ten_megabytes(page: httpx.AsyncClient) -> None:
    assert (await attach(page, b"x" * LARGEST_UPLOAD, await token(page), "bounce")).status_code == 413


async def test_a_form_of_too_many_parts_is_not_taken(page: httpx.AsyncClient) -> None:
    assert (await attach(page, LOG, await token(page), *["a"] * (MOST_FIELDS + 5))).status_code == 413


async def test_the_page_offers_to_explain_a_bounce(page: httpx.AsyncClient) -> None:
    html = (await page.get("/c/mail")).text
    assert 'data-dialog="pasted"' in html
    assert 'enctype="multipart/form-data"' in html
    assert 'type="file"' in html


async def test_behind_a_password_nobody_uploads_before_it_was_said() -> None:
    chat = chat_of(password="a secret")
    async with chat.visitor() as stranger:
        assert (await attach(stranger, b"x" * LARGEST_FORM, "", "bounce")).status_code == 413
