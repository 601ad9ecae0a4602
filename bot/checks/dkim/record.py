"""A DKIM key record as RFC 6376 §3.6.1 reads it. Pure; any text is a record or has a reason why it is none."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.checks.dkim.key import Key, read_key

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
