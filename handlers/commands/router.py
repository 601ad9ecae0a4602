"""Command router: acknowledgement and handler of each verb."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bot.check_runner import CheckRunner
from bot.models import CheckRequest, Report, Target
from bot.storage import StoreUnavailable
from handlers.commands.parser import PASTE_VERBS, WATCH_VERBS, CheckCommand, read_check, split_verb
from handlers.commands.pasted_text import READ_ERRORS as UNREAD
from handlers.commands.pasted_text import PastedTextCommands
from handlers.commands.watch import WatchCommands
from handlers.commands.watch_parser import PARSE_ERRORS
from handlers.message import Card
from handlers.messages import checking_card, help_card, progress_text, refusal_card, report_card, reports_card
from handlers.ports import Ack, Channel, ChatRequest, ProgressCallback, ignore_progress

STORE_UNAVAILABLE = "The store of the watches does not answer, so nothing was changed; please try again in a minute."
WATCHES_DISABLED = "Nothing can be watched here: this bot keeps no watches."


@dataclass(frozen=True, slots=True)
class CommandRouter:
    """Handles commands on every platform.

    `list_count` is the number of blocklists queried for a target. `rate_limit` returns a sentence
    for users over their limit, else an empty string.
    """

    check_runner: CheckRunner
    list_count: Callable[[Target], int]
    list_status: Callable[[], Awaitable[Card]]
    rate_limit: Callable[[ChatRequest], Awaitable[str]] = field(default=lambda _: _no_limit())
    watch_commands: WatchCommands | None = None
    pasted_text: PastedTextCommands = field(kw_only=True)

    def acknowledge(self, request: ChatRequest) -> Ack:
        """The acknowledgement; pure and instant."""
        verb, arguments = split_verb(request.text)
        if verb == "help":
            return Ack(help_card(), needs_work=False)
        if verb == "lists":
            return Ack(Card("Asking every blocklist for its test entries …", private=True), needs_work=True)
        try:
            if verb in PASTE_VERBS:
                return Ack(self.pasted_text.acknowledge_request(verb, arguments, request.files), needs_work=True)
            if verb in WATCH_VERBS:
                return Ack(
                    self._acknowledge_watch(request, verb, arguments), needs_work=self.watch_commands is not None
                )
            requests = read_check(arguments).requests
            return Ack(checking_card(requests, self.list_count(requests[0].target)), needs_work=True)
        except PARSE_ERRORS as error:
            return Ack(refusal_card(str(error)), needs_work=False)

    async def handle(self, request: ChatRequest, on_progress: ProgressCallback = ignore_progress) -> Card:
        ack = self.acknowledge(request)
        if not ack.needs_work:
            return ack.card
        if refusal := await self.rate_limit(request):
            return refusal_card(refusal)
        verb, arguments = split_verb(request.text)
        if verb in PASTE_VERBS:
            return await self._handle_pasted(request, verb, arguments, on_progress)
        if verb in WATCH_VERBS and self.watch_commands:
            return await self._handle_watch(self.watch_commands, request, verb, arguments)
        return await self.list_status() if verb == "lists" else await self.check(read_check(arguments), on_progress)

    async def check(self, command: CheckCommand, on_progress: ProgressCallback = ignore_progress) -> Card:
        expanded = await asyncio.gather(*(self.check_runner.expand(request) for request in command.requests))
        requests = [request for batch in expanded for request in batch]
        done = 0

        async def run_check(request: CheckRequest) -> Report:
            nonlocal done
            report = await self.check_runner.run(request, command.fresh)
            done += 1
            if len(requests) > 1:
                on_progress(progress_text(done, requests))
            return report

        reports = await asyncio.gather(*map(run_check, requests))
        return report_card(reports[0], command.with_tree) if len(reports) == 1 else reports_card(reports)

    async def on_channel_joined(self, channel: Channel) -> Card | None:
        return await self.watch_commands.on_channel_joined(channel) if self.watch_commands else None

    async def on_channel_left(self, channel: Channel) -> None:
        if self.watch_commands:
            await self.watch_commands.watches.purge_channel(channel)

    async def on_token_revoked(self, platform: str, workspace: str) -> None:
        if self.watch_commands:
            await self.watch_commands.watches.pause_workspace(platform, workspace)

    async def on_token_restored(self, platform: str, workspace: str) -> None:
        if self.watch_commands:
            await self.watch_commands.watches.resume_workspace(platform, workspace)

    async def on_uninstalled(self, platform: str, workspace: str) -> None:
        if self.watch_commands:
            await self.watch_commands.watches.purge_workspace(platform, workspace)

    def _acknowledge_watch(self, request: ChatRequest, verb: str, arguments: str) -> Card:
        return (
            self.watch_commands.acknowledge_request(request, verb, arguments)
            if self.watch_commands
            else refusal_card(WATCHES_DISABLED)
        )

    async def _handle_pasted(
        self, request: ChatRequest, verb: str, arguments: str, on_progress: ProgressCallback
    ) -> Card:
        try:
            return await self.pasted_text.handle(verb, arguments, request.files, on_progress)
        except UNREAD as error:
            return refusal_card(str(error))

    async def _handle_watch(self, commands: WatchCommands, request: ChatRequest, verb: str, arguments: str) -> Card:
        try:
            return await commands.handle(request, verb, arguments)
        except PARSE_ERRORS as error:
            return refusal_card(str(error))
        except StoreUnavailable:
            return refusal_card(STORE_UNAVAILABLE)


async def _no_limit() -> str:
    return ""
