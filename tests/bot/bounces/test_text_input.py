"""Files as lines: packed, in any encoding, with any line end; what is no text is refused."""

from __future__ import annotations

import bz2
import codecs
import gzip
import importlib.util
import lzma
from collections.abc import Callable, Iterator

import pytest

from bot.bounces.mail_log import summarize_with_examples
from bot.bounces.text_input import MAX_BYTES, LogTooBig, NotText, decode_lines, is_text
from handlers.messages import log_card

LINES = ["550 5.1.1 grüße", "zweite Zeile", "dritte"]
TEXT = "\n".join(LINES)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"])
@pytest.mark.parametrize("size", [1, 7, 4_096])
def test_decode_packed_file_gives_its_lines(pack: Callable[[bytes], bytes], size: int) -> None:
    assert list(decode_lines(pieces(pack(TEXT.encode()), size))) == LINES


def test_decode_packed_files_in_a_row_are_read_on() -> None:
    packed = gzip.compress(f"{LINES[0]}\n".encode()) + gzip.compress("\n".join(LINES[1:]).encode())
    assert list(decode_lines([packed])) == LINES


def test_decode_packed_file_is_limited_by_its_unpacked_size() -> None:
    packed = gzip.compress(b"550 no\n" * (MAX_BYTES // 6))
    assert len(packed) < MAX_BYTES // 100
    with pytest.raises(LogTooBig, match="larger than 10 MB"):
        list(decode_lines([packed]))
    assert sum(1 for _ in decode_lines([packed], None)) == MAX_BYTES // 6


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("size", [1, 3, 4_096])
def test_decode_any_line_end_gives_the_same_lines(end: str, size: int) -> None:
    assert list(decode_lines(pieces(end.join(LINES).encode() + end.encode(), size))) == LINES


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_decode_western_encoding_is_recognized(encoding: str) -> None:
    assert list(decode_lines([TEXT.encode(encoding)])) == LINES


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("gb18030", "系统退信：收件人不存在 550"),
        ("cp932", "配信に失敗しました。550 エラー"),
        ("iso2022_jp", "メールボックスが一杯です 552"),
    ],
)
def test_decode_asian_encoding_is_recognized(encoding: str, text: str) -> None:
    assert list(decode_lines([text.encode(encoding)])) == [text]


def test_decode_strips_terminal_colors() -> None:
    assert list(decode_lines([b"\x1b[1;31mstatus=bounced\x1b[0m \x1b]0;title\x07end"])) == ["status=bounced end"]


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n\x00\x00",
        b"PK\x03\x04\x14\x00",
        b"\x7fELF\x02\x01",
        bytes(range(256)) * 8,
        b"\x1f\x8bdamaged",
    ],
    ids=["image", "zip", "program", "all bytes", "damaged gzip"],
)
def test_decode_binary_file_is_refused(content: bytes) -> None:
    assert not is_text(content)
    with pytest.raises(NotText):
        list(decode_lines([content]))


def test_decode_text_with_a_single_nul_is_read() -> None:
    assert is_text(b"550 5.1.1 no such user \x00\n" + b"more text\n" * 50)


@pytest.mark.skipif(importlib.util.find_spec("compression") is not None, reason="this Python reads Zstandard")
def test_decode_zstandard_names_the_pipe_to_type() -> None:
    with pytest.raises(NotText, match=r"zstd -dc FILE \| mailcheck bounce -"):
        list(decode_lines([b"\x28\xb5\x2f\xfd\x00\x00"]))


def test_decode_cut_utf16_mark_alone_gives_nothing() -> None:
    assert list(decode_lines([codecs.BOM_UTF16_LE])) == []


def test_packed_log_that_is_cut_short_is_read_up_to_the_cut() -> None:
    lines = [
        f"Nov 24 07:40:11 mail postfix/smtp[9]: {n:X}: to=<a@example.com>, relay=mx.example.com[198.51.100.1]:25,"
        f" dsn=5.1.1, status=bounced (host mx.example.com[198.51.100.1] said: 550 5.1.1 User {n} unknown)"
        for n in range(3_000)
    ]
    packed = gzip.compress("\n".join(lines).encode())
    _, summary = summarize_with_examples(decode_lines([packed[: len(packed) // 2]]))
    assert (summary.cut_short, summary.at_least) == (True, True)
    assert 0 < summary.bounced < len(lines)
    assert "cut short" in log_card((), summary).lines[0].text
