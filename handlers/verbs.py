"""Chat verbs as the rows of a table, and the one parser that makes a Command of a chat text. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import Enum
from functools import cache
from typing import Any, Generic, Protocol, TypeVar

from pydantic import TypeAdapter

from bot.inputs.domain_names import quoted
from bot.inputs.durations import BadDuration
from bot.inputs.targets import BadTarget
from bot.monitoring.models import Channel
from bot.monitoring.schedule import BadInterval
from handlers.message import Card

PRIVATE = "private"  # only the author sees the answer
COMMAND_NAMES = ("/mailcheck", "mailcheck")  # typed before the verb, as the README writes it
DASHES = "\u2010\u2011\u2013\u2014-"  # before an option; some keyboards make one long dash of two
PRIVATE_FIRST = re.compile(rf"[{DASHES}]{{0,2}}{PRIVATE}(?!\S)", re.IGNORECASE)
PRIVATE_LAST = re.compile(rf"(?<=\s)[{DASHES}]{{0,2}}{PRIVATE}$", re.IGNORECASE)
MIN_SIMILARITY = 0.7  # of a verb to what was typed

RouterT = TypeVar("RouterT")
ArgumentsT = TypeVar("ArgumentsT")
ProgressCallback = Callable[[str], None]  # may be called from any thread


class BadCommand(Exception):
    """The command is invalid; the message is the sentence to show."""


PARSE_ERRORS = (BadCommand, BadTarget, BadDuration, BadInterval)


class FileUnreadable(Exception):
    """A file cannot be read; the message is one sentence that says what to do instead."""


class File(Protocol):
    """An attached file."""

    async def read(self, max_bytes: int, /) -> bytes:
        """The content. Raises FileUnreadable, also for more than `max_bytes`."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Stands for arguments that cannot be read: why, in one sentence. `is_empty`: there were none."""

    sentence: str
    is_empty: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A parsed chat text. `arguments` are of the type that the verb's row names, or a Refusal.

    `private`: only the user may see the answer.
    """

    verb: str
    arguments: Any = None
    private: bool = False


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A command that was typed, or that a button carries.

    `user` is the platform's id, `name` the display name (foreign text; empty if unknown).
    `is_external` users belong to another workspace, as in a shared channel; they may read but not
    change anything. `replaces` is the id of the bot's message that the answer replaces, empty for
    a new message.
    """

    channel: Channel
    user: str
    command: Command
    name: str = ""
    is_external: bool = False
    files: tuple[File, ...] = ()
    replaces: str = ""


class ImpliedBy(Enum):
    """What means a verb that is not typed: a text without a verb, a file without a command, or no text."""

    TARGET = "target"
    FILE = "file"
    NOTHING = "nothing"


def never(_arguments: object) -> bool:
    return False


