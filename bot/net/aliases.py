"""Some resolvers stop at a CNAME: the rest of the way is ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from bot.model import Answer, LookupFailed
from bot.net.answers import Alias
from bot.net.wire import Question, question

MOST = 9


async def follow(asked: Question, alias: Alias, ask: Callable[[Question], Awaitable[Answer | Alias]]) -> Answer:
    """What stands at the end of the aliases, as the answer to what was asked; raises LookupFailed("loop"), and what `ask` raises."""
    seen, ttl, authentic = {asked.name.lower()}, alias.ttl, alias.authentic
    outcome: Answer | Alias = alias
    while isinstance(outcome, Alias):
        target = outcome.target
        if target.lower() in seen or len(seen) > MOST:
            raise LookupFailed("loop", f"{asked.name} {asked.kind}")
        seen.add(target.lower())
        outcome = await ask(question(target, asked.kind))
        ttl, authentic = min(ttl, outcome.ttl), authentic and outcome.authentic
    return replace(outcome, name=asked.name, ttl=ttl, authentic=authentic)
