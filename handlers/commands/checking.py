"""A check as it was typed. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bot.model import Order
from bot.targets import read_targets
from handlers.commands.reading import take_apart


@dataclass(frozen=True, slots=True)
class Typed:
    """A check as it was typed: the orders, whether the caches may answer, and whether the SPF tree is to be drawn."""

    orders: tuple[Order, ...]
    fresh: bool = False
    tree: bool = False


def read_check(text: str) -> Typed:
    """`TARGET… [as mta|client] [helo NAME] [selector NAME]… [fresh] [tree]`; raises BadCommand or BadTarget with one sentence."""
    words = take_apart(text.split(), ("as", "helo", "selector"), ("fresh", "tree"))
    role, helo = words.role, words.last("helo")
    helo = read_targets(helo)[0].domain if helo else None
    selectors = tuple(words.options.get("selector", ()))
    targets = read_targets(words.text)
    return Typed(
        tuple(Order(target, role, helo, selectors) for target in targets),
        *(flag in words.flags for flag in ("fresh", "tree")),
    )
