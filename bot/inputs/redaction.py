"""Take secrets out of foreign text: a list may repeat the API key in whatever case it came."""

from __future__ import annotations

import string
from collections.abc import Iterable

REDACTED = "…"
ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)  # keeps the length of any text


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return the text without the secrets, in time linear in its length."""
    for secret in secrets:
        if secret:
            text = REDACTED.join(_split(text, secret.translate(ASCII_LOWER)))
    return text


def _split(text: str, secret: str) -> list[str]:
    lowered = text.translate(ASCII_LOWER)
    parts, start = [], 0
    while (found := lowered.find(secret, start)) >= 0:
        parts.append(text[start:found])
        start = found + len(secret)
    return [*parts, text[start:]]
