"""Watching put together: the register, the sweep over it, and the first look of a new watch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.assembly import MailWing, now
from bot.metrics import Metrics
from bot.model import Report
from bot.store.client import Store
from bot.watching.lists import Used
from bot.watching.look import first_look, for_watching
from bot.watching.model import Watch
from bot.watching.rations import Rationed, Rations
from bot.watching.register import Register
from bot.watching.sweep import Sweep, rules_of


@dataclass(frozen=True, slots=True)
class Rounds:
    """`register` is for the rounds, `for_people` gives up sooner; both keep the same watches.

    `first_look` takes the reports of a watch that somebody wants; `budgets` is what the watches used of each list today.
    """

    register: Register
    for_people: Register
    sweep: Sweep
    first_look: Callable[[Watch], Awaitable[Sequence[Report]]]
    budgets: Callable[[], Awaitable[Sequence[Used]]]


def rounds(wing: MailWing, store: Store) -> Rounds:
    register, for_people = Register(store.worker, now), Register(store.interactive, now)
    rations = Rations(register.sweeping, wing.zones, now)
    looks = for_watching(
        wing.checkup,
        Rationed(wing.resolver.sweeping(), rations),
        Rationed(wing.resolver.sweeping(fresh=True), rations),
    )
    by_hand = for_watching(wing.checkup, wing.resolver.sweeping(), wing.resolver.sweeping(fresh=True))

    async def look(watch: Watch) -> Sequence[Report]:
        return await first_look(watch, by_hand)

    return Rounds(
        register, for_people, Sweep(register, looks, now, rules_of(wing.settings, wing.zones)), look, rations.used
    )


async def measure(register: Register, metrics: Metrics, at: datetime) -> None:
    """How the watches of all processes are doing. Raises StoreUnavailable."""
    metrics.overdue.set(await register.watches.overdue_s(at.timestamp()))
    metrics.waiting.set(len(await register.rooms()))
    metrics.held.set(len(await register.quarantined()))
