"""Words that a person typed: the verb, and options that may stand anywhere after it. Pure.

A check as it was typed. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from bot.inputs.targets import read_targets
from bot.models import Order, Role

WATCHING = ("watch", "unwatch", "watches", "history", "mute", "unmute", "ack", "settings")
PASTED = ("bounce", "headers")
VERBS = ("check", "lists", *WATCHING, *PASTED)


class BadCommand(Exception):
    """The person typed something that cannot be done; the message is the sentence to show."""


@dataclass(frozen=True, slots=True)
class Words:
    """What was typed, taken apart: words that are no option, options with their values in lower case, and flags."""

    left: tuple[str, ...]
    options: dict[str, list[str]] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()

    def last(self, option: str) -> str | None:
        return self.options.get(option, [None])[-1]

    @property
    def text(self) -> str:
        return " ".join(self.left)

    @property
    def role(self) -> Role:
        """Raises BadCommand for one that does not exist."""
        role = self.last("as") or "mta"
        if role not in tuple(Role):
            raise BadCommand(
                f"`as {role[:40]}` is not known: an address is checked `as mta` (it sends mail itself) or `as client`."
            )
        return Role(role)


def split_verb(text: str) -> tuple[str, str]:
    """`lists` → the verb; a bare target means `check`; nothing at all means `help`. What follows keeps its lines."""
    first, *rest = text.split(maxsplit=1) or [""]
    verb = first.lower()
    if not verb or verb in ("help", "?"):
        return "help", ""
    if verb in VERBS:
        return verb, "".join(rest).strip()
    return "check", text.strip()


def take_apart(words: Sequence[str], options: Collection[str], flags: Collection[str]) -> Words:
    """Raises BadCommand for an option without its value."""
    left: list[str] = []
    found: dict[str, list[str]] = {}
    raised: set[str] = set()
    rest = iter(words)
    for word in rest:
        low = word.lower()
        if low in options:
            value = next(rest, None)
            if value is None:
                raise BadCommand(f"`{low}` needs a word after it; type `help` to see how.")
            found.setdefault(low, []).append(value.lower())
        elif low in flags:
            raised.add(low)
        else:
            left.append(word)
    return Words(tuple(left), found, frozenset(raised))


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
