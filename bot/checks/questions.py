"""Questions asked side by side, where one that nobody answers must not hide the answers of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from bot.model import Answer, Lookup, LookupFailed

Reply = Answer | LookupFailed


async def ask(lookup: Lookup, name: str, kind: str) -> Reply:
    """The answer, or why there is none."""
    try:
        return await lookup(name, kind)
    except LookupFailed as failure:
        return failure


async def ask_all(lookup: Lookup, questions: Iterable[tuple[str, str]]) -> list[Reply]:
    """The replies in the order of the questions, all of them under way at once."""
    return await asyncio.gather(*(ask(lookup, name, kind) for name, kind in questions))


@dataclass(frozen=True, slots=True)
class Host:
    """The addresses of a name. `unanswered` is the reason when A or AAAA got no answer: then there may be more."""

    name: str
    addresses: tuple[str, ...]
    unanswered: str | None = None


async def find_host(lookup: Lookup, name: str) -> Host:
    """What A and AAAA say about a name, both asked at once."""
    replies = await ask_all(lookup, [(name, "A"), (name, "AAAA")])
    failures = [reply.reason for reply in replies if isinstance(reply, LookupFailed)]
    addresses = [record for reply in replies if isinstance(reply, Answer) for record in reply.records]
    return Host(name, tuple(addresses), failures[0] if failures else None)
