"""DNS messages as bytes: encoded questions, and replies that need no full parser (RFC 1035 §4).

Most blocklist answers are NXDOMAIN or one address. Those are read here from the header, the
echoed question and a few fixed offsets, forty times faster than a full parse. Everything else
is left to `dns_message`.
"""

from __future__ import annotations

import os
import struct
from functools import lru_cache
from typing import NamedTuple

import dns.exception
import dns.name
import dns.rdatatype

from bot.models import DnsAnswer, LookupFailed

HEADER_BYTES = 12
MAX_QUESTION_BYTES = 255 + 4  # a name, type and class
MAX_RECORD_CHARS = 16 * 2**10  # of one record as text; the longest keys and policies have 4,000
NOERROR, NXDOMAIN = 0, 3
# 16: BADVERS (RFC 6891 §6.1.3)
RCODES = {1: "formerr", 2: "servfail", 4: "notimp", 5: "refused", 16: "formerr"}
QR, TC, AD = 0x80, 0x02, 0x20
COUNT_ONE, COUNT_ZERO = b"\0\1", b"\0\0"  # QDCOUNT of a reply

_QUERY_FLAGS = b"\x01\x20\0\1\0\0\0\0\0"  # RD and AD (RFC 6840 §5.7); one question
_PLAIN_HEADER = _QUERY_FLAGS + b"\0"  # no additional record
_OPT_RECORD = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"  # OPT record, 1232 bytes: not fragmented on any common path
_CLASS_IN = b"\0\1"
_SOA, _OPT = 6, 41
_OWNER_A_IN = b"\xc0\x0c\0\1\0\1"
_OWNER_TXT_IN = b"\xc0\x0c\0\x10\0\1"
_IPV4_LENGTH = b"\0\4"
# Flags and counts of an NXDOMAIN reply: one question, no answer record, any AA, RA, AD and CD bits.
NXDOMAIN_HEADERS = frozenset(
    bytes((QR | authoritative | recursive, more | NXDOMAIN)) + b"\0\1\0\0"
    for authoritative in (0, 4)
    for recursive in (0, 1)
    for more in range(0, 256, 16)
)
_LENGTH_OCTETS = [bytes((length,)) for length in range(64)]
_CASE_BIT = bytes(0x20 if chr(octet).isascii() and chr(octet).isalpha() else 0 for octet in range(256))
_RECORD = struct.Struct("!HHIH")


class Question(NamedTuple):
    """An encoded question: name, type, class; `case_mask` has bit 0x20 set at every letter."""

    name: str
    rdtype: str
    wire: bytes
    case_mask: int


class SecureRandom:
    """Unpredictable bytes for message ids and letter case, read from the kernel in blocks."""

    def __init__(self, block_size: int = 8192) -> None:
        self._block_size = block_size
        self._buffer = b""
        self._offset = 0

    def take(self, count: int) -> bytes:
        offset = self._offset
        if offset + count > len(self._buffer):
            self._buffer, offset = os.urandom(self._block_size), 0
        self._offset = offset + count
        return self._buffer[offset : offset + count]


def encode_question(name: str, rdtype: str) -> Question:
    """Encode a question. Raises LookupFailed("malformed") for a name that DNS cannot carry."""
    name_wire = _encode_name(name)
    case = int.from_bytes(name_wire.translate(_CASE_BIT), "big") << 32
    return Question(name, rdtype, name_wire + _encode_type(rdtype) + _CLASS_IN, case)


def with_random_case(question: Question, random_source: SecureRandom) -> bytes:
    """The question with random letter case (draft-vixie-dnsext-dns0x20)."""
    length = len(question.wire)
    flipped_bits = int.from_bytes(random_source.take(length), "big") & question.case_mask
    return (int.from_bytes(question.wire, "big") ^ flipped_bits).to_bytes(length, "big")


def encode_query(message_id: bytes, question_wire: bytes, *, edns: bool) -> bytes:
    return (
        message_id + _QUERY_FLAGS + b"\1" + question_wire + _OPT_RECORD
        if edns
        else message_id + _QUERY_FLAGS + b"\0" + question_wire
    )


def encode_plain_query(message_id: bytes, question_wire: bytes) -> bytes:
    return message_id + _PLAIN_HEADER + question_wire


def encode_labels(label: str) -> bytes | None:
    """The labels before a zone in wire form; None if DNS cannot carry them."""
    try:
        return _encode_name(label)[:-1]
    except LookupFailed:
        return None


def encode_zone(apex: str) -> tuple[bytes, int]:
    """A zone and the type A in wire form, and its case mask: what the queries of a batch share."""
    question = encode_question(apex, "A")
    return question.wire, question.case_mask


def wants_edns(rdtype: str) -> bool:
    """False for A: addresses fit into 512 bytes, other answers may be longer."""
    return rdtype != "A"


def lowercase_name(question_wire: bytes) -> bytes:
    """The question with its name in lower case; type and class are not touched."""
    return question_wire[:-4].lower() + question_wire[-4:]


