"""Text that strangers wrote, made fit to be shown: DNS answers, banners, bounces and pasted words."""

from __future__ import annotations

import re
import unicodedata

SPACE = re.compile(r"\s")
CUT_AT = 300  # characters; enough for every reason text seen, too short to flood a channel


def inert(text: str, cut_at: int = CUT_AT) -> str:
    """One line without control, direction-changing or zero-width characters, cut with an ellipsis.

    Markup is not touched: what counts as markup differs by platform, so each renderer escapes for itself.
    """
    return _cut(" ".join(text[: cut_at * 4].split()), cut_at)


def aligned(text: str, cut_at: int = CUT_AT) -> str:
    """The same with every space where it was, for a line of a picture made of characters."""
    return _cut(SPACE.sub(" ", text[: cut_at * 4]).rstrip(), cut_at)


def _cut(text: str, cut_at: int) -> str:
    kept = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
    return kept if len(kept) <= cut_at else kept[: cut_at - 1] + "…"
