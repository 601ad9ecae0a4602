"""The whole tree of records under a domain, whoever sends: how many lookups it can take, and what is wrong where.

An evaluation stops at its first match and at its first error. A survey reads every record that include and redirect
lead to, counts past the limits of RFC 7208, and looks for names that lead to nothing.

The records under a domain as the rows of a tree: what each term costs, and where the ten lookups are used up. Pure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate, islice
from typing import Any

from bot.checks.spf.dns_session import Question, Session, Stopped
from bot.checks.spf.macros import BadSyntax, MacroString, askable, expand, to_name
from bot.checks.spf.prefetch import exchanges
from bot.checks.spf.record import All, Directive, Exists, Hosts, Include, Network, Ptr, Record, is_spf, parse_record
from bot.checks.spf.result import MOST_NAMES, MOST_TERMS
from bot.models import LookupFailed

ENDLESS = 1_000_000  # stands for a loop, and for any tree that is as good as one
MOST_PAGES = 40  # a record with that many under it is broken four times over
ADDRESSES = ("A", "AAAA")


@dataclass(frozen=True, slots=True)
class Page:
    """What one domain publishes: its SPF records (one is right), and the valid one taken apart.

    `failed` is the reason why DNS did not answer, `error` what breaks the grammar, `similar` a TXT record that was
    meant as SPF but does not start like it. `targets` are the names that the reachable directives point at and
    `hands_over` the one of redirect, empty where there is none or where it depends on who sends.
    """

    domain: str
    exists: bool = True
    failed: str = ""
    texts: tuple[str, ...] = ()
    similar: str = ""
    error: str = ""
    record: Record = field(default_factory=Record)
    targets: tuple[str, ...] = ()
    hands_over: str = ""

    @property
    def steps(self) -> Iterable[tuple[Directive, str]]:
        return zip(self.record.reachable, self.targets, strict=True)

    @property
    def leads_to(self) -> tuple[str, ...]:
        """The domains whose records this one needs, as often as it needs them."""
        included = [target for directive, target in self.steps if isinstance(directive.mechanism, Include)]
        return tuple(filter(None, [*included, self.hands_over]))

    @property
    def terms(self) -> int:
        """The terms of this record that ask DNS where nothing matches (§4.6.4)."""
        asking = [each for each in self.record.reachable if not isinstance(each.mechanism, All | Network)]
        return len(asking) + (self.record.redirect is not None and self.record.default is None)


@dataclass(frozen=True, slots=True)
class Survey:
    """Every page under a domain, in the order they were read.

    `found` are the answers to the questions of the terms, as far as DNS answered; `stopped` says why not everything was
    read.
    """

    domain: str
    pages: Mapping[str, Page]
    found: Mapping[Question, tuple[str, ...]] = field(default_factory=dict)
    stopped: str = ""

    @property
    def top(self) -> Page:
        return self.pages.get(self.domain, Page(self.domain))

    @property
    def terms(self) -> int:
        """The true number of terms that ask DNS, for a sender that nothing matches; ENDLESS for a loop."""
        return self.terms_under(self.domain)

    def terms_under(self, domain: str) -> int:
        """The same number for one of the pages; 0 for one that was not read."""
        return _count(domain, self.pages, {})

    def in_order(self) -> Iterator[tuple[Page, Directive, str]]:
        """Every directive with its target, in the order in which a receiver comes to it; each record once."""
        yield from _walk(self.domain, self.pages, set())

    def hosts(self, directive: Directive, target: str) -> list[str]:
        """The names whose addresses an `a` or `mx` compares with the sender's."""
        if not isinstance(directive.mechanism, Hosts) or not target:
            return []
        if directive.mechanism.name == "a":
            return [target]
        return [host for host in exchanges(self.found.get((target, "MX"), ())) if askable(host)]

    def dead(self, directive: Directive, target: str, kind: str) -> list[str]:
        """The names of a term that lead to nothing for senders who need `kind` (A or AAAA); no answer is not nothing."""
        questions = [(target, "A")] if isinstance(directive.mechanism, Exists) else [(target, "MX")]
        questions += [(host, kind) for host in self.hosts(directive, target)[:MOST_NAMES]]
        return [name for name, asked in questions if self.found.get((name, asked)) == ()]


async def survey(domain: str, session: Session) -> Survey:
    """Read the tree, level by level, then look for its names. Never raises."""
    pages: dict[str, Page] = {}
    found: dict[Question, tuple[str, ...]] = {}
    stopped = ""
    try:
        async with asyncio.timeout_at(session.deadline):
            await _read_pages(domain, session, pages)
            await _find_names(Survey(domain, pages, found), session, found)
    except (Stopped, TimeoutError) as stop:
        stopped = str(stop) or "The check stopped by itself because DNS was too slow."
    return Survey(domain, pages, found, stopped)


