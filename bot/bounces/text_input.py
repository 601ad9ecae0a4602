"""Files as lines of text: compression, encodings, line ends and terminal colors are undone. Works as a stream."""

from __future__ import annotations

import bz2
import codecs
import importlib
import lzma
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Protocol

MAX_BYTES = 10 * 2**20  # of a file in chat, unpacked
MAX_LINE_BYTES = 64 * 2**10
SNIFFED_BYTES = 4_096
UNPACKED_BYTES = 1 << 18  # at a time
TERMINAL_CONTROL = re.compile(r"\x1b(?:\[[0-9;?]{0,40}[ -/]{0,4}[@-~]|\][^\x07\x1b]{0,200}\x07|[@-Z\\-_])")
LINE_END = re.compile(rb"\r\n|\r|\n")
KANA = re.compile("[\u3041-\u30fe]")
GB_PAIRS = re.compile(rb"(?:[\xa1-\xf7][\xa1-\xfe])+")
HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
# A NUL or such bytes at the start are of no text, unless it is UTF-16.
BINARY_STARTS = (b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"%PDF", b"PK\x03\x04", b"\x7fELF", b"MZ", b"\xd0\xcf\x11\xe0")
MAX_CONTROL_SHARE, MAX_NUL_SHARE = 0.1, 0.01
ISO_2022_JP = (b"\x1b$B", b"\x1b$@", b"\x1b(J")
TEXT_CONTROLS = b"\t\n\r\f\x1b"


class LogTooBig(ValueError):
    """The file has more than `MAX_BYTES`; the message is one sentence for the user."""


class NotText(ValueError):
    """The file is no text, or packed in a way that is not read; the message is one sentence for the user."""


class FileCutShort(NotText):
    """A packed file ends before its content does; raised after all that could be read."""


class Unpacker(Protocol):
    """What the modules of the standard library for packed files have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def decode_lines(chunks: Iterable[bytes], limit: int | None = MAX_BYTES) -> Iterator[str]:
    """Decode the lines of a file that comes in chunks; at most `limit` bytes, counted unpacked.

    Lines are cut at `MAX_LINE_BYTES`, so that a file without line ends cannot fill the memory.
    Raises LogTooBig and NotText.
    """
    for line in _split_lines(_to_utf8(_limit_size(limit, _unpack(chunks)))):
        text = _decode(line)
        yield TERMINAL_CONTROL.sub("", text) if "\x1b" in text else text


def is_text(content: bytes) -> bool:
    """Whether a file can be read: text, or text that is packed."""
    try:
        next(decode_lines([content[: 1 << 16]]), None)
    except NotText:
        return False
    return True


def _unpack(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of a file, unpacked if it is gzip, bzip2, xz or, where Python reads it, Zstandard."""
    first, rest = _peek(chunks, 8)
    for magic, make_unpacker in UNPACKERS.items():
        if first.startswith(magic):
            return _decompress(make_unpacker, chain((first,), rest))
    return chain((first,), rest)


def _decompress(make_unpacker: Callable[[], Unpacker], chunks: Iterable[bytes]) -> Iterator[bytes]:
    unpacker = make_unpacker()
    try:
        for chunk in chunks:
            data = chunk
            while data:
                if unpacker.eof:  # several packed files in a row, as logrotate and pigz write them
                    unpacker = make_unpacker()
                if part := unpacker.decompress(data, UNPACKED_BYTES):
                    yield part
                data = unpacker.unused_data if unpacker.eof else b""
                while not unpacker.eof and (part := unpacker.decompress(b"", UNPACKED_BYTES)):
                    yield part
                    data = unpacker.unused_data if unpacker.eof else b""
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
        raise NotText("The file is packed, but damaged: it cannot be unpacked.") from None
    if not unpacker.eof:
        raise FileCutShort("The packed file is cut short; give the whole file.")


