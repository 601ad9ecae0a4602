"""DNS messages as bytes: questions without a builder, and the replies that need no parser (RFC 1035 §4).

Most answers a blocklist gives are "no such name" or one address. Those are read here from the header, the echoed
question and a few fixed offsets, forty times faster than a full parse. Whatever is not plain is left to `answers`.
"""

from __future__ import annotations

import os
import struct
from functools import lru_cache
from typing import NamedTuple

import dns.exception
import dns.name
import dns.rdatatype

from bot.models import Answer, LookupFailed

HEADER = 12
LONGEST_QUESTION = 255 + 4  # a name, type and class
NOERROR, NXDOMAIN = 0, 3
RCODES = {1: "formerr", 2: "servfail", 4: "notimp", 5: "refused", 16: "formerr"}  # 16: BADVERS (RFC 6891 §6.1.3)
QR, TC, AD = 0x80, 0x02, 0x20
ONE, NONE = b"\0\1", b"\0\0"  # how many questions a reply repeats

_ASK = b"\x01\x20\0\1\0\0\0\0\0"  # RD, and AD to be told of authentic data (RFC 6840 §5.7); one question
_PLAIN = _ASK + b"\0"  # nothing additional
_EDNS = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"  # OPT of the root, 1232 bytes: what fits everywhere unfragmented
_IN = b"\0\1"
_SOA, _OPT = 6, 41
_A_OF_THE_QUESTION = b"\xc0\x0c\0\1\0\1"
_TEXT_OF_THE_QUESTION = b"\xc0\x0c\0\x10\0\1"
_ADDRESS = b"\0\4"
# Flags and counts of "no such name" as nearly every list says it: no record in the answer, whatever is authoritative,
# recursive or authentic about it.
DENIALS = frozenset(
    bytes((QR | authoritative | recursive, more | NXDOMAIN)) + b"\0\1\0\0"
    for authoritative in (0, 4)
    for recursive in (0, 1)
    for more in range(0, 256, 16)
)
_LENGTH = [bytes((length,)) for length in range(64)]
_CASE_BIT = bytes(0x20 if chr(octet).isascii() and chr(octet).isalpha() else 0 for octet in range(256))
_RECORD = struct.Struct("!HHIH")


class Question(NamedTuple):
    """A question as it is put on the wire: name, type and class; `case` has 0x20 set at every letter of the name."""

    name: str
    kind: str
    wire: bytes
    case: int


class Dice:
    """Unpredictable bytes, taken from the kernel in blocks: ids and letter case are what a forger has to guess."""

    def __init__(self, block: int = 8192) -> None:
        self._block = block
        self._bytes = b""
        self._at = 0

    def roll(self, count: int) -> bytes:
        at = self._at
        if at + count > len(self._bytes):
            self._bytes, at = os.urandom(self._block), 0
        self._at = at + count
        return self._bytes[at : at + count]


def question(name: str, kind: str) -> Question:
    """Put a question into wire form; raises LookupFailed("malformed") for a name that DNS cannot carry."""
    encoded = _name(name)
    case = int.from_bytes(encoded.translate(_CASE_BIT), "big") << 32
    return Question(name, kind, encoded + _type(kind) + _IN, case)


def mixed(asked: Question, dice: Dice) -> bytes:
    """The question with the case of each letter thrown (draft-vixie-dnsext-dns0x20)."""
    length = len(asked.wire)
    thrown = int.from_bytes(dice.roll(length), "big") & asked.case
    return (int.from_bytes(asked.wire, "big") ^ thrown).to_bytes(length, "big")


def packet(ident: bytes, asked: bytes, *, edns: bool) -> bytes:
    return ident + _ASK + b"\1" + asked + _EDNS if edns else ident + _ASK + b"\0" + asked


def plain_packet(ident: bytes, asked: bytes) -> bytes:
    return ident + _PLAIN + asked


def beginning(label: str) -> bytes | None:
    """The labels before a zone in wire form; None where DNS cannot carry them."""
    try:
        return _name(label)[:-1]
    except LookupFailed:
        return None


def ending(apex: str) -> tuple[bytes, int]:
    """A zone with the type A behind it in wire form, and 0x20 at each of its letters: what the questions of a sweep share."""
    asked = question(apex, "A")
    return asked.wire, asked.case


def wants_edns(kind: str) -> bool:
    """A blocklist's addresses fit into 512 bytes; everything else may be long."""
    return kind != "A"


def fold(asked: bytes) -> bytes:
    """The question with its name in lower case; type and class stay, for they may look like letters."""
    return asked[:-4].lower() + asked[-4:]


