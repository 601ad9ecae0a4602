"""BIMI assertion records (draft-brand-indicators-for-message-identification). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from bot.checks.finding_codes import BadText

VERSION = re.compile(r"v[ \t]*=[ \t]*BIMI1[ \t]*")  # must come first, case-sensitive
SPACE = " \t"


class BadBimiRecord(BadText):
    """Receivers ignore the record; the problem is a key of `messages.RECORD_PROBLEMS`."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """A BIMI record: URLs of the logo (`l`) and of its certificate (`a`), both empty to decline."""

    location: str
    evidence: str = ""

    @property
    def declined(self) -> bool:
        return not self.location and not self.evidence


def is_assertion(text: str) -> bool:
    """Whether a TXT string is a BIMI record; other strings at the name are ignored."""
    return bool(VERSION.fullmatch(text.partition(";")[0]))


def parse(text: str) -> Assertion:
    """Parse a text that is an assertion; unknown tags are ignored. Raises BadBimiRecord."""
    _, *parts = text.split(";")
    tags: dict[str, str] = {}
    for part in parts:
        name, equals, value = (piece.strip(SPACE) for piece in part.partition("="))
        if not equals and name:
            raise BadBimiRecord("tag")
        if name in tags:
            raise BadBimiRecord("duplicate", tag=name[:20])
        tags[name] = value
    if "l" not in tags:
        raise BadBimiRecord("no-location")
    return Assertion(location=_parse_url("l", tags["l"]), evidence=_parse_url("a", tags.get("a", "")))


def _parse_url(tag: str, value: str) -> str:
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
    except ValueError:
        raise BadBimiRecord("not-a-url", tag=tag) from None
    if parts.scheme.lower() != "https":
        raise BadBimiRecord("not-https", tag=tag)
    if "." not in host or "," in value:
        raise BadBimiRecord("host", tag=tag)
    return value
