"""Text in, card out: what a person may type on every platform. A button carries the same text."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bot.checkup import Checkup
from bot.model import Order, Role, Target
from bot.targets import BadTarget, read_targets
from handlers.card import Card
from handlers.messages import (
    checking_card,
    help_card,
    refusal_card,
    report_card,
    reports_card,
)
from handlers.platform import Ack, Ask

LATER = ("watch", "unwatch", "watches", "mute", "unmute", "history", "bounce", "headers", "settings")


class BadCommand(Exception):
    """The person typed something that cannot be done; the message is the sentence to show."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A check as it was typed: the orders, and whether the caches may answer."""

    orders: tuple[Order, ...]
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Commands:
    """The verbs; `checkup` does the work, `lists` is how many blocklists a target is asked about."""

    checkup: Checkup
    lists: Callable[[Target], int]
    list_health: Callable[[], Awaitable[Card]]
    allowed: Callable[[Ask], Awaitable[str]] = field(default=lambda _: _nobody_waits())

    def acknowledgement(self, ask: Ask) -> Ack:
        """What is said at once; pure and instant."""
        verb, rest = split_verb(ask.text)
        if verb == "help":
            return Ack(help_card(), work=False)
        if verb == "lists":
            return Ack(Card("Asking every blocklist for its test entries …", private=True), work=True)
        if verb in LATER:
            return Ack(refusal_card(f"`{verb}` is not available yet; type `help` to see what is."), work=False)
        try:
            orders = read_check(rest).orders
            return Ack(checking_card(orders, self.lists(orders[0].target)), work=True)
        except (BadCommand, BadTarget) as wrong:
            return Ack(refusal_card(str(wrong)), work=False)

    async def answer(self, ask: Ask) -> Card:
        instead = self.acknowledgement(ask)
        if not instead.work:
            return instead.card
        if wait := await self.allowed(ask):
            return refusal_card(wait)
        verb, rest = split_verb(ask.text)
        return await self.list_health() if verb == "lists" else await self.check(read_check(rest))

    async def check(self, typed: Typed) -> Card:
        expanded = await asyncio.gather(*(self.checkup.expand(order) for order in typed.orders))
        orders = [order for several in expanded for order in several]
        reports = await asyncio.gather(*(self.checkup.report(order, typed.fresh) for order in orders))
        return report_card(reports[0]) if len(reports) == 1 else reports_card(reports)


def split_verb(text: str) -> tuple[str, str]:
    """`lists` → the verb; a bare target means `check`; nothing at all means `help`."""
    first, _, rest = text.strip().partition(" ")
    verb = first.lower()
    if not verb or verb in ("help", "?"):
        return "help", ""
    if verb in ("check", "lists", *LATER):
        return verb, rest.strip()
    return "check", text.strip()


def read_check(text: str) -> Typed:
    """`TARGET… [as mta|client] [helo NAME] [selector NAME]… [fresh]`; raises BadCommand or BadTarget with one sentence."""
    words, options, fresh = _options(text.split())
    role = options.get("as", ["mta"])[-1]
    if role not in tuple(Role):
        raise BadCommand(
            f"`as {role[:40]}` is not known: an address is checked `as mta` (it sends mail itself) or `as client`."
        )
    helo = options.get("helo", [None])[-1]
    helo = read_targets(helo)[0].domain if helo else None
    targets = read_targets(" ".join(words))
    return Typed(tuple(Order(t, Role(role), helo, tuple(options.get("selector", ()))) for t in targets), fresh)


def _options(words: Sequence[str]) -> tuple[list[str], dict[str, list[str]], bool]:
    left: list[str] = []
    options: dict[str, list[str]] = {}
    rest = iter(words)
    fresh = False
    for word in rest:
        low = word.lower()
        if low in ("as", "helo", "selector"):
            value = next(rest, None)
            if value is None:
                raise BadCommand(f"`{low}` needs a word after it; type `help` to see how.")
            options.setdefault(low, []).append(value.lower())
        elif low == "fresh":
            fresh = True
        else:
            left.append(word)
    return left, options, fresh


async def _nobody_waits() -> str:
    return ""
