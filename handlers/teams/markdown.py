"""Text for the few places where Teams reads Markdown, made to say the same and format nothing. Pure."""

from __future__ import annotations

import re

LIVE = str.maketrans(
    {"<": "‹", ">": "›", "*": "∗", "~": "∼", "`": "ʹ", "[": "［", "]": "］", "#": "＃", "|": "¦", "\\": "＼"}
)
CLOSING_UNDERSCORE = re.compile(r"_(?!\w)|(?<!\w)_(?=\W*$)")
BULLET = re.compile(r"^[-+=](?=[\s=-]|$)")
NUMBER = re.compile(r"^(\d+)[.)](?=\s|$)")
DATE_OR_TIME = re.compile(r"\{(?=\{)")  # Adaptive Cards replace {{DATE(…)}} and {{TIME(…)}} in every text


def escaped(line: str) -> str:
    """One line with look-alikes for what formats or is turned into a link unasked.

    Backslashes would be the Markdown way, but not every client of Teams takes them. An underscore stays where it cannot
    close a pair, so that `_dmarc.example.com` can still be copied.
    """
    bare = CLOSING_UNDERSCORE.sub("ˍ", line.translate(LIVE)).replace("://", ":∕∕").replace("&", "＆")
    return NUMBER.sub(r"\1:", BULLET.sub("–", without_formulas(bare)))


def without_formulas(text: str) -> str:
    """The text with no pair of opening braces; it grows by one space for each."""
    return DATE_OR_TIME.sub("{ ", text)
