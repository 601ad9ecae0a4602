"""Undoes Slack's markup, once per message, and extracts check targets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bot.inputs.domain_names import is_public_suffix
from bot.inputs.targets import BadTarget, parse_targets
from bot.models import Target

# Excluding `<` keeps matching linear on a text of many `<`.
LINK = re.compile(r"<(https?://|mailto:|tel:)([^<|>\s]+)(?:\|([^<>]*))?>")
MENTION = re.compile(r"<[@#!][^<>]*>")
ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))  # ampersand last: `&amp;lt;` must become `&lt;`
TEXT_FIELDS = ("text", "url", "fallback", "title", "pretext", "value")
WORD_SEPARATORS = re.compile(r"[\s,;|<>()\[\]{}\"'`]+")
MAX_MESSAGE = 40_000  # characters; Slack cuts longer ones
MAX_CHARACTERS = 20_000
MAX_WORDS = 300  # parsed before the acknowledgement
MAX_ADDRESSES = 8
MAX_DOMAINS = 4


def strip_markup(text: str) -> str:
    """Text as typed: links and entities undone, mentions removed."""
    text_only = MENTION.sub(" ", LINK.sub(_link_text, text[:MAX_MESSAGE]))
    for entity, character in ENTITIES:
        text_only = text_only.replace(entity, character)
    return text_only.strip()


def _link_text(link: re.Match[str]) -> str:
    """The label that Slack made of the typed address or number; for another label, the address.

    A URL stays whole, as it names the list in a pasted reply.
    """
    scheme, rest, label = link.groups()
    if label and (label in rest or scheme == "tel:" or label == scheme + rest):
        return label
    return scheme + rest if scheme.startswith("http") else rest


def iter_texts(message: Any) -> Iterator[str]:
    """All texts of a message, including nested blocks and attachments."""
    stack = [message]
    while stack:
        part = stack.pop()
        if isinstance(part, list):
            stack.extend(reversed(part))
        elif isinstance(part, dict):
            stack.extend(value for value in reversed(part.values()) if isinstance(value, dict | list))
            yield from (strip_markup(part[key]) for key in TEXT_FIELDS if isinstance(part.get(key), str))


def extract_targets(text: str) -> list[str]:
    """The first addresses in the text and their domain, or the first domains; without duplicates.

    `notes.txt` is not a domain, and `127.0.0.2` is a blocklist return code, not a target.
    """
    words = [word for word in WORD_SEPARATORS.split(text[:MAX_CHARACTERS]) if "." in word or ":" in word]
    targets = [target for word in words[:MAX_WORDS] for target in _parse_word(word)]
    addresses = list(dict.fromkeys(str(t.ip) for t in targets if t.ip and not t.ip.is_loopback))[:MAX_ADDRESSES]
    domains = list(dict.fromkeys(t.domain for t in targets if t.domain and _has_public_suffix(t.domain)))
    return [*addresses, *domains[: 1 if addresses else MAX_DOMAINS]]


def _parse_word(word: str) -> tuple[Target, ...]:
    try:
        return parse_targets(word)
    except BadTarget:
        return ()  # most words are neither an address nor a domain


def _has_public_suffix(domain: str) -> bool:
    return is_public_suffix(domain.rpartition(".")[2])
