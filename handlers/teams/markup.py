"""Teams' markup, undone: what a person typed. Pure."""

from __future__ import annotations

import html
import re

BREAK = re.compile(r"<br\s*/?>|</(?:p|div|li|pre)>", re.IGNORECASE)
# Known tags only: in a pasted header, `<postmaster@example.com>` is none.
TAG = re.compile(
    r"</?(?:a|at|attachment|b|blockquote|br|code|div|em|font|h[1-6]|i|img|li|ol|p|pre|s|span|strong|u|ul)(?:[\s/][^<>]*)?>",
    re.IGNORECASE,
)
SPACES = re.compile(r"[^\S\n]+")  # the no-break spaces that Teams puts around a mention are among them
MENTION = re.compile(r"<at(?:\s[^<>]*)?>[^<>]*</at>", re.IGNORECASE)
PRIVATE = re.compile(r"^private(?:\s+|$)|\s+private$", re.IGNORECASE)
CHARACTERS_READ = 20_000


def as_typed(text: str) -> str:
    """A message without Teams' markup: mentions left out, tags and entities undone, lines kept."""
    bare = MENTION.sub(" ", text[:CHARACTERS_READ])
    bare = TAG.sub("", BREAK.sub("\n", bare))
    return "\n".join(SPACES.sub(" ", line).strip() for line in html.unescape(bare).splitlines()).strip()


def without_private(text: str) -> tuple[str, bool]:
    """Takes the option word `private` off either end."""
    bare = PRIVATE.sub("", text, count=1)
    return bare.strip(), bare != text
