"""Slack's markup, undone: what a person typed, and what a message names. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bot.inputs.domain_names import is_public_suffix
from bot.inputs.targets import BadTarget, read_targets
from bot.models import Target

# No `<` inside, or a text of nothing but openings would be searched to its end from each of them.
LINK = re.compile(r"<(?:https?://|mailto:|tel:)([^<|>\s]+)(?:\|[^<>]*)?>")
PASTED_LINK = re.compile(r"<(?:(https?://[^<|>\s]+)|(?:mailto:|tel:)([^<|>\s]+))(?:\|([^<>]*))?>")
PRIVATE = re.compile(r"^private(?:\s+|$)|\s+private$", re.IGNORECASE)
MENTION = re.compile(r"<[@#!][^<>]*>")
ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))  # the ampersand last, or `&amp;lt;` would become a bracket
READ_FROM = ("text", "url", "fallback", "title", "pretext", "value")
BETWEEN_WORDS = re.compile(r"[\s,;|<>()\[\]{}\"'`]+")
CHARACTERS_READ = 20_000
WORDS_READ = 300  # this runs before the acknowledgement
ADDRESSES_TAKEN = 8
DOMAINS_TAKEN = 4


def without_private(text: str) -> tuple[str, bool]:
    """Takes the option word `private` off either end."""
    bare = PRIVATE.sub("", text.strip(), count=1)
    return bare.strip(), bare != text.strip()


def as_typed(text: str) -> str:
    """A message without Slack's markup: links and entities undone, mentions left out."""
    return _plain(LINK.sub(r"\1", text))


def as_pasted(text: str) -> str:
    """The same of a pasted refusal or header, in which a link stays one: it tells which list it was."""
    return _plain(PASTED_LINK.sub(lambda link: link[3] or link[2] or link[1], text))


def _plain(text: str) -> str:
    bare = MENTION.sub(" ", text)
    for entity, character in ENTITIES:
        bare = bare.replace(entity, character)
    return bare.strip()


def texts_of(message: Any) -> Iterator[str]:
    """Every text in a message: its own, and those in its blocks and attachments, however deep."""
    left = [message]
    while left:
        part = left.pop()
        if isinstance(part, list):
            left.extend(reversed(part))
        elif isinstance(part, dict):
            left.extend(value for value in reversed(part.values()) if isinstance(value, dict | list))
            yield from (as_typed(part[key]) for key in READ_FROM if isinstance(part.get(key), str))


def named_in(text: str) -> list[str]:
    """The first addresses in running text and the domain they go with, or the first domains; each once.

    `notes.txt` is not taken for a domain, nor `127.0.0.2` for an address: that is how a blocklist says "listed".
    """
    words = [word for word in BETWEEN_WORDS.split(text[:CHARACTERS_READ]) if "." in word or ":" in word]
    targets = [target for word in words[:WORDS_READ] for target in _read(word)]
    addresses = list(dict.fromkeys(str(t.ip) for t in targets if t.ip and not t.ip.is_loopback))[:ADDRESSES_TAKEN]
    domains = list(dict.fromkeys(t.domain for t in targets if t.domain and _is_delegated(t.domain)))
    return [*addresses, *domains[: 1 if addresses else DOMAINS_TAKEN]]


def _read(word: str) -> tuple[Target, ...]:
    try:
        return read_targets(word)
    except BadTarget:
        return ()  # most words of a sentence are neither an address nor a domain


def _is_delegated(domain: str) -> bool:
    return is_public_suffix(domain.rpartition(".")[2])