def failure(reply: bytes) -> str | None:
    """The one-word reason if the header says that the server could not or would not answer."""
    return RCODES.get(reply[3] & 15)


def read_plain(asked: Question, reply: bytes) -> Answer | None:
    """Read a negative answer or bare addresses; None when it takes a parser. The reply's question is verified already."""
    rcode, at = reply[3] & 15, HEADER + len(asked.wire)
    authentic = bool(reply[3] & AD)
    if reply[6:8] == b"\0\0" and rcode in (NOERROR, NXDOMAIN):
        ttl = _negative_ttl(reply, at)
        return None if ttl is None else Answer(asked.name, asked.kind, (), rcode == NOERROR, ttl, authentic)
    if rcode == NOERROR and asked.kind == "A":
        return _addresses(asked, reply, at, authentic)
    if rcode == NOERROR and asked.kind == "TXT":
        return _text(asked, reply, at, authentic)
    return None


def _addresses(asked: Question, reply: bytes, at: int, authentic: bool) -> Answer | None:
    found: dict[str, None] = {}
    ttl = 0x7FFFFFFF
    for _ in range(reply[6] << 8 | reply[7]):
        if reply[at : at + 6] != _A_OF_THE_QUESTION or reply[at + 10 : at + 12] != _ADDRESS or len(reply) < at + 16:
            return None
        ttl = min(ttl, int.from_bytes(reply[at + 6 : at + 10], "big"))
        found["{}.{}.{}.{}".format(*reply[at + 12 : at + 16])] = None
        at += 16
    return Answer(asked.name, asked.kind, tuple(found), True, ttl, authentic)


def _text(asked: Question, reply: bytes, at: int, authentic: bool) -> Answer | None:
    """One TXT record, which is what a list says about an entry."""
    end = at + 12 + int.from_bytes(reply[at + 10 : at + 12], "big")
    if reply[6:8] != ONE or reply[at : at + 6] != _TEXT_OF_THE_QUESTION or _behind(reply, end) is None:
        return None  # what stands behind it must be whole, or the packet was cut
    strings, here = [], at + 12
    while here < end:
        strings.append(reply[here + 1 : here + 1 + reply[here]])
        here += 1 + reply[here]
    if here != end:
        return None
    ttl = int.from_bytes(reply[at + 6 : at + 10], "big")
    return Answer(asked.name, asked.kind, (b"".join(strings).decode("utf-8", "replace"),), True, ttl, authentic)


def _negative_ttl(reply: bytes, at: int) -> int | None:
    """The smaller of the SOA's TTL and its minimum field (RFC 2308 §5); None for anything out of the ordinary."""
    ttl = None if reply[8:10] != NONE else 0
    records = _behind(reply, at)
    if records is None:
        return None
    for kind, seconds, length, end in records:
        if kind == _SOA and length >= 22:
            minimum = int.from_bytes(reply[end - 4 : end], "big")
            ttl = seconds if seconds < minimum else minimum
        elif kind == _OPT and seconds >> 24:  # the rest of an extended RCODE: not a plain negative after all
            return None
    return ttl


def _behind(reply: bytes, at: int) -> list[tuple[int, int, int, int]] | None:
    """Kind, TTL, length and end of each record behind the answers; None unless the packet ends with the last of them."""
    count = int.from_bytes(reply[8:10], "big") + int.from_bytes(reply[10:12], "big")
    records = []
    try:
        for _ in range(count):
            at = at + 2 if reply[at] >= 0xC0 else _past_name(reply, at)
            kind, _, seconds, length = _RECORD.unpack_from(reply, at)
            at += 10 + length
            records.append((kind, seconds, length, at))
    except (struct.error, IndexError):
        return None
    return records if at == len(reply) else None


def _past_name(reply: bytes, at: int) -> int:
    while (length := reply[at]) != 0:
        if length >= 0xC0:
            return at + 2
        at += 1 + length
    return at + 1


@lru_cache(maxsize=64)
def _type(kind: str) -> bytes:
    return int(dns.rdatatype.from_text(kind)).to_bytes(2, "big")


def _name(name: str) -> bytes:
    try:
        if "\\" in name or name == ".":
            return dns.name.from_text(name, idna_codec=None).to_wire() or b""
        labels = name.removesuffix(".").encode("ascii").split(b".")
        encoded = b"".join([_LENGTH[len(label)] + label for label in labels]) + b"\0"
    except (UnicodeError, IndexError, dns.exception.DNSException):
        raise LookupFailed("malformed", name) from None
    if b"" in labels or len(encoded) > 255:
        raise LookupFailed("malformed", name)
    return encoded
