"""The chat verbs: a row each, from which the parser, the router, `help` and the Teams package follow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from handlers.commands.parser import CheckCommand, read_check
from handlers.commands.router import CommandRouter
from handlers.commands.watch import SeveralWatches, WatchCommands
from handlers.commands.watch_parser import (
    EditOptions,
    HistoryOptions,
    MuteOptions,
    WatchName,
    WatchOptions,
    read_edit,
    read_history,
    read_mute,
    read_setting,
    read_watch,
    read_watch_name,
)
from handlers.message import Card
from handlers.messages.watches import which_watch_card
from handlers.ports import ChatRequest, ProgressCallback
from handlers.verbs import ImpliedBy, Verb, VerbTable, always

ArgumentsT = TypeVar("ArgumentsT")


class NamesWatch(Protocol):
    """Arguments that name a watch; `options` is what was typed beside the name."""

    @property
    def options(self) -> str: ...


NamesWatchT = TypeVar("NamesWatchT", bound=NamesWatch)


def no_arguments(_text: str) -> None:
    """Parser of verbs that take nothing; what follows is ignored."""


def acknowledge_soon(router: CommandRouter, request: ChatRequest, _arguments: object) -> Card:
    router.watching(request.channel)
    return Card("One moment …", private=True)


def on_watches(
    handle: Callable[[WatchCommands, ChatRequest, ArgumentsT], Awaitable[Card]],
) -> Callable[[CommandRouter, ChatRequest, ArgumentsT, ProgressCallback], Awaitable[Card]]:
    """A method of WatchCommands as a handler."""
    return lambda router, request, arguments, _progress: handle(router.watching(request.channel), request, arguments)


def on_one_watch(
    handle: Callable[[WatchCommands, ChatRequest, NamesWatchT], Awaitable[Card]],
) -> Callable[[CommandRouter, ChatRequest, NamesWatchT, ProgressCallback], Awaitable[Card]]:
    """A method of WatchCommands that finds its watch; where the name fits several, they are offered as buttons."""

    async def find_and_handle(
        router: CommandRouter, request: ChatRequest, arguments: NamesWatchT, _progress: ProgressCallback
    ) -> Card:
        try:
            return await handle(router.watching(request.channel), request, arguments)
        except SeveralWatches as several:
            return which_watch_card(several.name, request.command.verb, arguments.options, several.found)

    return find_and_handle


def pasted(
    name: str, usage: tuple[str, str], teams: str, implied_by: ImpliedBy | None = None
) -> Verb[CommandRouter, str]:
    """A row of a verb about pasted or attached text."""
    return Verb(
        name,
        str,
        str.strip,
        lambda router, request, text: router.pasted_text.acknowledge_request(name, text, request.files),
        lambda router, request, text, progress: router.pasted_text.handle(name, text, request.files, progress),
        usages=(usage,),
        teams=teams,
        pastes=True,
        implied_by=implied_by,
    )


async def _list_status(router: CommandRouter, _request: ChatRequest, _none: None, _progress: ProgressCallback) -> Card:
    return await router.list_status()


VERBS: VerbTable[CommandRouter] = VerbTable(
    (
        Verb(
            "check",
            CheckCommand,
            read_check,
            CommandRouter.acknowledge_check,
            CommandRouter.check,
            usages=(
                ("203.0.113.5 example.com", "check an address, a domain, or both"),
                ("203.0.113.0/28", "check up to 16 addresses"),
                ("203.0.113.5 as client", "the address submits mail with authentication: a policy listing is expected"),
                ("203.0.113.5 helo mail.example.com", "check the HELO name of the server, too"),
                ("example.com tree", "show the include tree of its SPF record"),
                ("example.com explain", "who may send as the domain, and what to change first"),
                ("203.0.113.5 example.com private", "only you see the answer"),
            ),
            teams="An address, a domain, or both: check 203.0.113.5 example.com",
            implied_by=ImpliedBy.TARGET,
        ),
        Verb(
            "watch",
            WatchOptions,
            read_watch,
            lambda router, request, options: router.watching(request.channel).acknowledge_watch(options),
            on_watches(WatchCommands.watch),
            alerts=True,
            usages=(
                (
                    "watch 203.0.113.0/28 every 1h",
                    "this channel is alerted when something changes; up to 256 addresses",
                ),
                ("watch example.com only blocklists", "only its listings; also: only setup (SPF, DKIM and the rest)"),
                ("watch example.com addresses", "the same for the domain's mail servers and the addresses in its SPF"),
            ),
            teams="Alert this conversation when something changes: watch 203.0.113.5",
            changes=always,
        ),
        Verb(
            "watches",
            None,
            no_arguments,
            acknowledge_soon,
            on_watches(WatchCommands.list_watches),
            alerts=True,
            usages=(("watches", "the watches of this channel and their state"),),
            teams="What this conversation watches",
            hands_on=True,
        ),
        Verb(
            "history",
            HistoryOptions,
            read_history,
            acknowledge_soon,
            on_one_watch(WatchCommands.history),
            alerts=True,
            usages=(("history 203.0.113.5 7d", "the history of a watch, as a picture; also: 30d, all"),),
            teams="What happened to a watched address or domain",
            hands_on=True,
        ),
        Verb(
            "mute",
            MuteOptions,
            read_mute,
            acknowledge_soon,
            on_one_watch(WatchCommands.mute),
            alerts=True,
            usages=(("mute 203.0.113.5 24h", "no alerts for a while; also: unmute"),),
            teams="No alerts for a while: mute 203.0.113.5 24h",
            changes=always,
            in_thread=True,
            hands_on=True,
        ),
        Verb(
            "unmute",
            WatchName,
            read_watch_name,
            acknowledge_soon,
            on_one_watch(WatchCommands.unmute),
            alerts=True,
            changes=always,
            in_thread=True,
            hands_on=True,
        ),
        Verb(
            "ack",
            WatchName,
            read_watch_name,
            acknowledge_soon,
            on_one_watch(WatchCommands.acknowledge),
            alerts=True,
            usages=(("ack 203.0.113.5", "acknowledge: no more reminders unless it gets worse"),),
            changes=always,
            in_thread=True,
            hands_on=True,
        ),
        Verb(
            "edit",
            EditOptions,
            read_edit,
            acknowledge_soon,
            on_one_watch(WatchCommands.edit),
            alerts=True,
            usages=(("edit 203.0.113.5 every 15m", "change a watch: every, as, only, name; its history stays"),),
            changes=always,
            hands_on=True,
        ),
        Verb(
            "unwatch",
            WatchName,
            read_watch_name,
            acknowledge_soon,
            on_one_watch(WatchCommands.unwatch),
            alerts=True,
            usages=(("unwatch 203.0.113.5", "stop watching; like the others, it takes a name or an id, too"),),
            teams="Stop watching: unwatch 203.0.113.5",
            changes=always,
            hands_on=True,
        ),
        Verb(
            "settings",
            str,
            read_setting,
            acknowledge_soon,
            on_watches(WatchCommands.settings),
            alerts=True,
            usages=(("settings", "when and how this channel is notified"),),
            changes=bool,  # without a setting, it shows them
            hands_on=True,
        ),
        pasted(
            "bounce",
            ("bounce 550 5.7.1 …", "what a bounce or a log means: who has to fix it, which list, what to do"),
            "What a bounce means, and what to do: paste it after the word, or send a file to mailcheck alone",
            ImpliedBy.FILE,
        ),
        pasted(
            "headers",
            ("headers Received: …", "the route of a message, and the address it left from"),
            "The route of one message: paste its headers after the word",
        ),
        Verb(
            "lists",
            None,
            no_arguments,
            lambda _router, _request, _none: Card("Querying the test points of every blocklist …", private=True),
            _list_status,
            usages=(("lists", "which blocklists are working"),),
            teams="Which blocklists are working",
        ),
        Verb(
            "help",
            None,
            no_arguments,
            CommandRouter.help,
            usages=(("help", "this page"),),
            teams="What mailcheck can do",
            implied_by=ImpliedBy.NOTHING,
            aliases=("?", "h"),
            hands_on=True,
        ),
    )
)
