"""Command parser: verbs, options anywhere after them, and the `check` command. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from bot.inputs.targets import parse_targets
from bot.models import CheckRequest, Role

WATCH_VERBS = ("watch", "unwatch", "watches", "history", "mute", "unmute", "ack", "settings")
PASTE_VERBS = ("bounce", "headers")
PRIVATE = "private"  # only the author sees the answer
VERBS = ("check", "lists", *WATCH_VERBS, *PASTE_VERBS)


class BadCommand(Exception):
    """The command is invalid; the message is the sentence to show."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Parsed arguments: positional words, options with their lowercased values, and flags."""

    positional: tuple[str, ...]
    options: dict[str, list[str]] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()

    def last_value(self, option: str) -> str | None:
        return self.options.get(option, [None])[-1]

    @property
    def text(self) -> str:
        return " ".join(self.positional)

    @property
    def role(self) -> Role:
        """The value of `as`. Raises BadCommand for an unknown role."""
        role = self.last_value("as") or "mta"
        if role not in tuple(Role):
            raise BadCommand(
                f"`as {role[:40]}` is not known: an address is checked `as mta` (it sends mail itself) or `as client`."
            )
        return Role(role)


def split_verb(text: str) -> tuple[str, str]:
    """Split a command into verb and arguments, which keep their line breaks.

    A bare target means `check`, and no text means `help`.
    """
    first, *arguments = text.split(maxsplit=1) or [""]
    verb = first.lower()
    if not verb or verb in ("help", "?"):
        return "help", ""
    if verb in VERBS:
        return verb, "".join(arguments).strip()
    return "check", text.strip()


def strip_private(text: str) -> tuple[str, bool]:
    """Split the option `private` off either end."""
    command = text.strip()
    if command[: len(PRIVATE)].lower() == PRIVATE and (not (rest := command[len(PRIVATE) :]) or rest[0].isspace()):
        return rest.strip(), True
    rest = command[: -len(PRIVATE)]
    if command[-len(PRIVATE) :].lower() == PRIVATE and rest[-1:].isspace():
        return rest.strip(), True
    return command, False


def parse_arguments(words: Sequence[str], options: Collection[str], flags: Collection[str]) -> Arguments:
    """Parse words. Raises BadCommand for an option without its value."""
    positional: list[str] = []
    values: dict[str, list[str]] = {}
    raised_flags: set[str] = set()
    remaining = iter(words)
    for word in remaining:
        lowered = word.lower()
        if lowered in options:
            value = next(remaining, None)
            if value is None:
                raise BadCommand(f"`{lowered}` needs a word after it; type `help` to see how.")
            values.setdefault(lowered, []).append(value.lower())
        elif lowered in flags:
            raised_flags.add(lowered)
        else:
            positional.append(word)
    return Arguments(tuple(positional), values, frozenset(raised_flags))


@dataclass(frozen=True, slots=True)
class CheckCommand:
    """A parsed `check`: `fresh` bypasses the caches, `with_tree` shows the SPF include tree."""

    requests: tuple[CheckRequest, ...]
    fresh: bool = False
    with_tree: bool = False


def read_check(text: str) -> CheckCommand:
    """Parse `TARGET… [as mta|client] [helo NAME] [selector NAME]… [fresh] [tree]`.

    Raises BadCommand or BadTarget with one sentence.
    """
    arguments = parse_arguments(text.split(), ("as", "helo", "selector"), ("fresh", "tree"))
    role, helo = arguments.role, arguments.last_value("helo")
    helo = parse_targets(helo)[0].domain if helo else None
    selectors = tuple(arguments.options.get("selector", ()))
    targets = parse_targets(arguments.text)
    return CheckCommand(
        tuple(CheckRequest(target, role, helo, selectors) for target in targets),
        *(flag in arguments.flags for flag in ("fresh", "tree")),
    )