def failure_reason(reply: bytes) -> str | None:
    """Failure reason if the RCODE says that the server could not or would not answer."""
    return RCODES.get(reply[3] & 15)


def parse_plain_reply(question: Question, reply: bytes) -> DnsAnswer | None:
    """Parse a denial or bare records; None if it takes the full parser.

    The question of the reply must be verified already.
    """
    rcode, offset = reply[3] & 15, HEADER_BYTES + len(question.wire)
    authentic = bool(reply[3] & AD)
    if reply[6:8] == b"\0\0" and rcode in (NOERROR, NXDOMAIN):
        ttl = _negative_ttl(reply, offset)
        return None if ttl is None else DnsAnswer(question.name, question.rdtype, (), rcode == NOERROR, ttl, authentic)
    if rcode == NOERROR and question.rdtype == "A":
        return _parse_addresses(question, reply, offset, authentic)
    if rcode == NOERROR and question.rdtype == "TXT":
        return _parse_text(question, reply, offset, authentic)
    return None


def _parse_addresses(question: Question, reply: bytes, offset: int, authentic: bool) -> DnsAnswer | None:
    addresses: dict[str, None] = {}
    ttl = 0x7FFFFFFF
    for _ in range(reply[6] << 8 | reply[7]):
        if (
            reply[offset : offset + 6] != _OWNER_A_IN
            or reply[offset + 10 : offset + 12] != _IPV4_LENGTH
            or len(reply) < offset + 16
        ):
            return None
        ttl = min(ttl, int.from_bytes(reply[offset + 6 : offset + 10], "big"))
        addresses["{}.{}.{}.{}".format(*reply[offset + 12 : offset + 16])] = None
        offset += 16
    return DnsAnswer(question.name, question.rdtype, tuple(addresses), True, ttl, authentic)


def _parse_text(question: Question, reply: bytes, offset: int, authentic: bool) -> DnsAnswer | None:
    """A single TXT record, such as a list's explanation of a listing."""
    end = offset + 12 + int.from_bytes(reply[offset + 10 : offset + 12], "big")
    if reply[6:8] != COUNT_ONE or reply[offset : offset + 6] != _OWNER_TXT_IN or _trailing_records(reply, end) is None:
        return None  # the packet is truncated unless the records after it are complete
    strings, cursor = [], offset + 12
    while cursor < end:
        strings.append(reply[cursor + 1 : cursor + 1 + reply[cursor]])
        cursor += 1 + reply[cursor]
    text = b"".join(strings).decode("utf-8", "replace")
    if cursor != end or len(text) > MAX_RECORD_CHARS:
        return None
    ttl = int.from_bytes(reply[offset + 6 : offset + 10], "big")
    return DnsAnswer(question.name, question.rdtype, (text,), True, ttl, authentic)


def _negative_ttl(reply: bytes, offset: int) -> int | None:
    """The smaller of the SOA's TTL and minimum (RFC 2308 §5); None for an unusual reply."""
    ttl = None if reply[8:10] != COUNT_ZERO else 0
    records = _trailing_records(reply, offset)
    if records is None:
        return None
    for rdtype, seconds, length, end in records:
        if rdtype == _SOA and length >= 22:
            minimum = int.from_bytes(reply[end - 4 : end], "big")
            ttl = seconds if seconds < minimum else minimum
        elif rdtype == _OPT and seconds >> 24:  # extended RCODE bits are set: not a plain denial
            return None
    return ttl


def _trailing_records(reply: bytes, offset: int) -> list[tuple[int, int, int, int]] | None:
    """Type, TTL, length and end of each record after the answer section.

    None unless the packet ends exactly with the last of them.
    """
    count = int.from_bytes(reply[8:10], "big") + int.from_bytes(reply[10:12], "big")
    records = []
    try:
        for _ in range(count):
            offset = offset + 2 if reply[offset] >= 0xC0 else _skip_name(reply, offset)
            rdtype, _, seconds, length = _RECORD.unpack_from(reply, offset)
            offset += 10 + length
            records.append((rdtype, seconds, length, offset))
    except (struct.error, IndexError):
        return None
    return records if offset == len(reply) else None


def _skip_name(reply: bytes, offset: int) -> int:
    while (length := reply[offset]) != 0:
        if length >= 0xC0:
            return offset + 2
        offset += 1 + length
    return offset + 1


@lru_cache(maxsize=64)
def _encode_type(rdtype: str) -> bytes:
    return int(dns.rdatatype.from_text(rdtype)).to_bytes(2, "big")


def _encode_name(name: str) -> bytes:
    try:
        if "\\" in name or name == ".":
            return dns.name.from_text(name, idna_codec=None).to_wire() or b""
        labels = name.removesuffix(".").encode("ascii").split(b".")
        encoded = b"".join([_LENGTH_OCTETS[len(label)] + label for label in labels]) + b"\0"
    except (UnicodeError, IndexError, dns.exception.DNSException):
        raise LookupFailed("malformed", name) from None
    if b"" in labels or len(encoded) > 255:
        raise LookupFailed("malformed", name)
    return encoded
