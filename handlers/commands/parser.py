"""Parser of arguments: positional words with options anywhere among them, and those of `check`. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from bot.inputs.domain_names import quoted
from bot.inputs.targets import parse_targets
from bot.models import CheckRequest, Role
from handlers.verbs import DASHES, BadCommand, is_plain_word, option_name

ONE_DOMAIN = frozenset({"tree", "explain"})  # flags of `check` that show the records of a domain


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


def parse_arguments(words: Sequence[str], options: Collection[str], flags: Collection[str]) -> Arguments:
    """Parse words. Raises BadCommand for an option without its value."""
    positional: list[str] = []
    values: dict[str, list[str]] = {}
    raised_flags: set[str] = set()
    remaining = iter(words)
    for word in remaining:
        name, _, inline = option_name(word).partition("=")
        if name in options:
            value = inline or next(remaining, None)
            if value is None:
                raise BadCommand(f"`{name}` needs a word after it; type `help` to see how.")
            values.setdefault(name, []).append(value.lower())
        elif name in flags and not inline:
            raised_flags.add(name)
        elif word[0] in DASHES and is_plain_word(word):
            raise BadCommand(f"{quoted(word)} is not an option here; type `help` to see those there are.")
        else:
            positional.append(word)
    return Arguments(tuple(positional), values, frozenset(raised_flags))


@dataclass(frozen=True, slots=True)
class CheckCommand:
    """A parsed `check`: `fresh` bypasses the caches, `with_tree` shows the SPF include tree.

    `explained`: the summary of the domain's set-up instead of the report.
    """

    requests: tuple[CheckRequest, ...]
    fresh: bool = False
    with_tree: bool = False
    explained: bool = False


def read_check(text: str) -> CheckCommand:
    """Parse `TARGET… [as mta|client] [helo NAME] [selector NAME]… [fresh] [tree] [explain]`.

    Raises BadCommand or BadTarget with one sentence.
    """
    arguments = parse_arguments(text.split(), ("as", "helo", "selector"), ("fresh", "tree", "explain"))
    role, helo = arguments.role, arguments.last_value("helo")
    helo = parse_targets(helo)[0].domain if helo else None
    selectors = tuple(arguments.options.get("selector", ()))
    targets = parse_targets(arguments.text)
    for flag in sorted(arguments.flags & ONE_DOMAIN):
        if len(targets) > 1 or not (targets[0].domain or helo):
            raise BadCommand(f"`{flag}` shows one domain: type it like `example.com {flag}`.")
    return CheckCommand(
        tuple(CheckRequest(target, role, helo, selectors) for target in targets),
        *(flag in arguments.flags for flag in ("fresh", "tree", "explain")),
    )
