"""DKIM key records (RFC 6376 §3.6.1) and their public keys. Pure.

RSA keys are DER (RFC 6376 §3.6.1, RFC 8301), Ed25519 keys 32 raw bytes (RFC 8463).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.checks.finding_codes import BadText

SEQUENCE, INTEGER, BIT_STRING = 0x30, 0x02, 0x03
ED25519_OCTETS = 32
ED25519_IN_DER = bytes.fromhex("302a300506032b6570032100")  # DER prefix of a key as OpenSSL writes it


class BadKey(BadText):
    """The text is not a usable key; the problem is a key of `messages.PROBLEMS`."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key: `key_type` rsa or ed25519; `bits` is the modulus length, 256 for Ed25519."""

    key_type: str
    bits: int


def parse_key(kind: str, text: str) -> Key:
    """Parse the base64 text of `p=`; whitespace is allowed. Raises BadKey."""
    octets = _decode(text)
    if kind == "ed25519":
        if len(octets) == ED25519_OCTETS:
            return Key(kind, 8 * ED25519_OCTETS)
        if octets.startswith(ED25519_IN_DER):
            raise BadKey("der")
        raise BadKey("ed25519-size", size=len(octets))
    if len(octets) == ED25519_OCTETS or octets.startswith(ED25519_IN_DER):
        raise BadKey("no-type")
    return Key("rsa", rsa_bits(octets))


def rsa_bits(der: bytes) -> int:
    """Return the modulus length of a SubjectPublicKeyInfo or a bare RSAPublicKey. Raises BadKey."""
    content, _ = _der_element(der, SEQUENCE)
    if content[:1] == bytes([SEQUENCE]):  # SubjectPublicKeyInfo: algorithm, then the key in a bit string
        _, rest = _der_element(content, SEQUENCE)
        bit_string, _ = _der_element(rest, BIT_STRING)
        content, _ = _der_element(bit_string[1:], SEQUENCE)
    modulus, rest = _der_element(content, INTEGER)
    exponent, _ = _der_element(rest, INTEGER)
    if not int.from_bytes(modulus) or not int.from_bytes(exponent):
        raise BadKey("empty")
    return int.from_bytes(modulus).bit_length()


def _der_element(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """Return the content of the first DER element, which must have this tag, and the rest."""
    if len(der) < 2 or der[0] != tag:
        raise BadKey("not-rsa")
    start, length = 2, der[1]
    if length & 0x80:
        start = 2 + (length & 0x7F)
        length = int.from_bytes(der[2:start])
    if start + length > len(der):
        raise BadKey("truncated")
    return der[start : start + length], der[start + length :]


def _decode(text: str) -> bytes:
    compact = "".join(text.split())
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadKey("base64") from None


TAG = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
KEY_TAG = re.compile(r"(^|;)p=")
WHITESPACE = " \t\r\n"
HOST_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63}){1,10}\.?")
OTHER_RECORD = re.compile(r"v=(?!dkim)|[a-z0-9-]{1,40}-(?:site-)?verification[=:]")
BASE64_TEXT = re.compile(r"[A-Za-z0-9+/=\s]{20,}")
QUOTES = frozenset("\"'“”„‘’")


class BadRecord(BadText):
    """The record is unusable; the problem is a key of `messages.PROBLEMS`."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A parsed key record.

    `key` is None if revoked (empty p=) or of an unknown type. `flags` holds y (testing) and s (no
    subdomains); `hashes` and `services` are empty if not restricted.
    """

    key_type: str
    key: Key | None
    revoked: bool = False
    flags: frozenset[str] = frozenset()
    hashes: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()

    @property
    def testing(self) -> bool:
        return "y" in self.flags

    @property
    def for_mail(self) -> bool:
        return not self.services or bool(self.services & {"*", "email"})

    @property
    def only_sha1(self) -> bool:
        """Whether the record allows no hash that is still valid (RFC 8301 §3.1)."""
        return bool(self.hashes) and "sha256" not in self.hashes


def is_key_record(text: str) -> bool:
    """Return whether a TXT record is meant as a key; wildcards publish other text there."""
    compact = "".join(text.split()).lower()
    return compact.startswith("v=dkim") or (not compact.startswith("v=") and bool(KEY_TAG.search(compact)))


def is_other_record(text: str) -> bool:
    """Whether a text is a record of another kind, as a wildcard shows it at every name."""
    return bool(OTHER_RECORD.match("".join(text.split()).lower()))


def are_halves(texts: Sequence[str]) -> bool:
    """Whether these records are one key that was cut: joined in one of both orders they have a key."""
    if len(texts) != 2 or sum(map(is_key_record, texts)) != 1:
        return False
    first, rest = sorted(texts, key=is_key_record, reverse=True)
    if not BASE64_TEXT.fullmatch(rest):
        return False
    try:
        return parse(first + rest).key is not None
    except BadText:
        return False


def parse(text: str) -> KeyRecord:
    """Parse a key record.

    Raises BadRecord, or BadKey if only the key is invalid. Unknown tags are ignored; duplicate tags
    are errors.
    """
    if HOST_NAME.fullmatch(text.strip()):
        raise BadRecord("host-name")
    if "\\" in text or not QUOTES.isdisjoint(text):
        raise BadRecord("backslash" if "\\" in text else "quotes")
    tags = _tags(text)
    if "v" in tags and (next(iter(tags)) != "v" or tags["v"] != "DKIM1"):
        raise BadRecord("version")
    if "p" not in tags:
        raise BadRecord("no-key")
    key_type = tags.get("k") or "rsa"
    revoked = not tags["p"]
    return KeyRecord(
        key_type=key_type,
        key=None if revoked or key_type not in ("rsa", "ed25519") else parse_key(key_type, tags["p"]),
        revoked=revoked,
        flags=_split_list(tags.get("t", "")),
        hashes=_split_list(tags.get("h", "")),
        services=_split_list(tags.get("s", "")),
    )


def _tags(text: str) -> dict[str, str]:
    parts = [part for part in text.split(";") if part.strip(WHITESPACE)]
    tags: dict[str, str] = {}
    for part in parts:
        name, equals, value = (piece.strip(WHITESPACE) for piece in part.partition("="))
        if not equals or not TAG.fullmatch(name):
            raise BadRecord("tag")
        if name in tags:
            raise BadRecord("duplicate", tag=name[:20])
        tags[name] = value
    return tags


def _split_list(value: str) -> frozenset[str]:
    return frozenset(item.strip(WHITESPACE) for item in value.split(":") if item.strip(WHITESPACE))
