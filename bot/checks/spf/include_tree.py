"""Include tree: every record under a domain, the DNS lookups it can need, and dead names.

An evaluation stops at its first match and its first error. The include tree covers every record
that include and redirect refer to, counts past the limits of RFC 7208, and looks up all names.

`tree_rows` renders it as rows: the cost of each term, and where the ten lookups are used up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate, islice
from typing import Any

from bot.checks.finding_codes import Problem
from bot.checks.near_miss import SPF, NearMiss, find_near_miss
from bot.checks.spf.dns_session import BudgetExceeded, DnsSession, Query
from bot.checks.spf.macros import BadSyntax, MacroString, expand, is_queryable, to_name
from bot.checks.spf.phrases import TREE_NOTES
from bot.checks.spf.prefetch import mx_hosts
from bot.checks.spf.record import All, Directive, Exists, Hosts, Include, Network, Ptr, Record, is_spf, parse_record
from bot.checks.spf.result import MAX_LOOKUP_TERMS, MAX_NAMES
from bot.models import LookupFailed

UNBOUNDED = 1_000_000  # lookup count of a loop, and upper bound of all counts
MAX_RECORDS = 40  # four times as many records as the lookup limit allows
ADDRESS_RDTYPES = ("A", "AAAA")


@dataclass(frozen=True, slots=True)
class RecordNode:
    """What one domain publishes: its SPF records (one is valid), and the parsed record.

    `unanswered` is the reason of a DNS error, `error` a syntax error, `near_miss` a record that was
    meant as SPF and is none. `targets` are the names that the reachable
    directives refer to and `redirect_target` that of redirect, empty if absent or dependent on the
    sender. `alias` is the name whose owner publishes the records, if the domain is an alias (CNAME).
    """

    domain: str
    exists: bool = True
    alias: str = ""
    unanswered: str = ""
    texts: tuple[str, ...] = ()
    near_miss: NearMiss | None = None
    error: Problem | None = None
    record: Record = field(default_factory=Record)
    targets: tuple[str, ...] = ()
    redirect_target: str = ""

    @property
    def directives_with_targets(self) -> Iterable[tuple[Directive, str]]:
        """Reachable directives with their target names."""
        return zip(self.record.reachable, self.targets, strict=True)

    @property
    def children(self) -> tuple[str, ...]:
        """The domains whose records this one needs, as often as it needs them."""
        included = [
            target for directive, target in self.directives_with_targets if isinstance(directive.mechanism, Include)
        ]
        return tuple(filter(None, [*included, self.redirect_target]))

    @property
    def lookup_terms(self) -> int:
        """Number of terms of this record that need DNS if nothing matches (§4.6.4)."""
        directives = [
            directive for directive in self.record.reachable if not isinstance(directive.mechanism, All | Network)
        ]
        return len(directives) + (self.record.redirect is not None and self.record.default_directive is None)


@dataclass(frozen=True, slots=True)
class IncludeTree:
    """Every record under a domain, in the order read.

    `answers` holds the records by query, where DNS answered; `stop_reason` is set if the tree is
    incomplete.
    """

    domain: str
    nodes: Mapping[str, RecordNode]
    answers: Mapping[Query, tuple[str, ...]] = field(default_factory=dict)
    stop_reason: Problem | None = None

    @property
    def root(self) -> RecordNode:
        return self.nodes.get(self.domain, RecordNode(self.domain))

    @property
    def lookup_terms(self) -> int:
        """Number of terms that need DNS for a sender that nothing matches; UNBOUNDED for a loop."""
        return self.lookup_terms_under(self.domain)

    def lookup_terms_under(self, domain: str) -> int:
        """The same number for one of the records; 0 for one that was not read."""
        return _lookup_terms(domain, self.nodes, {})

    @property
    def depends_on_sender(self) -> bool:
        """Whether a record is named by macros of the sender, so that its lookups cannot be counted."""
        return any(isinstance(directive.mechanism, Include) and not target for _, directive, target in self.walk())

    def walk(self) -> Iterator[tuple[RecordNode, Directive, str]]:
        """Yield every directive with its target, in evaluation order; each record once."""
        yield from _walk(self.domain, self.nodes, set())

    def host_names(self, directive: Directive, target: str) -> list[str]:
        """Return the names whose addresses an `a` or `mx` compares with the sender's."""
        if not isinstance(directive.mechanism, Hosts) or not target:
            return []
        if directive.mechanism.name == "a":
            return [target]
        return [host for host in mx_hosts(self.answers.get((target, "MX"), ())) if is_queryable(host)]

    def dead_names(self, directive: Directive, target: str, rdtype: str) -> list[str]:
        """Return the names of a term without records for senders that need `rdtype` (A or AAAA).

        A DNS error does not count as dead.
        """
        queries = [(target, "A")] if isinstance(directive.mechanism, Exists) else [(target, "MX")]
        queries += [(host, rdtype) for host in self.host_names(directive, target)[:MAX_NAMES]]
        return [name for name, query_rdtype in queries if self.answers.get((name, query_rdtype)) == ()]


