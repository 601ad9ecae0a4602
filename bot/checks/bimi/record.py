"""A BIMI assertion record, as draft-brand-indicators-for-message-identification reads it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

VERSION = re.compile(r"v[ \t]*=[ \t]*BIMI1[ \t]*")  # first, and written just so
SPACE = " \t"
AVATARS = ("brand", "personal")


class BadRecord(ValueError):
    """Receivers show no logo for this record; the message says why, as the end of a sentence about it."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """Where the logo (`l`) and the certificate for it (`a`) are; both empty: the domain wants no logo shown.

    `avatar` is which picture is preferred where a person has one, `prefixes` the local parts that have logos of their own
    (None where the record does not speak of them).
    """

    location: str
    evidence: str = ""
    avatar: str = "brand"
    prefixes: tuple[str, ...] | None = None

    @property
    def declined(self) -> bool:
        return not self.location and not self.evidence


def is_assertion(text: str) -> bool:
    """Whether a TXT string counts at all; others at the same name are passed over."""
    return bool(VERSION.fullmatch(text.partition(";")[0]))


def parse(text: str) -> Assertion:
    """The record in a text that is an assertion; raises BadRecord. Unknown tags are ignored."""
    _, *parts = text.split(";")
    tags: dict[str, str] = {}
    for part in parts:
        name, equals, value = (piece.strip(SPACE) for piece in part.partition("="))
        if not equals and name:
            raise BadRecord("one of its parts is not of the form tag=value")
        if name in tags:
            raise BadRecord(f"it has {name[:20]}= twice")
        tags[name] = value
    if "l" not in tags:
        raise BadRecord("it does not say where the logo is (l=)")
    avatar = tags.get("avp", "brand")
    return Assertion(
        location=_https("l", tags["l"]),
        evidence=_https("a", tags.get("a", "")),
        avatar=avatar if avatar in AVATARS else "brand",
        prefixes=tuple(prefix.strip(SPACE) for prefix in tags["lps"].split(",")) if "lps" in tags else None,
    )


def _https(tag: str, value: str) -> str:
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
    except ValueError:
        raise BadRecord(f"{tag}= is no web address") from None
    if parts.scheme.lower() != "https":
        raise BadRecord(f"{tag}= has to start with https://")
    if "." not in host or "," in value:
        raise BadRecord(f"{tag}= has to name one full host")
    return value
