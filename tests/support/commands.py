"""The verbs as they are in service, over a world of which a test says what is seen in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from datetime import UTC, datetime

from bot.check_runner import Check, Checkup
from bot.models import Finding, Lookup, Order, Report, Verdict
from bot.monitoring.models import Watch
from bot.monitoring.poll import first_look
from bot.monitoring.repository import Register
from handlers.commands import Commands, Watching
from handlers.message import Card
from handlers.ports import Speaking
from tests.support.memory_repository import KeptInMemory
from tests.support.reports import listing
from tests.support.stored_watches import Clock

LISTS = 62


async def mail_is_fine(order: Order, _lookup: Lookup, /) -> Sequence[Finding]:
    return [Finding("mx", str(order.target), Verdict.PASS, "mx.ok", "It is right.", facts={"exchanges": []})]


def verbs(
    kept: KeptInMemory | Register,
    platforms: Mapping[str, Speaking],
    clock: Clock,
    lookup: Lookup,
    listed: Set[str] = frozenset(),
    sees: Check | None = None,
) -> Commands:
    """A check finds what `sees` does, and so does the first look of a watch; without it mail is fine, and the first look
    finds only the addresses in `listed` on a list."""

    async def look(watch: Watch) -> Sequence[Report]:
        def report(order: Order) -> Report:
            state = ("listed", Verdict.FAIL) if str(order.target.ip) in listed else ("not_listed", Verdict.PASS)
            return Report(order, clock(), (listing("Spamhaus ZEN", state[1], state[0]),), 1, 1)

        return [report(Order(target, watch.role)) for target in watch.targets]

    async def health() -> Card:
        return Card("the lists")

    checks = (("mx", sees or mail_is_fine),)
    checkup = Checkup(checks, frozenset(), lookup, lookup, lambda: datetime.now(UTC), special_allowed=True)
    taken = (lambda watch: first_look(watch, checkup)) if sees else look
    watching = Watching(kept, kept, taken, lookup, platforms, clock, special_allowed=True)
    return Commands(checkup, lambda _: LISTS, health, watching=watching)
