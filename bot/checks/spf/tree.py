"""The records under a domain as the rows of a tree: what each term costs, and where the ten lookups are used up. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import accumulate, islice
from typing import Any

from bot.checks.spf.evaluation import MOST_TERMS
from bot.checks.spf.record import All, Directive, Include, Network
from bot.checks.spf.survey import ENDLESS, Page, Survey

MOST_ROWS = 24  # every row but the first costs a lookup, so the limit is passed long before the end
NOTHING_THERE = "leads to nothing"


@dataclass(frozen=True, slots=True)
class Row:
    """One term, or several plain ones in a row; `depth` 0 is the domain itself.

    `cost` is what the row takes itself, `lookups` that with everything below it (None in a circle). `over` marks the row
    in which the limit is passed, and `note` says what is wrong there.
    """

    depth: int
    text: str
    cost: int
    lookups: int | None
    note: str = ""
    over: bool = False


def tree(survey: Survey) -> list[dict[str, Any]]:
    """The first rows of the tree as plain data, in the order in which a receiver comes to them; none for a bare record."""
    rows = list(islice(_below(survey.domain, survey.domain, survey, (), set()), MOST_ROWS + 1))
    if len(rows) < 2:
        return []
    used = list(accumulate(row.cost for row in rows))
    first_over = next((at for at, number in enumerate(used) if number > MOST_TERMS), None)
    marked = [replace(row, over=at == first_over) for at, row in enumerate(rows[:MOST_ROWS])]
    return [asdict(row) for row in (*marked, *[Row(1, "…", 0, None, "and more")][: len(rows) - MOST_ROWS])]


def _below(text: str, domain: str, survey: Survey, above: tuple[str, ...], drawn: set[str]) -> Iterator[Row]:
    """The row of a record and those of its terms. A record that stands in the tree already is not drawn again."""
    page, own = survey.pages.get(domain), 1 if above else 0
    total = survey.terms_under(domain)
    lookups = None if total >= ENDLESS else own + total
    if domain in above or domain in drawn:
        note = "leads back: a circle" if domain in above else "as above"
        yield Row(len(above), text, own if lookups is None else lookups, lookups, note)
        return
    drawn.add(domain)
    yield Row(len(above), text, own, lookups, _trouble(page))
    if page:
        yield from _terms(page, survey, (*above, domain), drawn)


def _terms(page: Page, survey: Survey, above: tuple[str, ...], drawn: set[str]) -> Iterator[Row]:
    plain: list[str] = []
    for directive, target in page.steps:
        if isinstance(directive.mechanism, All | Network):
            continue
        if isinstance(directive.mechanism, Include) and target:
            yield from _together(plain, above)
            yield from _below(directive.text, target, survey, above, drawn)
        elif note := _note(directive, target, survey):
            yield from _together(plain, above)
            yield Row(len(above), directive.text, 1, 1, note)
        else:
            plain.append(directive.text)
    yield from _together(plain, above)
    if page.record.redirect is not None and page.record.default is None:
        redirect = f"redirect={page.record.redirect}"
        if page.hands_over:
            yield from _below(redirect, page.hands_over, survey, above, drawn)
        else:
            yield Row(len(above), redirect, 1, 1, "depends on the sender")


def _together(plain: list[str], above: tuple[str, ...]) -> Iterable[Row]:
    """One row for the terms gathered so far, which are forgotten."""
    if plain:
        yield Row(len(above), " ".join(plain), len(plain), len(plain))
        plain.clear()


def _note(directive: Directive, target: str, survey: Survey) -> str:
    if isinstance(directive.mechanism, Include):
        return "depends on the sender"
    return NOTHING_THERE if {*survey.dead(directive, target, "A")} & {*survey.dead(directive, target, "AAAA")} else ""


def _trouble(page: Page | None) -> str:
    if page is None:
        return "not read"
    if page.failed:
        return "no answer"
    if page.error:
        return "breaks the grammar"
    if not page.texts:
        return "no SPF record" if page.exists else "does not exist"
    return f"{len(page.texts)} records" if len(page.texts) > 1 else ""
