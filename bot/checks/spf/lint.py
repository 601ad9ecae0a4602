"""Lint of the SPF records of a domain, regardless of sender: one rule per function. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bot.checks.lookups import organizational_domain
from bot.checks.spf.allowed_networks import AllowedNetwork, allowed_networks, ipv4_addresses, trusted
from bot.checks.spf.include_tree import UNBOUNDED, IncludeTree, RecordNode, published, tree_rows
from bot.checks.spf.messages import CODES
from bot.checks.spf.phrases import AT_LEAST, PROBLEMS
from bot.checks.spf.record import All, Network, Ptr
from bot.checks.spf.result import MAX_LOOKUP_TERMS, MAX_NAMES, MAX_VOID_LOOKUPS, join_names
from bot.checks.spf.skipped_terms import skipped_terms
from bot.inputs.domain_names import display_domain, quoted
from bot.models import Finding

MAX_RECORD_BYTES = 450  # RFC 7208 §3.4: a longer record may not fit into one UDP response
WIDE_ADDRESSES = 2**22  # a /10; the largest mail services list about a tenth of that
WIDE_PREFIX_V6 = 20  # registries give a provider at most about a /20
HALF_OF_IPV4 = 2**31
MAX_RECORD_CHARS = 2000  # characters of a record in a finding's facts
SHOWN_NAMES = frozenset({"domain", "where", "parent"})
Findings = Iterator[Finding]


def lint(include_tree: IncludeTree) -> list[Finding]:
    """Return the findings about a domain, worst rules first, or one spf.valid-record.

    The first has the include tree and what was read in its facts.
    """
    for rule in FINAL_RULES:
        if findings := list(rule(include_tree)):
            return [finding._replace(facts={**finding.facts, **published(include_tree)}) for finding in findings]
    first, *others = [finding for rule in RULES for finding in rule(include_tree)] or [_valid(include_tree)]
    facts = {**first.facts, "tree": tree_rows(include_tree), **published(include_tree)}
    return [first._replace(facts=facts), *others]


def lookup_count(include_tree: IncludeTree) -> str:
    """Return the number of DNS lookups as text, a lower bound if not all records could be read."""
    count = str(include_tree.lookup_terms)
    is_bound = include_tree.stop_reason or include_tree.depends_on_sender
    return AT_LEAST.format(count=count) if is_bound else count


def _finding(include_tree: IncludeTree, code: str, variant: str = "", **values: object) -> Finding:
    text = CODES[code].variant(variant)
    near_miss = include_tree.root.near_miss
    published_text = next(iter(include_tree.root.texts), near_miss.text if near_miss else "")
    facts = {
        "record": published_text[:MAX_RECORD_CHARS] or None,
        "lookups": None if include_tree.lookup_terms >= UNBOUNDED else include_tree.lookup_terms,
        "path": list(include_tree.nodes),
        "where": values.get("where", values.get("parent", values.get("domain", include_tree.domain))),
    }
    names = {"domain": include_tree.domain, **values}
    filled = text.fill(
        {key: display_domain(str(value)) if key in SHOWN_NAMES else value for key, value in names.items()}
    )
    return Finding("spf", include_tree.domain, text.verdict, code, *filled, facts)


def _no_answer(include_tree: IncludeTree) -> Findings:
    if include_tree.domain not in include_tree.nodes or include_tree.root.unanswered:
        reason = include_tree.root.unanswered or "timeout"
        yield _finding(include_tree, "spf.no-answer", where=include_tree.domain, reason=reason)


def _missing(include_tree: IncludeTree) -> Findings:
    node = include_tree.root
    if node.texts:
        return
    if not node.exists:
        yield _finding(include_tree, "spf.no-such-domain")
    else:
        variant = "near-miss" if node.near_miss else ""
        problem = node.near_miss.phrase(node.domain) if node.near_miss else ""
        yield _finding(include_tree, "spf.missing-record", variant, problem=problem)


def _multiple(include_tree: IncludeTree) -> Findings:
    for node in include_tree.nodes.values():
        if len(node.texts) > 1:
            yield _finding(include_tree, "spf.multiple-records", domain=node.domain, count=len(node.texts))


def _syntax(include_tree: IncludeTree) -> Findings:
    for node in include_tree.nodes.values():
        if node.error:
            yield _finding(include_tree, "spf.syntax-error", domain=node.domain, problem=node.error.phrase(PROBLEMS))


def _missing_includes(include_tree: IncludeTree) -> Findings:
    for node in include_tree.nodes.values():
        if node is not include_tree.root and not node.texts and not node.unanswered:
            parent = next(
                candidate.domain for candidate in include_tree.nodes.values() if node.domain in candidate.children
            )
            yield _finding(include_tree, "spf.missing-include", domain=node.domain, parent=parent)


def _lookups(include_tree: IncludeTree) -> Findings:
    if include_tree.lookup_terms > MAX_LOOKUP_TERMS:
        variant = "loop" if include_tree.lookup_terms >= UNBOUNDED else ""
        yield _finding(include_tree, "spf.too-many-lookups", variant, count=lookup_count(include_tree))


def _too_many_hosts(include_tree: IncludeTree) -> Findings:
    host_names = {
        target
        for _, directive, target in include_tree.walk()
        if len(include_tree.host_names(directive, target)) > MAX_NAMES
    }
    for name in sorted(host_names):
        yield _finding(include_tree, "spf.too-many-hosts", names=name)


def _allows_everyone(include_tree: IncludeTree) -> Findings:
    allowed = list(allowed_networks(include_tree))
    whole = [(network.where, network.term) for network in allowed if network.network.prefixlen == 0]
    domains = trusted(include_tree)
    whole += [
        (node.domain, directive.text)
        for node, directive, _ in include_tree.walk()
        if node.domain in domains and directive.qualifier == "+" and isinstance(directive.mechanism, All)
    ]
    for where, term in dict.fromkeys(whole):
        yield _finding(include_tree, "spf.allows-everyone", where=where, text=quoted(term))
    if not whole:
        yield from _wide_networks(include_tree, allowed)


def _wide_networks(include_tree: IncludeTree, allowed: list[AllowedNetwork]) -> Findings:
    addresses = ipv4_addresses(network.network for network in allowed)
    millions = {"count": round(addresses / 1_000_000)}
    if addresses >= HALF_OF_IPV4:
        yield _finding(include_tree, "spf.allows-everyone", "sum", **millions)
        return
    wide = {(network.where, network.term): network.network for network in allowed if _is_wide(network)}
    for (where, term), network in wide.items():
        values = {"where": where, "term": quoted(term), "count": round(network.num_addresses / 1_000_000)}
        yield _finding(include_tree, "spf.wide-network", "ipv6" if network.version == 6 else "", **values)
    if not wide and addresses >= WIDE_ADDRESSES:
        yield _finding(include_tree, "spf.wide-network", "sum", **millions)


def _is_wide(allowed: AllowedNetwork) -> bool:
    network = allowed.network
    return network.prefixlen <= WIDE_PREFIX_V6 if network.version == 6 else network.num_addresses >= WIDE_ADDRESSES


def _skipped_terms(include_tree: IncludeTree) -> Findings:
    """Of the domain's own records: what a provider's record skips changes nothing for the domain."""
    organization = organizational_domain(include_tree.domain)
    for node in include_tree.nodes.values():
        if organizational_domain(node.alias or node.domain) == organization:
            for skipped in skipped_terms(node.record):
                values = {"where": node.domain, "term": quoted(skipped.term), **skipped.values}
                yield _finding(include_tree, "spf.skipped-term", skipped.variant, **values)


def _voids(include_tree: IncludeTree) -> Findings:
    dead_names = sorted(_dead(include_tree, "A") & _dead(include_tree, "AAAA"))
    if len(dead_names) > MAX_VOID_LOOKUPS:
        yield _finding(include_tree, "spf.too-many-voids", names=join_names(dead_names))
        return
    for name in dead_names:
        where, terms = _terms_naming(include_tree, name)
        yield _finding(include_tree, "spf.dead-name", names=name, where=where, term=terms)
    if ipv6_names := _before_ipv6(include_tree):
        yield _finding(include_tree, "spf.ipv6-voids", names=join_names(ipv6_names))


def _dead(include_tree: IncludeTree, rdtype: str) -> set[str]:
    return {
        name
        for _, directive, target in include_tree.walk()
        for name in include_tree.dead_names(directive, target, rdtype)
    }


def _terms_naming(include_tree: IncludeTree, name: str) -> tuple[str, str]:
    """Return the first record with terms that look a dead name up, and these terms as published."""
    terms = [
        (node.domain, quoted(directive.text))
        for node, directive, target in include_tree.walk()
        if name in include_tree.dead_names(directive, target, "A")
    ]
    where = terms[0][0]
    return where, join_names(list(dict.fromkeys(text for domain, text in terms if domain == where)))


def _before_ipv6(include_tree: IncludeTree) -> list[str]:
    """Return the names that cost an IPv6 sender void lookups before any ip6 term."""
    dead_names: list[str] = []
    for _, directive, target in include_tree.walk():
        mechanism = directive.mechanism
        if isinstance(mechanism, Network) and mechanism.network.version == 6 and len(dead_names) > MAX_VOID_LOOKUPS:
            return list(dict.fromkeys(dead_names))
        dead_names += include_tree.dead_names(directive, target, "AAAA")
    return []


def _default(include_tree: IncludeTree) -> Findings:
    node = _default_node(include_tree)
    default = node.record.default_directive
    if node.error or len(node.texts) != 1:
        return
    if default is None and node.record.redirect is None:
        yield _finding(include_tree, "spf.no-default", where=node.domain)
    elif default and default.qualifier == "?":
        yield _finding(include_tree, "spf.neutral-default", where=node.domain)


def _ptr(include_tree: IncludeTree) -> Findings:
    for node in include_tree.nodes.values():
        if any(isinstance(directive.mechanism, Ptr) for directive in node.record.reachable):
            yield _finding(include_tree, "spf.uses-ptr", where=node.domain)


def _long_record(include_tree: IncludeTree) -> Findings:
    for node in include_tree.nodes.values():
        size = len(node.texts[0].encode()) if len(node.texts) == 1 else 0
        if size > MAX_RECORD_BYTES:
            yield _finding(include_tree, "spf.long-record", where=node.domain, size=size)


def _incomplete(include_tree: IncludeTree) -> Findings:
    for node in include_tree.nodes.values():
        if node.unanswered:
            yield _finding(include_tree, "spf.no-answer", where=node.domain, reason=node.unanswered)
    if include_tree.stop_reason:
        yield _finding(include_tree, "spf.no-answer", "stopped", problem=include_tree.stop_reason.phrase(PROBLEMS))


FINAL_RULES: tuple[Callable[[IncludeTree], Findings], ...] = (_no_answer, _missing)
RULES: tuple[Callable[[IncludeTree], Findings], ...] = (
    _multiple,
    _syntax,
    _missing_includes,
    _lookups,
    _too_many_hosts,
    _allows_everyone,
    _skipped_terms,
    _voids,
    _default,
    _ptr,
    _long_record,
    _incomplete,
)


def _valid(include_tree: IncludeTree) -> Finding:
    default = _default_node(include_tree).record.default_directive
    variant = default.qualifier if default else ""
    if default and variant == "-" and include_tree.root.record.reachable == (default,):
        variant = "no-sender"
    return _finding(include_tree, "spf.valid-record", variant, count=lookup_count(include_tree))


def _default_node(include_tree: IncludeTree) -> RecordNode:
    """Return the record whose `all` applies when nothing matches, over the redirects read."""
    node, visited = include_tree.root, {include_tree.domain}
    while node.redirect_target in include_tree.nodes and node.redirect_target not in visited:
        visited.add(node.redirect_target)
        node = include_tree.nodes[node.redirect_target]
    return node