async def read_include_tree(domain: str, session: DnsSession) -> IncludeTree:
    """Read the tree level by level, then look up its names. Never raises."""
    nodes: dict[str, RecordNode] = {}
    answers: dict[Query, tuple[str, ...]] = {}
    stop_reason = None
    try:
        async with asyncio.timeout_at(session.deadline):
            await _read_nodes(domain, session, nodes)
            await _lookup_names(IncludeTree(domain, nodes, answers), session, answers)
    except BudgetExceeded as error:
        stop_reason = error.problem
    except TimeoutError:
        stop_reason = Problem("slow")
    return IncludeTree(domain, nodes, answers, stop_reason)


async def _read_nodes(domain: str, session: DnsSession, nodes: dict[str, RecordNode]) -> None:
    level = [domain]
    while level:
        if len(nodes) + len(level) > MAX_RECORDS:
            raise BudgetExceeded("records", count=MAX_RECORDS, domain=domain)
        for name in level:
            session.start(name, "TXT")
        for name in level:
            nodes[name] = await _read_node(name, domain, session)
            for directive, target in islice(nodes[name].directives_with_targets, MAX_NAMES):
                _prefetch(directive, target, session)
        children = dict.fromkeys(child for name in level for child in nodes[name].children)
        level = [name for name in children if name not in nodes]


async def _read_node(domain: str, top: str, session: DnsSession) -> RecordNode:
    try:
        answer = await session.query(domain, "TXT")
    except LookupFailed as failure:
        return RecordNode(domain, unanswered=failure.reason)
    texts = tuple(text for text in answer.records if is_spf(text))
    alias = answer.aliases[-1].lower().rstrip(".") if answer.aliases else ""
    if len(texts) != 1:
        near_miss = None if texts else find_near_miss(answer.records, SPF)
        return RecordNode(domain, answer.exists, alias, texts=texts, near_miss=near_miss)
    try:
        record = parse_record(texts[0])
    except BadSyntax as error:
        return RecordNode(domain, alias=alias, texts=texts, error=error.problem)
    values = {"d": domain, "o": top}
    targets = tuple(_target(directive, values) for directive in record.reachable)
    redirect_target = _name(record.redirect, values) if record.redirect and record.default_directive is None else ""
    return RecordNode(domain, alias=alias, texts=texts, record=record, targets=targets, redirect_target=redirect_target)


def _target(directive: Directive, values: Mapping[str, str]) -> str:
    mechanism = directive.mechanism
    return _name(mechanism.domain, values) if isinstance(mechanism, Include | Hosts | Exists | Ptr) else ""


def _name(domain: MacroString | None, values: Mapping[str, str]) -> str:
    """Expand the name that a term refers to; empty if it depends on the sender."""
    if domain is None:
        return values["d"]
    name = to_name(expand(domain, values)).lower() if domain.variables <= values.keys() else ""
    return name if is_queryable(name) else ""


