"""Hostile forms of 140 kB are refused within 0.1 s of CPU time, never with a 500."""

from __future__ import annotations

import time
from contextlib import suppress

import httpx
import pytest

from handlers.commands import VERBS
from handlers.web import multipart_form
from handlers.web.form_parser import MAX_FIELDS
from handlers.web.multipart_form import FormLimits, MalformedForm, parse_multipart
from tests.handlers.web.conftest import SAME_ORIGIN, WebChatFixture, csrf_token

SIZE = 140_000  # octets
CPU_S = 0.1
LIMITS = FormLimits(parts=MAX_FIELDS, field_bytes=256 * 1024, body_bytes=11 * 2**20)
TYPE = "multipart/form-data; boundary=b"


def part(*headers: str, body: str = "x") -> bytes:
    return "\r\n".join(["--b", *headers, "", body, ""]).encode()


def filled(*headers: str, body: str = "x") -> bytes:
    one = part(*headers, body=body)
    return one * (SIZE // len(one)) + b"--b--\r\n"


NAMED = 'Content-Disposition: form-data; name="text"'
FILE = f'{NAMED}; filename="a"'
NESTED = "".join(f"--b{n}\r\nContent-Type: multipart/mixed; boundary=b{n + 1}\r\n\r\n" for n in range(2_500))
HOSTILE: dict[str, tuple[str, bytes]] = {
    "empty parts": (TYPE, b"--b\r\n\r\n" * (SIZE // 7)),
    "empty parts with their ends": (TYPE, filled()),
    "only boundaries": (TYPE, b"--b\r\n" * (SIZE // 5)),
    "a line feed for an end": (TYPE, b"--b\n" * (SIZE // 4)),
    "fields in lower case": (TYPE, filled(NAMED.lower())),
    "files": (TYPE, filled(FILE.lower())),
    "nested parts": ("multipart/form-data; boundary=b0", NESTED.encode()),
    "parts of the same boundary": (TYPE, filled("Content-Type: multipart/mixed; boundary=b")),
    "parentheses in the header": (TYPE, part(f"Content-Disposition: form-data; name={'(' * SIZE}")),
    "parentheses in the type": (TYPE, part(NAMED, f"Content-Type: {'(' * SIZE}")),
    "parentheses in the boundary": (f"multipart/form-data; boundary={'(' * 10_000}", part(NAMED)),
    "many headers": (TYPE, part(NAMED, *["a: b"] * (SIZE // 6))),
    "one long header": (TYPE, part(NAMED, "a: " + "b" * SIZE)),
    "many parameters": (TYPE, part("Content-Disposition: form-data" + "; a=b" * (SIZE // 5))),
    "quotes without an end": (TYPE, part('Content-Disposition: form-data; name="' + '\\"' * 2_000)),
    "almost boundaries": (TYPE, part(NAMED, body="\r\n--a" * (SIZE // 5))),
    "carriage returns": (TYPE, part(NAMED, body="\r" * SIZE)),
    "half of a boundary": ("multipart/form-data; boundary=" + "-" * 70, b"-" * SIZE),
    "no name": (TYPE, part("Content-Disposition: form-data")),
    "no boundary": ("multipart/form-data", part(NAMED)),
    "an empty boundary": ("multipart/form-data; boundary=", part(NAMED)),
    "a boundary that is not ASCII": ("multipart/form-data; boundary=\u00e9", part(NAMED)),
    "a slow character set": (f"{TYPE}; charset=punycode", part(NAMED, body="a" * SIZE)),
    "a strange character set": (f"{TYPE}; charset=undefined", part(NAMED)),
    "no end": (TYPE, part(NAMED)[:-2]),
    "noughts": (TYPE, b"\0" * SIZE),
    "nothing": (TYPE, b""),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_hostile_form_takes_little_cpu_time(case: str) -> None:
    content_type, body = HOSTILE[case]
    began = time.process_time()
    with suppress(MalformedForm):
        await parse_multipart(content_type, body, LIMITS)
    assert time.process_time() - began < CPU_S


@pytest.mark.parametrize("case", HOSTILE)
async def test_hostile_form_is_refused_and_changes_nothing(
    case: str, chat: WebChatFixture, page: httpx.AsyncClient
) -> None:
    content_type, body = HOSTILE[case]
    headers = [*SAME_ORIGIN.items(), ("content-type", content_type.encode())]
    answer = await page.post("/c/mail", content=body, headers=httpx.Headers(headers))
    assert answer.status_code in (400, 403, 413)
    assert chat.commands.requests == []


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json", "application/x-www-form-urlencoded"])
async def test_hostile_form_of_other_type_is_refused(kind: str, page: httpx.AsyncClient) -> None:
    for body in (b"%" * SIZE, b"(" * SIZE, b"&" * SIZE, b"=" * SIZE, b"\xff" * SIZE):
        began = time.process_time()
        answer = await page.post("/c/mail", content=body, headers=SAME_ORIGIN | {"content-type": kind})
        assert answer.status_code in (403, 413)
        assert time.process_time() - began < CPU_S


async def test_malformed_form_gets_a_sentence(page: httpx.AsyncClient) -> None:
    headers = SAME_ORIGIN | {"content-type": TYPE}
    answer = await page.post("/c/mail", content=part("Content-Disposition: form-data"), headers=headers)
    assert (answer.status_code, answer.text) == (400, "The form cannot be read.\n")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_large_file_is_parsed_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", None)
    log = b"\r\n-b-\r" * 500_000
    head = f"--b\r\n{FILE}\r\n\r\n".encode()
    parts = await parse_multipart(TYPE, head + log + b"\r\n--b--\r\n", LIMITS)
    assert parts.files == (log,)


async def test_fields_are_utf_8_in_page_order() -> None:
    body = b"".join(part(NAMED, body=text) for text in ("bounce", "ü\r\n550", ""))
    parts = await parse_multipart(TYPE, body + b"--b--\r\n", LIMITS)
    assert parts.fields == (("text", "bounce"), ("text", "ü\r\n550"), ("text", ""))


@pytest.mark.parametrize("chunk_bytes", [1, 7, 64 * 1024])
async def test_form_in_chunks_of_any_size_is_the_same(chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart_form, "CHUNK_BYTES", chunk_bytes)
    body = part(NAMED, body="bounce") + part(FILE, body="550\r\n--c") + b"--b--\r\n"
    parts = await parse_multipart(TYPE, body, LIMITS)
    assert (parts.fields, parts.files) == ((("text", "bounce"),), (b"550\r\n--c",))


async def test_multipart_form_with_csrf_token_is_accepted(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    body = part('Content-Disposition: form-data; name="csrf"', body=await csrf_token(page))
    body += part(NAMED, body="example.com") + b"--b--\r\n"
    answer = await page.post("/c/mail", content=body, headers=SAME_ORIGIN | {"content-type": TYPE})
    assert answer.status_code == 303
    await chat.wait_answered()
    assert [request.command for request in chat.commands.requests] == [VERBS.parse("example.com")]
