"""What watches and their problems are called, and when things were.

Problems of a watch in lines and in a table: what is wrong, where and since when, what is gone, and what nobody knows.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address

from bot.inputs.domain_names import shown
from bot.monitoring.models import Problem, Severity, Watch, each_once
from bot.monitoring.observations import BLOCKLIST
from handlers.message import Line, Table, Tone
from handlers.messages.formatting import NAMES, count

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


Address = IPv4Address | IPv6Address

PROBLEMS_SHOWN = 8
NAMES_IN_A_ROW = 3
SEVERITIES = list(Severity)
TONES = {Severity.HIGH: Tone.BAD, Severity.MEDIUM: Tone.WARN, Severity.LOW: Tone.PLAIN, Severity.NONE: Tone.PLAIN}


def lines_of(watch: Watch, problems: Sequence[Problem], step: str = "") -> list[Line]:
    """Each problem once; of a range, whose addresses stand in a table, one example for each list."""
    alike: dict[tuple[str, ...], list[Problem]] = {}
    for problem in each_once(problems):
        sight = problem.sight
        place = () if watch.several else (sight.address, sight.says)
        alike.setdefault((sight.check, sight.about, sight.sublist, *place), []).append(problem)
    shown = [_line(found[0], step, others=len(found) - 1) for found in list(alike.values())[:PROBLEMS_SHOWN]]
    more = len(alike) - len(shown)
    return [*shown, Line(f"{count(more, 'more problem')}.")] if more else shown


def _line(problem: Problem, but: str, others: int) -> Line:
    sight = problem.sight
    changed = f"{sight.was} → {sight.value or 'nothing'}" if sight.was and sight.was != sight.value else ""
    the_same = f"The same at {count(others, 'more address')}." if others else ""
    detail = " ".join(filter(None, (the_same, "" if sight.step == but else sight.step)))
    return Line(
        sight.says or f"{name_of_problem(problem)} reports a problem.",
        TONES[sight.severity],
        detail,
        sight.text or changed,
    )


def by_address(problems: Sequence[Problem]) -> Table | None:
    """A row for each address, or for several in a row of which the same is true."""
    found: dict[Address, list[Problem]] = {}
    for problem in problems:
        if problem.sight.address:
            found.setdefault(ip_address(problem.sight.address), []).append(problem)
    rows: list[tuple[Address, Address, tuple[str, str]]] = []
    for address in sorted(found, key=lambda address: (address.version, int(address))):
        said = _at_one(found[address])
        if rows and said == rows[-1][2] and int(address) == int(rows[-1][1]) + 1:
            rows[-1] = rows[-1][0], address, said
        else:
            rows.append((address, address, said))
    cells = ((str(first) if first == last else f"{first} – {last}", *said) for first, last, said in rows)
    return Table(("Address", "Where", "Since"), tuple(cells)) if rows else None


def _at_one(problems: Sequence[Problem]) -> tuple[str, str]:
    """What is wrong at one address, and since when."""
    names = list(dict.fromkeys(map(name_of_problem, problems)))
    more = [f"{len(names) - NAMES_IN_A_ROW} more"] if len(names) > NAMES_IN_A_ROW + 1 else []
    shown = names[:NAMES_IN_A_ROW] if more else names
    return ", ".join((*shown, *more)), when(min(problem.since for problem in problems))


def gone(problems: Sequence[Problem]) -> list[Line]:
    return [Line(f"No longer: {named(problems)}.", Tone.GOOD)] if problems else []


def still(problems: Sequence[Problem]) -> list[Line]:
    return [Line(f"Still there: {named(problems)}.", Tone.WARN)] if problems else []


def known_before(problems: Sequence[Problem]) -> list[Line]:
    return [Line(f"Known before: {named(problems)}.")] if problems else []


def lost(problems: Sequence[Problem]) -> list[Line]:
    said = "not asked for a week, so it is not known whether it is still there"
    return [Line(f"{named(problems)}: {said}.", Tone.UNSURE)] if problems else []


def tone_of(problems: Sequence[Problem]) -> Tone:
    return TONES[min((p.sight.severity for p in problems), key=SEVERITIES.index, default=Severity.NONE)]


def weight(problem: Problem) -> tuple[int, datetime]:
    return SEVERITIES.index(problem.sight.severity), problem.since
