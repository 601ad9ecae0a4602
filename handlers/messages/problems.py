"""Problems of a watch in lines and in a table: what is wrong, where and since when, what is gone, and what nobody knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address

from bot.watching.model import Problem, Severity, Watch, each_once
from handlers.card import Line, Table, Tone
from handlers.messages.subjects import name_of_problem, named, when
from handlers.messages.words import count

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
