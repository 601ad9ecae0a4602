"""The public key in a DKIM record: RSA in DER (RFC 6376 §3.6.1, RFC 8301) or 32 bare bytes of Ed25519 (RFC 8463). Pure."""

from __future__ import annotations

import base64
import binascii
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
