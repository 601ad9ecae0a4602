"""Makes foreign text (DNS answers, banners, bounces, pasted text) safe to show."""

from __future__ import annotations

import re
import unicodedata

SPACE = re.compile(r"\s")
MAX_CHARACTERS = 300  # characters; enough for real reason texts, too short to flood a channel


def sanitize(text: str, cut_at: int = MAX_CHARACTERS) -> str:
    """One line without control, bidirectional or zero-width characters, cut with an ellipsis.

    Markup stays: each renderer escapes its own.
    """
    return _cut(" ".join(text[: cut_at * 4].split()), cut_at)


def sanitize_monospaced(text: str, cut_at: int = MAX_CHARACTERS) -> str:
    """Like `sanitize`, but keeps every space, for lines of monospaced text."""
    return _cut(SPACE.sub(" ", text[: cut_at * 4]).rstrip(), cut_at)


def _cut(text: str, cut_at: int) -> str:
    visible = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
    return visible if len(visible) <= cut_at else visible[: cut_at - 1] + "…"