async def _lookup_names(include_tree: IncludeTree, session: DnsSession, answers: dict[Query, tuple[str, ...]]) -> None:
    """Query in two batches: what the terms themselves need, then the addresses of MX hosts."""
    terms = [(directive, target) for _, directive, target in include_tree.walk() if target]
    queries = [(target, rdtype) for directive, target in terms for rdtype in _rdtypes(directive)]
    await _query_all(queries, session, answers)
    mx_queries = [
        (host, rdtype)
        for term in terms
        for host in include_tree.host_names(*term)[:MAX_NAMES]
        for rdtype in ADDRESS_RDTYPES
    ]
    await _query_all(mx_queries, session, answers)


def _prefetch(directive: Directive, target: str, session: DnsSession) -> None:
    for rdtype in _rdtypes(directive) if target else ():
        session.prefetch(target, rdtype)


def _rdtypes(directive: Directive) -> tuple[str, ...]:
    match directive.mechanism:
        case Hosts(name="mx"):
            return ("MX",)
        case Hosts():
            return ADDRESS_RDTYPES
        case Exists():
            return ("A",)
    return ()


async def _query_all(queries: Iterable[Query], session: DnsSession, answers: dict[Query, tuple[str, ...]]) -> None:
    missing = [query for query in dict.fromkeys(queries) if query not in answers]
    for query in missing:
        session.start(*query)
    for query in missing:
        try:
            answers[query] = (await session.query(*query)).records
        except LookupFailed:  # a DNS error does not make a name dead
            continue


def _walk(
    domain: str, nodes: Mapping[str, RecordNode], visited: set[str]
) -> Iterator[tuple[RecordNode, Directive, str]]:
    node = nodes.get(domain)
    if node is None or domain in visited:
        return
    visited.add(domain)
    for directive, target in node.directives_with_targets:
        yield node, directive, target
        if isinstance(directive.mechanism, Include):
            yield from _walk(target, nodes, visited)
    yield from _walk(node.redirect_target, nodes, visited)


def _lookup_terms(domain: str, nodes: Mapping[str, RecordNode], counts: dict[str, int]) -> int:
    """Count the terms of a record and all below it; UNBOUNDED if a record includes itself."""
    if domain not in nodes:
        return 0
    if domain not in counts:
        counts[domain] = UNBOUNDED
        node = nodes[domain]
        counts[domain] = min(
            UNBOUNDED, node.lookup_terms + sum(_lookup_terms(child, nodes, counts) for child in node.children)
        )
    return counts[domain]


MAX_ROWS = 24  # every row but the first costs a lookup, so the limit is passed well before the end


@dataclass(frozen=True, slots=True)
class TreeRow:
    """One row of the tree: a record, a term, or several plain terms.

    `depth` 0 is the domain itself. `cost` is the lookups of the row itself, `lookups` that with
    everything below it (None in a loop). `over` marks the row in which the limit is passed, `note`
    describes what is wrong there. The field names are JSON keys.
    """

    depth: int
    text: str
    cost: int
    lookups: int | None
    note: str = ""
    over: bool = False


def published(include_tree: IncludeTree) -> dict[str, Any]:
    """Return what was read as plain data: `records` by domain, `aliases` of domains, `hosts` and `own_records`.

    `hosts` holds the addresses that a term compares with the sender's, by its name and type: `mx example.com`.
    `own_records` are the texts of the domain itself that are, or were meant as, SPF; None where DNS did not answer.
    `unread` are domains without an answer.
    """
    hosts = {
        f"{directive.mechanism.name} {target}": [
            address
            for host in include_tree.host_names(directive, target)[:MAX_NAMES]
            for rdtype in ADDRESS_RDTYPES
            for address in include_tree.answers.get((host, rdtype), ())
        ]
        for _, directive, target in include_tree.walk()
        if isinstance(directive.mechanism, Hosts) and target
    }
    nodes = include_tree.nodes.values()
    return {
        "records": {node.domain: node.texts[0] for node in nodes if len(node.texts) == 1},
        "aliases": {node.domain: node.alias for node in nodes if node.alias},
        "hosts": hosts,
        "own_records": _own_records(include_tree),
        "unread": [node.domain for node in nodes if node.unanswered],
    }


