"""The public key in a DKIM record: RSA in DER (RFC 6376 §3.6.1, RFC 8301) or 32 bare bytes of Ed25519 (RFC 8463). Pure.

A DKIM key record as RFC 6376 §3.6.1 reads it. Pure; any text is a record or has a reason why it is none.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

SEQUENCE, INTEGER, BIT_STRING = 0x30, 0x02, 0x03
ED25519_OCTETS = 32
ED25519_IN_DER = bytes.fromhex("302a300506032b6570032100")  # what comes before the key in the form that OpenSSL writes


class BadKey(ValueError):
    """The text holds no usable key; the message says what is wrong, as the end of a sentence about the record."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key: `kind` is rsa or ed25519, `bits` the length of the RSA modulus (256 for Ed25519)."""

    kind: str
    bits: int


def read_key(kind: str, text: str) -> Key:
    """The key in the base64 text of `p=`; white space in it is allowed. Raises BadKey."""
    octets = _decoded(text)
    if kind == "ed25519":
        if len(octets) == ED25519_OCTETS:
            return Key(kind, 8 * ED25519_OCTETS)
        if octets.startswith(ED25519_IN_DER):
            raise BadKey("its Ed25519 key is wrapped in DER where the 32 bare bytes belong")
        raise BadKey(f"its Ed25519 key has {len(octets)} bytes where 32 belong")
    return Key("rsa", rsa_bits(octets))


def rsa_bits(der: bytes) -> int:
    """The length of the modulus in bits, of a SubjectPublicKeyInfo or a bare RSAPublicKey. Raises BadKey."""
    content, _ = _element(der, SEQUENCE)
    if content[:1] == bytes([SEQUENCE]):  # SubjectPublicKeyInfo: the algorithm, then the key inside a bit string
        _, after = _element(content, SEQUENCE)
        inside, _ = _element(after, BIT_STRING)
        content, _ = _element(inside[1:], SEQUENCE)
    modulus, after = _element(content, INTEGER)
    exponent, _ = _element(after, INTEGER)
    if not int.from_bytes(modulus) or not int.from_bytes(exponent):
        raise BadKey("its RSA key is empty")
    return int.from_bytes(modulus).bit_length()


def _element(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """The content of the first DER element, which must have this tag, and what follows it."""
    if len(der) < 2 or der[0] != tag:
        raise BadKey("it holds no RSA key that receivers can read")
    start, length = 2, der[1]
    if length & 0x80:
        start = 2 + (length & 0x7F)
        length = int.from_bytes(der[2:start])
    if start + length > len(der):
        raise BadKey("its key is cut off")
    return der[start : start + length], der[start + length :]


def _decoded(text: str) -> bytes:
    bare = "".join(text.split())
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadKey("its key is not base64, as when a part is missing or a quotation mark got in") from None


TAG = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
KEY_TAG = re.compile(r"(^|;)p=")
SPACE = " \t\r\n"


class BadRecord(ValueError):
    """Receivers cannot use the record; the message says what is wrong, as the end of a sentence about it."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What the record says. `key` is None where it is revoked (empty p=) or of a kind that no RFC names.

    `flags` holds y (testing) and s (no subdomains); `hashes` and `services` are empty where the record does not limit them.
    """

    kind: str
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
        """Whether the record allows no hash that may still be used (RFC 8301 §3.1)."""
        return bool(self.hashes) and "sha256" not in self.hashes


def looks_like_key(text: str) -> bool:
    """Whether a TXT string was meant as a key record; a wildcard can put any other text at the name of a selector."""
    bare = "".join(text.split()).lower()
    return bare.startswith("v=dkim") or (not bare.startswith("v=") and bool(KEY_TAG.search(bare)))


def parse(text: str) -> KeyRecord:
    """Raises BadRecord, and BadKey where only the key is wrong. Unknown tags are ignored; a tag given twice is an error."""
    tags = _tags(text)
    if "v" in tags and (next(iter(tags)) != "v" or tags["v"] != "DKIM1"):
        raise BadRecord("v=DKIM1 has to come first and be written just so")
    if "p" not in tags:
        raise BadRecord("it has no key (p=)")
    kind = tags.get("k") or "rsa"
    revoked = not tags["p"]
    return KeyRecord(
        kind=kind,
        key=None if revoked or kind not in ("rsa", "ed25519") else read_key(kind, tags["p"]),
        revoked=revoked,
        flags=_listed(tags.get("t", "")),
        hashes=_listed(tags.get("h", "")),
        services=_listed(tags.get("s", "")),
    )


def _tags(text: str) -> dict[str, str]:
    parts = [part for part in text.split(";") if part.strip(SPACE)]
    tags: dict[str, str] = {}
    for part in parts:
        name, equals, value = (piece.strip(SPACE) for piece in part.partition("="))
        if not equals or not TAG.fullmatch(name):
            raise BadRecord("one of its parts is not of the form tag=value")
        if name in tags:
            raise BadRecord(f"it has {name[:20]}= twice")
        tags[name] = value
    return tags


def _listed(value: str) -> frozenset[str]:
    return frozenset(item.strip(SPACE) for item in value.split(":") if item.strip(SPACE))
