"""Command router as in production, with checks and first polls under test control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from datetime import UTC, datetime

from bot.check_runner import CheckRunner
from bot.checks.registry import CheckSpec
from bot.models import Check, CheckRequest, Finding, Lookup, Report, Verdict
from bot.monitoring.models import Watch
from bot.monitoring.poll import run_first_poll
from bot.monitoring.repository import RedisRepository
from handlers.commands import VERBS, CommandRouter, WatchCommands
from handlers.message import Card
from handlers.ports import MessagePoster
from tests.support.memory_repository import InMemoryRepository
from tests.support.parsing import pasted_text_commands
from tests.support.reports import listing
from tests.support.stored_watches import Clock


async def mail_is_fine(request: CheckRequest, _lookup: Lookup, /) -> Sequence[Finding]:
    return [Finding("mx", str(request.target), Verdict.PASS, "mx.ok", "It is right.", facts={"exchanges": []})]


def build_commands(
    store: InMemoryRepository | RedisRepository,
    platforms: Mapping[str, MessagePoster],
    clock: Clock,
    lookup: Lookup,
    listed: Set[str] = frozenset(),
    check: Check | None = None,
) -> CommandRouter:
    """Build the router.

    With `check`, checks and first polls run it. Without, checks pass, and first polls report only
    the addresses in `listed` as listed.
    """

    async def fake_first_poll(watch: Watch) -> Sequence[Report]:
        def report(request: CheckRequest) -> Report:
            state = ("listed", Verdict.FAIL) if str(request.target.ip) in listed else ("not_listed", Verdict.PASS)
            return Report(request, clock(), (listing("Spamhaus ZEN", state[1], state[0]),), 1, 1)

        return [report(CheckRequest(target, watch.role)) for target in watch.targets]

    async def health() -> Card:
        return Card("the lists")

    checks = (CheckSpec("mx", "MX", 1, check or mail_is_fine),)
    runner = CheckRunner(checks, lookup, lookup, lambda: datetime.now(UTC), allow_special=True)
    first_poll = (lambda watch: run_first_poll(watch, runner)) if check else fake_first_poll
    watch_commands = WatchCommands(store, store, first_poll, lookup, platforms, clock, allow_special=True)
    return CommandRouter(VERBS, runner, health, watch_commands=watch_commands, pasted_text=pasted_text_commands())
