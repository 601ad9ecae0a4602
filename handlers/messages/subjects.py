"""What watches and their problems are called, and when things were."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import UTC, datetime

from bot.domains import shown
from bot.watching.model import Problem, Watch
from bot.watching.observations import BLOCKLIST
from handlers.messages.words import NAMES

NAMES_SHOWN = 8


def subject_of(watch: Watch) -> str:
    """`HQ egress (203.0.113.5 · example.com)`; without a name what stands in brackets."""
    network = watch.network
    address = str(network if watch.several else network.network_address) if network else ""
    subject = " · ".join(part for part in (address, shown(watch.domain) if watch.domain else "") if part)
    return f"{watch.name} ({subject})" if watch.name else subject


def when(at: datetime) -> str:
    """`24 Nov, 06:01 UTC`: people of one channel live in several time zones."""
    utc = at.astimezone(UTC)
    return f"{utc.day} {utc:%b, %H:%M} UTC"


def name_of_problem(problem: Problem) -> str:
    """The list's name, or that of the setting."""
    sight = problem.sight
    if sight.check == BLOCKLIST:
        return sight.name or sight.about
    return NAMES.get(sight.check, sight.check)


def what_is_wrong(problems: Sequence[Problem]) -> str:
    """`on Spamhaus ZEN`, `on 3 blocklists and a problem with SPF`."""
    lists = list(dict.fromkeys(name_of_problem(p) for p in problems if p.sight.check == BLOCKLIST))
    checks = list(dict.fromkeys(name_of_problem(p) for p in problems if p.sight.check != BLOCKLIST))
    on = f"on {lists[0]}" if len(lists) == 1 else f"on {len(lists)} blocklists" if lists else ""
    wrong = f"a problem with {' and '.join(checks)}" if checks else ""
    return " and ".join(part for part in (on, wrong) if part)


def named(problems: Sequence[Problem]) -> str:
    """`Spamhaus ZEN at 203.0.113.5, Barracuda at 3 addresses, reverse name`."""
    places: dict[str, set[str]] = {}
    for problem in problems:
        places.setdefault(name_of_problem(problem), set()).add(problem.sight.address)
    said = [f"{name}{_at(addresses - {''})}" for name, addresses in places.items()]
    more = f" and {len(said) - NAMES_SHOWN} more" if len(said) > NAMES_SHOWN else ""
    return ", ".join(said[:NAMES_SHOWN]) + more


def _at(addresses: Set[str]) -> str:
    return f" at {len(addresses)} addresses" if len(addresses) > 1 else "".join(f" at {one}" for one in addresses)