def always(_arguments: object) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Verb(Generic[RouterT, ArgumentsT]):
    """Declares a chat verb: the only place that names it.

    `arguments` is the type that `read` returns, for the task queue. `acknowledge` builds the card
    to show at once, and raises PARSE_ERRORS where the command may not run. Without `handle` that
    card is the whole answer. `usages` are rows of the help card: what to type, and what it does.
    `teams` is the description in the command list of Teams, empty to leave the verb out.
    `changes`: external users may not run it with these arguments. `in_thread`: in an alert, a
    button with it is answered in the alert's thread. `pastes`: its arguments are a pasted text.
    `alerts`: it works only where alerts can be posted. `hands_on`: it asks no DNS, and has a rate
    limit of its own.
    """

    name: str
    arguments: Any
    read: Callable[[str], ArgumentsT]
    acknowledge: Callable[[RouterT, ChatRequest, ArgumentsT], Card]
    handle: Callable[[RouterT, ChatRequest, ArgumentsT, ProgressCallback], Awaitable[Card]] | None = None
    usages: tuple[tuple[str, str], ...] = ()
    teams: str = ""
    changes: Callable[[ArgumentsT], bool] = never
    in_thread: bool = False
    pastes: bool = False
    alerts: bool = False
    hands_on: bool = False
    implied_by: ImpliedBy | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VerbTable(Generic[RouterT]):
    """All verbs, in the order of the help card."""

    rows: tuple[Verb[RouterT, Any], ...]
    _by_name: Mapping[str, Verb[RouterT, Any]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name = {name: row for row in self.rows for name in (row.name, *row.aliases)}
        object.__setattr__(self, "_by_name", by_name)

    def __getitem__(self, name: str) -> Verb[RouterT, Any]:
        return self._by_name[name]

    def parse(self, text: str, has_files: bool = False) -> Command:
        """The command that a text means: `[/mailcheck] [private] [VERB] ARGUMENTS [private]`.

        A text without a verb is a check. Beside files, a text that is no command is a comment on
        them, and the files are a mail log.
        """
        typed, private = _split_private(_without_command_name(text))
        first, *rest = typed.split(maxsplit=1) or [""]
        typed_verb = self._by_name.get(first.lower()) or self._by_name.get(option_name(first))
        if row := typed_verb:
            command = self.read(row.name, "".join(rest), private)
        else:
            row = self._implied_by(ImpliedBy.TARGET if typed else ImpliedBy.NOTHING)
            command = self.read(row.name, typed, private)
        is_check = row.implied_by is ImpliedBy.TARGET
        if has_files and (not typed or (is_check and isinstance(command.arguments, Refusal))):
            return self.read(self._implied_by(ImpliedBy.FILE).name, "", private)
        if typed_verb is None and isinstance(command.arguments, Refusal):
            return replace(command, arguments=self._explain_refusal(command.arguments, first, "".join(rest)))
        return command

    def _explain_refusal(self, refusal: Refusal, first: str, rest: str) -> Refusal:
        """Of a text without a verb: where its first word seems to be one, what to type instead."""
        if not is_plain_word(first) or not self._is_refused(first):
            return refusal
        is_check = bool(rest) and not self._is_refused(rest)
        return Refusal(unknown_verb(first, is_check, [row.name for row in self.rows]))

    def _is_refused(self, text: str) -> bool:
        return isinstance(self.read(self._implied_by(ImpliedBy.TARGET).name, text).arguments, Refusal)

    def read(self, verb: str, text: str, private: bool = False) -> Command:
        """The command of a verb that a form or a shortcut stands for, with its arguments as text."""
        try:
            return Command(verb, self[verb].read(text.strip()), private)
        except PARSE_ERRORS as error:
            return Command(verb, Refusal(str(error), is_empty=not text.strip()), private)

    def changes(self, command: Command) -> bool:
        """Whether it would change watches or settings."""
        return not isinstance(command.arguments, Refusal) and self[command.verb].changes(command.arguments)

    def to_job(self, command: Command) -> dict[str, str]:
        """The part of a queued job that holds the command, as JSON; the inverse of `from_job`."""
        adapter = type_adapter(self[command.verb].arguments)
        arguments = adapter.dump_python(command.arguments, mode="json")
        fields = {"verb": command.verb, "arguments": arguments, "private": command.private}
        return {"command": json.dumps(fields, ensure_ascii=False)}

    def from_job(self, job: Mapping[str, str]) -> Command:
        """Raises KeyError or ValueError."""
        if "command" not in job:  # compatibility: the version before queued the text
            return replace(self.parse(job["text"]), private=job["private"] == "True")
        fields = json.loads(job["command"])
        arguments = type_adapter(self[fields["verb"]].arguments).validate_python(fields["arguments"])
        return Command(fields["verb"], arguments, fields["private"])

    def prepare(self) -> None:
        """Build what the first job would wait for: 40 ms during which no request is acknowledged."""
        for row in self.rows:
            type_adapter(row.arguments)

    @property
    def usages(self) -> tuple[tuple[str, str], ...]:
        """Rows of the help card."""
        return self.usages_in(alerts=True)

    def usages_in(self, alerts: bool) -> tuple[tuple[str, str], ...]:
        """Those of a place where alerts can be posted, or cannot."""
        return tuple(usage for row in self.rows if alerts or not row.alerts for usage in row.usages)

    def _implied_by(self, what: ImpliedBy) -> Verb[RouterT, Any]:
        return next(row for row in self.rows if row.implied_by is what)


@cache
def type_adapter(arguments: Any) -> TypeAdapter[Any]:
    """Reads and writes arguments as JSON."""
    return TypeAdapter(arguments)


def unknown_verb(word: str, is_check: bool, verbs: Sequence[str]) -> str:
    """What to type instead of a word that is no verb; `is_check`: an address or a domain follows it."""
    typed = quoted(word)
    if near := get_close_matches(word.strip(DASHES).lower(), verbs, n=1, cutoff=MIN_SIMILARITY):
        return f"{typed} is not a command. Did you mean `{near[0]}`?"
    if is_check:
        return (
            f"{typed} is not a command: type the address or the domain alone, and all of it is checked;"
            " `help` shows the commands."
        )
    return f"{typed} is not an address or a domain, and not a command; type `help` to see what there is."


def is_plain_word(text: str) -> bool:
    """Whether it may be a mistyped verb or option: letters first, and no dots, colons or slashes."""
    name = text.lstrip(DASHES)
    return name[:1].isalpha() and all(char.isalnum() or char in DASHES for char in name)


def option_name(word: str) -> str:
    """An option as chats write it: `--Private` is `private`."""
    return word.lower().lstrip(DASHES)


def _without_command_name(text: str) -> str:
    first, *rest = text.split(maxsplit=1) or [""]
    return "".join(rest) if first.lower() in COMMAND_NAMES else text


def _split_private(text: str) -> tuple[str, bool]:
    """Split the option `private` off either end."""
    typed = text.strip()
    if match := PRIVATE_FIRST.match(typed) or PRIVATE_LAST.search(typed):
        return (typed[: match.start()] + typed[match.end() :]).strip(), True
    return typed, False


def ignore_progress(_text: str) -> None:
    """No-op progress callback."""
