"""Command router: the acknowledgement and the handler of each command, by the row of its verb."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from bot.advice.explanation import explain
from bot.check_runner import CheckRunner
from bot.models import CheckRequest, Report
from bot.storage import StoreUnavailable
from handlers.commands.parser import CheckCommand
from handlers.commands.pasted_text import READ_ERRORS, PastedTextCommands
from handlers.commands.watch import WatchCommands
from handlers.message import Card
from handlers.messages import (
    checking_card,
    explanation_card,
    help_card,
    internal_error_card,
    progress_text,
    refusal_card,
    report_card,
    reports_card,
)
from handlers.ports import Ack, Channel, ChatRequest, ProgressCallback, ignore_progress
from handlers.verbs import PARSE_ERRORS, BadCommand, Refusal, VerbTable

STORE_UNAVAILABLE = "The store of the watches does not answer, so nothing was changed; please try again in a minute."
WATCHES_DISABLED = "Nothing can be watched here: this bot keeps no watches."
RESUMED = "The watches of this channel were paused and go on now"
EXTERNAL_USER = (
    "You are from another workspace: you can check and look here, and its own members change watches and settings."
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CommandRouter:
    """Handles commands on every platform.

    `rate_limit` returns a sentence for users over their limit, else an empty string.
    """

    verbs: VerbTable[CommandRouter]
    check_runner: CheckRunner
    list_status: Callable[[], Awaitable[Card]]
    rate_limit: Callable[[ChatRequest], Awaitable[str]] = field(default=lambda _: _no_limit())
    watch_commands: WatchCommands | None = None
    pasted_text: PastedTextCommands = field(kw_only=True)

    def acknowledge(self, request: ChatRequest) -> Ack:
        """The acknowledgement; pure and instant."""
        verb = self.verbs[request.command.verb]
        try:
            return Ack(verb.acknowledge(self, request, self._allowed(request)), needs_work=verb.handle is not None)
        except PARSE_ERRORS as error:
            return Ack(refusal_card(str(error)), needs_work=False)

    async def handle(self, request: ChatRequest, on_progress: ProgressCallback = ignore_progress) -> Card:
        """The answer to an acknowledged command; also where it fails."""
        verb = self.verbs[request.command.verb]
        try:
            if refusal := await self.rate_limit(request):
                return refusal_card(refusal)
            assert verb.handle, "acknowledged as the whole answer"
            card = await verb.handle(self, request, self._allowed(request), on_progress)
            return await self._resumed(request.channel, card)
        except (*PARSE_ERRORS, *READ_ERRORS) as error:
            return refusal_card(str(error))
        except StoreUnavailable:
            return refusal_card(STORE_UNAVAILABLE)
        except Exception:
            log.exception("command failed", platform=request.channel.platform, channel=request.channel.id)
            return internal_error_card()

    def acknowledge_check(self, _request: ChatRequest, command: CheckCommand) -> Card:
        return checking_card(command.requests)

    async def check(self, request: ChatRequest, command: CheckCommand, on_progress: ProgressCallback) -> Card:
        charged_to = f"{request.channel.platform}/{request.channel.workspace}"
        expanded = await asyncio.gather(*(self.check_runner.expand(request) for request in command.requests))
        requests = [replace(each, charged_to=charged_to) for batch in expanded for each in batch]
        done = 0

        async def run_check(request: CheckRequest) -> Report:
            nonlocal done
            report = await self.check_runner.run(request, command.fresh)
            done += 1
            if len(requests) > 1:
                on_progress(progress_text(done, requests))
            return report

        reports = await asyncio.gather(*map(run_check, requests))
        if command.explained and len(reports) == 1 and (explanation := explain(reports[0])):
            return explanation_card(explanation)
        return report_card(reports[0], command.with_tree) if len(reports) == 1 else reports_card(reports)

    def watching(self, channel: Channel) -> WatchCommands:
        """Raises BadCommand where this bot keeps no watches, or has no channel to alert."""
        if self.watch_commands is None:
            raise BadCommand(WATCHES_DISABLED)
        if not self.watch_commands.alerts_in(channel):
            raise self.watch_commands.no_channel()
        return self.watch_commands

    def help(self, request: ChatRequest, _none: None) -> Card:
        alerts = self.watch_commands is not None and self.watch_commands.alerts_in(request.channel)
        return help_card(self.verbs.usages_in(alerts))

    async def _resumed(self, channel: Channel, card: Card) -> Card:
        """The card of a command that succeeded; the watches of its channel are no longer paused."""
        with suppress(StoreUnavailable):  # the command was carried out all the same
            if self.watch_commands and self.watch_commands.alerts_in(channel) and await self.on_channel_joined(channel):
                return replace(card, footnote=" · ".join(filter(None, (card.footnote, RESUMED))))
        return card

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

    def _allowed(self, request: ChatRequest) -> Any:
        """The arguments. Raises BadCommand where they were refused, or where the user may not change anything."""
        arguments = request.command.arguments
        if isinstance(arguments, Refusal):
            raise BadCommand(arguments.sentence)
        if request.is_external and self.verbs.changes(request.command):
            raise BadCommand(EXTERNAL_USER)
        return arguments


async def _no_limit() -> str:
    return ""