def _own_records(include_tree: IncludeTree) -> list[str] | None:
    root = include_tree.nodes.get(include_tree.domain)
    if root is None or root.unanswered:
        return None
    near_miss = root.near_miss
    return list(root.texts) or ([near_miss.text] if near_miss and not near_miss.where else [])


def tree_rows(include_tree: IncludeTree) -> list[dict[str, Any]]:
    """Return the first rows as plain data, in evaluation order; none for a single record."""
    rows = list(islice(_record_rows(include_tree.domain, include_tree.domain, include_tree, (), set()), MAX_ROWS + 1))
    if len(rows) < 2:
        return []
    used = list(accumulate(row.cost for row in rows))
    over_index = next((index for index, total in enumerate(used) if total > MAX_LOOKUP_TERMS), None)
    marked = [replace(row, over=index == over_index) for index, row in enumerate(rows[:MAX_ROWS])]
    return [asdict(row) for row in (*marked, *[TreeRow(1, "…", 0, None, TREE_NOTES["more"])][: len(rows) - MAX_ROWS])]


def _record_rows(
    text: str, domain: str, include_tree: IncludeTree, ancestors: tuple[str, ...], rendered: set[str]
) -> Iterator[TreeRow]:
    """Yield the row of a record and those of its terms; a repeated record is not expanded again."""
    node, own = include_tree.nodes.get(domain), 1 if ancestors else 0
    total = include_tree.lookup_terms_under(domain)
    lookups = None if total >= UNBOUNDED else own + total
    if domain in ancestors or domain in rendered:
        note = TREE_NOTES["loop" if domain in ancestors else "repeated"]
        yield TreeRow(len(ancestors), text, own if lookups is None else lookups, lookups, note)
        return
    rendered.add(domain)
    yield TreeRow(len(ancestors), text, own, lookups, _node_note(node))
    if node:
        yield from _term_rows(node, include_tree, (*ancestors, domain), rendered)


def _term_rows(
    node: RecordNode, include_tree: IncludeTree, ancestors: tuple[str, ...], rendered: set[str]
) -> Iterator[TreeRow]:
    plain: list[str] = []
    for directive, target in node.directives_with_targets:
        if isinstance(directive.mechanism, All | Network):
            continue
        if isinstance(directive.mechanism, Include) and target:
            yield from _joined_row(plain, ancestors)
            yield from _record_rows(directive.text, target, include_tree, ancestors, rendered)
        elif note := _term_note(directive, target, include_tree):
            yield from _joined_row(plain, ancestors)
            yield TreeRow(len(ancestors), directive.text, 1, 1, note)
        else:
            plain.append(directive.text)
    yield from _joined_row(plain, ancestors)
    if node.record.redirect is not None and node.record.default_directive is None:
        redirect = f"redirect={node.record.redirect}"
        if node.redirect_target:
            yield from _record_rows(redirect, node.redirect_target, include_tree, ancestors, rendered)
        else:
            yield TreeRow(len(ancestors), redirect, 1, 1, TREE_NOTES["sender"])


def _joined_row(plain: list[str], ancestors: tuple[str, ...]) -> Iterable[TreeRow]:
    """Yield one row for the plain terms collected so far, and clear them."""
    if plain:
        yield TreeRow(len(ancestors), " ".join(plain), len(plain), len(plain))
        plain.clear()


def _term_note(directive: Directive, target: str, include_tree: IncludeTree) -> str:
    if isinstance(directive.mechanism, Include):
        return TREE_NOTES["sender"]
    return (
        TREE_NOTES["void"]
        if {*include_tree.dead_names(directive, target, "A")} & {*include_tree.dead_names(directive, target, "AAAA")}
        else ""
    )


def _node_note(node: RecordNode | None) -> str:
    if node is None:
        return TREE_NOTES["unread"]
    if node.unanswered:
        return TREE_NOTES["unanswered"]
    if node.error:
        return TREE_NOTES["syntax"]
    if not node.texts:
        return TREE_NOTES["no-record" if node.exists else "no-domain"]
    return TREE_NOTES["several"].format(count=len(node.texts)) if len(node.texts) > 1 else ""