class _Gzip:
    """zlib with the interface of the other unpackers, which keep what is over `max_length`."""

    def __init__(self) -> None:
        self._unpacker = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._unpacker.eof

    @property
    def unused_data(self) -> bytes:
        return self._unpacker.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._unpacker.decompress(self._unpacker.unconsumed_tail + data, max_length)


def _zstandard() -> Any:
    try:
        return importlib.import_module("compression.zstd").ZstdDecompressor()
    except ImportError:
        raise NotText(
            "The file is packed with Zstandard, which this Python does not read: zstd -dc FILE | mailcheck bounce -"
        ) from None


UNPACKERS: dict[bytes, Callable[[], Unpacker]] = {
    b"\x1f\x8b": _Gzip,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\x00": lzma.LZMADecompressor,
    b"\x28\xb5\x2f\xfd": _zstandard,
}


def _limit_size(limit: int | None, chunks: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if limit is not None and size > limit:
            raise LogTooBig(f"The file is larger than {limit // 2**20} MB; send the part of the log that matters.")
        yield chunk


def _to_utf8(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Recode UTF-16, with or without a byte order mark, to UTF-8. Raises NotText for a binary file."""
    first, rest = _peek(chunks, SNIFFED_BYTES)
    encoding = _utf16_encoding(first)
    if encoding is None:
        _refuse_binary(first)
        return chain((first.removeprefix(codecs.BOM_UTF8),), rest)
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    return (decoder.decode(chunk).encode("utf-8", "replace") for chunk in chain((first,), rest))


def _utf16_encoding(start: bytes) -> str | None:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    half = len(start) // 2
    if half < 2 or start.startswith(BINARY_STARTS):
        return None
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if odd > half * 0.4 and even < half * 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > half * 0.4 and odd < half * 0.05 else None


def _refuse_binary(start: bytes) -> None:
    controls = sum(byte < 32 and byte not in TEXT_CONTROLS for byte in start)
    nuls = start.count(0)
    if (
        start.startswith(BINARY_STARTS)
        or nuls > len(start) * MAX_NUL_SHARE
        or controls > len(start) * MAX_CONTROL_SHARE
    ):
        raise NotText("The file is not text, so there is nothing to read in it; give the log or the message as text.")


def _split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of the chunks without their ends (CR, LF or both)."""
    partial = b""
    for chunk in chunks:
        data = partial + chunk
        cut = data.endswith(b"\r")  # its LF may be the first byte of the next chunk
        *lines, partial = LINE_END.split(data[:-1] if cut else data)
        partial = partial[:MAX_LINE_BYTES] + (b"\r" if cut else b"")
        yield from (line[:MAX_LINE_BYTES] for line in lines)
    if partial := partial.removesuffix(b"\r"):
        yield partial


def _decode(line: bytes) -> str:
    """The line as UTF-8, else in the encoding that its bytes look like."""
    if b"\x1b" in line and any(mark in line for mark in ISO_2022_JP):
        return line.decode("iso2022_jp", "replace")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode(_legacy_encoding(line), "replace")


def decode_bytes(content: bytes, encoding: str) -> str:
    """The text of a part of a message; in a guessed encoding if it is not in the named one."""
    try:
        return content.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return _decode(content)


def _legacy_encoding(line: bytes) -> str:
    """Shift-JIS if there is kana, GB18030 if all is in pairs of GB 2312, else Windows-1252; UTF-8 if cut."""
    runs = HIGH_BYTES.findall(line)
    if GB_PAIRS.fullmatch(b"".join(runs)) and all(len(run) % 2 == 0 for run in runs):
        return "gb18030"
    if KANA.search(line.decode("cp932", "ignore")) and "\ufffd" not in line.decode("cp932", "replace"):
        return "cp932"
    is_utf8 = line.decode("utf-8", "replace").count("\ufffd") * 2 < len(runs)
    return "utf-8" if is_utf8 else "cp1252"


def _peek(chunks: Iterable[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """At least `size` bytes of the start, if there are as many, and the chunks after them."""
    rest = iter(chunks)
    first = b""
    for chunk in rest:
        first += chunk
        if len(first) >= size:
            break
    return first, rest