async def _read_pages(domain: str, session: Session, pages: dict[str, Page]) -> None:
    level = [domain]
    while level:
        if len(pages) + len(level) > MOST_PAGES:
            raise Stopped(f"More than {MOST_PAGES} SPF records hang together under {domain}; the rest was not read.")
        for name in level:
            session.begin(name, "TXT")
        for name in level:
            pages[name] = await _read_page(name, domain, session)
            for directive, target in islice(pages[name].steps, MOST_NAMES):
                _ask_early(directive, target, session)
        below = dict.fromkeys(child for name in level for child in pages[name].leads_to)
        level = [name for name in below if name not in pages]


async def _read_page(domain: str, top: str, session: Session) -> Page:
    try:
        answer = await session.ask(domain, "TXT")
    except LookupFailed as failure:
        return Page(domain, failed=failure.reason)
    texts = tuple(text for text in answer.records if is_spf(text))
    if len(texts) != 1:
        similar = next((text for text in answer.records if not texts and _looks_like_spf(text)), "")
        return Page(domain, answer.exists, texts=texts, similar=similar)
    try:
        record = parse_record(texts[0])
    except BadSyntax as error:
        return Page(domain, texts=texts, error=str(error))
    values = {"d": domain, "o": top}
    targets = tuple(_target(each, values) for each in record.reachable)
    hands_over = _name(record.redirect, values) if record.redirect and record.default is None else ""
    return Page(domain, texts=texts, record=record, targets=targets, hands_over=hands_over)


def _looks_like_spf(text: str) -> bool:
    start = text[:12].lower().strip("\"' ")
    return start.startswith(("v=spf", "v:spf", "v = spf", "spf1", "spf v"))


def _target(directive: Directive, values: Mapping[str, str]) -> str:
    mechanism = directive.mechanism
    return _name(mechanism.domain, values) if isinstance(mechanism, Include | Hosts | Exists | Ptr) else ""


def _name(domain: MacroString | None, values: Mapping[str, str]) -> str:
    """The name that a term points at, where it does not depend on who sends."""
    if domain is None:
        return values["d"]
    name = to_name(expand(domain, values)).lower() if domain.letters <= values.keys() else ""
    return name if askable(name) else ""


async def _find_names(seen: Survey, session: Session, found: dict[Question, tuple[str, ...]]) -> None:
    """Two rounds of questions: what the terms ask themselves, then the addresses of the mail servers."""
    steps = [(directive, target) for _, directive, target in seen.in_order() if target]
    first = [(target, kind) for directive, target in steps for kind in _kinds(directive)]
    await _ask_all(first, session, found)
    servers = [(host, kind) for step in steps for host in seen.hosts(*step)[:MOST_NAMES] for kind in ADDRESSES]
    await _ask_all(servers, session, found)


def _ask_early(directive: Directive, target: str, session: Session) -> None:
    for kind in _kinds(directive) if target else ():
        session.want(target, kind)


def _kinds(directive: Directive) -> tuple[str, ...]:
    match directive.mechanism:
        case Hosts(name="mx"):
            return ("MX",)
        case Hosts():
            return ADDRESSES
        case Exists():
            return ("A",)
    return ()


async def _ask_all(questions: Iterable[Question], session: Session, found: dict[Question, tuple[str, ...]]) -> None:
    new = [question for question in dict.fromkeys(questions) if question not in found]
    for question in new:
        session.begin(*question)
    for question in new:
        try:
            found[question] = (await session.ask(*question)).records
        except LookupFailed:  # neither alive nor dead
            continue


def _walk(domain: str, pages: Mapping[str, Page], seen: set[str]) -> Iterator[tuple[Page, Directive, str]]:
    page = pages.get(domain)
    if page is None or domain in seen:
        return
    seen.add(domain)
    for directive, target in page.steps:
        yield page, directive, target
        if isinstance(directive.mechanism, Include):
            yield from _walk(target, pages, seen)
    yield from _walk(page.hands_over, pages, seen)


def _count(domain: str, pages: Mapping[str, Page], known: dict[str, int]) -> int:
    """Terms of a page and of all below it. A page that is met again on the way down is a loop: it has no number."""
    if domain not in pages:
        return 0
    if domain not in known:
        known[domain] = ENDLESS
        page = pages[domain]
        known[domain] = min(ENDLESS, page.terms + sum(_count(child, pages, known) for child in page.leads_to))
    return known[domain]


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
