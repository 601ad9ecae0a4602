"""Lint of the SPF records of a domain, regardless of sender: one rule per function. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bot.checks.spf.include_tree import UNBOUNDED, IncludeTree, RecordNode, tree_rows
from bot.checks.spf.record import All, Directive, Network, Ptr
from bot.checks.spf.result import MAX_LOOKUP_TERMS, MAX_NAMES, MAX_VOID_LOOKUPS, join_names
from bot.inputs.domain_names import quoted
from bot.models import Finding, Verdict

MAX_RECORD_BYTES = 450  # RFC 7208 §3.4: a longer record may not fit into one UDP response
MAX_RECORD_CHARS = 2000  # characters of a record in a finding's facts
DEFAULTS = {"-": "every other sender is refused", "~": "every other sender is marked as suspicious"}
Findings = Iterator[Finding]


def lint(include_tree: IncludeTree) -> list[Finding]:
    """Return the findings about a domain, worst rules first, or one spf.valid-record.

    The first has the include tree in its facts.
    """
    for rule in FINAL_RULES:
        if findings := list(rule(include_tree)):
            return findings
    first, *others = [finding for rule in RULES for finding in rule(include_tree)] or [_valid(include_tree)]
    return [first._replace(facts={**first.facts, "tree": tree_rows(include_tree)}), *others]


def _finding(include_tree: IncludeTree, verdict: Verdict, code: str, summary: str, remediation: str = "") -> Finding:
    facts = {
        "record": include_tree.root.texts[0][:MAX_RECORD_CHARS] if include_tree.root.texts else None,
        "lookups": None if include_tree.lookup_terms >= UNBOUNDED else include_tree.lookup_terms,
        "path": list(include_tree.nodes),
    }
    return Finding("spf", include_tree.domain, verdict, code, summary, remediation, facts)


def _no_answer(include_tree: IncludeTree) -> Findings:
    if include_tree.domain not in include_tree.nodes or include_tree.root.unanswered:
        summary = (
            f"DNS gave no answer about the SPF record of {include_tree.domain} "
            f"({include_tree.root.unanswered or 'timeout'})."
        )
        yield _finding(include_tree, Verdict.UNKNOWN, "spf.no-answer", summary, "Check again in a few minutes.")


def _missing(include_tree: IncludeTree) -> Findings:
    domain, node = include_tree.domain, include_tree.root
    if node.texts:
        return
    if not node.exists:
        summary = f"{domain} does not exist in DNS, so mail from it is refused by many receivers."
        yield _finding(include_tree, Verdict.FAIL, "spf.no-such-domain", summary, "Check how the domain is spelled.")
        return
    summary = f"{domain} has no SPF record, so receivers cannot tell which servers may send its mail."
    remediation = (
        f"Publish a TXT record at {domain}: v=spf1 mx -all if its mail servers send, v=spf1 -all if nothing does."
    )
    if node.near_miss:
        summary = f"{domain} has no SPF record: {quoted(node.near_miss)} does not start with v=spf1 and a space."
        yield _finding(include_tree, Verdict.FAIL, "spf.missing-record", summary, "Let that TXT record start so.")
        return
    yield _finding(include_tree, Verdict.WARN, "spf.missing-record", summary, remediation)


def _multiple(include_tree: IncludeTree) -> Findings:
    for node in include_tree.nodes.values():
        if len(node.texts) > 1:
            summary = f"{node.domain} has {len(node.texts)} SPF records, so receivers stop with an error."
            remediation = f"Merge the SPF records of {node.domain} into one TXT record and delete the others."
            yield _finding(include_tree, Verdict.FAIL, "spf.multiple-records", summary, remediation)


def _syntax(include_tree: IncludeTree) -> Findings:
    for node in include_tree.nodes.values():
        if node.error:
            summary = f"Receivers stop at the SPF record of {node.domain} with an error: {node.error}"
            remediation = f"Correct that part of the TXT record of {node.domain}."
            yield _finding(include_tree, Verdict.FAIL, "spf.syntax-error", summary, remediation)


def _missing_includes(include_tree: IncludeTree) -> Findings:
    for node in include_tree.nodes.values():
        if node is not include_tree.root and not node.texts and not node.unanswered:
            parent = next(
                candidate.domain for candidate in include_tree.nodes.values() if node.domain in candidate.children
            )
            summary = (
                f"The SPF record of {parent} points at {node.domain}, which has no SPF record, so "
                "receivers stop there with an error."
            )
            remediation = f"Remove {node.domain} from the TXT record of {parent}, or correct its spelling."
            yield _finding(include_tree, Verdict.FAIL, "spf.missing-include", summary, remediation)


def _lookups(include_tree: IncludeTree) -> Findings:
    if include_tree.lookup_terms >= UNBOUNDED:
        summary = (
            f"The SPF records under {include_tree.domain} include each other in a circle, so "
            "receivers stop with an error."
        )
        remediation = "Remove the include or redirect that leads back."
        yield _finding(include_tree, Verdict.FAIL, "spf.too-many-lookups", summary, remediation)
    elif include_tree.lookup_terms > MAX_LOOKUP_TERMS:
        count = f"at least {include_tree.lookup_terms}" if include_tree.stop_reason else str(include_tree.lookup_terms)
        summary = (
            f"The SPF record of {include_tree.domain} can need {count} lookups where "
            f"{MAX_LOOKUP_TERMS} are allowed, so receivers stop with an error for every sender "
            "that is not found early."
        )
        remediation = (
            "Remove the includes of services you no longer use, or write a and mx as ip4 and ip6, which cost nothing."
        )
        yield _finding(include_tree, Verdict.FAIL, "spf.too-many-lookups", summary, remediation)


def _too_many_hosts(include_tree: IncludeTree) -> Findings:
    host_names = {
        target
        for _, directive, target in include_tree.walk()
        if len(include_tree.host_names(directive, target)) > MAX_NAMES
    }
    for name in sorted(host_names):
        summary = f"{name} has more than {MAX_NAMES} MX records, so receivers stop at mx with an error."
        remediation = "List its mail servers as ip4 and ip6 instead of mx."
        yield _finding(include_tree, Verdict.FAIL, "spf.too-many-hosts", summary, remediation)


def _allows_everyone(include_tree: IncludeTree) -> Findings:
    trusted = _trusted(include_tree)
    for node, directive, _ in include_tree.walk():
        if node.domain in trusted and directive.qualifier == "+" and _matches_all(directive):
            summary = (
                f"{quoted(directive.text)} in the SPF record of {node.domain} lets any address "
                f"send as {include_tree.domain}."
            )
            remediation = f"Write -all or ~all instead, and name the servers that send for {node.domain}."
            yield _finding(include_tree, Verdict.FAIL, "spf.allows-everyone", summary, remediation)


def _trusted(include_tree: IncludeTree) -> set[str]:
    """Return the domains whose pass is a pass of the top domain, over + includes and redirects."""
    trusted: set[str] = set()
    queue = [include_tree.domain]
    while queue:
        node = include_tree.nodes.get(queue.pop())
        if node and node.domain not in trusted:
            trusted.add(node.domain)
            queue += [
                node.redirect_target,
                *(target for directive, target in node.directives_with_targets if directive.qualifier == "+"),
            ]
    return trusted


def _matches_all(directive: Directive) -> bool:
    mechanism = directive.mechanism
    return isinstance(mechanism, All) or (isinstance(mechanism, Network) and mechanism.network.prefixlen == 0)


def _voids(include_tree: IncludeTree) -> Findings:
    dead_names = _dead(include_tree, "A") & _dead(include_tree, "AAAA")
    if len(dead_names) > MAX_VOID_LOOKUPS:
        summary = (
            f"{join_names(sorted(dead_names))} lead to nothing; SPF allows {MAX_VOID_LOOKUPS} such "
            "names, so receivers stop there."
        )
        yield _finding(
            include_tree, Verdict.FAIL, "spf.too-many-voids", summary, "Remove these names from the SPF record."
        )
        return
    for name in sorted(dead_names):
        summary = f"The SPF record asks for {name}, which leads to nothing; SPF allows {MAX_VOID_LOOKUPS} such names."
        yield _finding(include_tree, Verdict.WARN, "spf.dead-name", summary, f"Remove {name} from the SPF record.")
    if ipv6_names := _before_ipv6(include_tree):
        summary = (
            f"{join_names(ipv6_names)} have no IPv6 address; SPF allows {MAX_VOID_LOOKUPS} such "
            "names, so receivers stop with an error before they come to the IPv6 addresses in the "
            "record."
        )
        remediation = "Give these hosts AAAA records, or move ip6 and include in front of a and mx."
        yield _finding(include_tree, Verdict.WARN, "spf.ipv6-voids", summary, remediation)


def _dead(include_tree: IncludeTree, rdtype: str) -> set[str]:
    return {
        name
        for _, directive, target in include_tree.walk()
        for name in include_tree.dead_names(directive, target, rdtype)
    }


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
        summary = (
            f"The SPF record of {node.domain} ends without all, so it says nothing about servers it does not list."
        )
        yield _finding(
            include_tree, Verdict.WARN, "spf.no-default", summary, "Put ~all, or -all, at the end of the record."
        )
    elif default and default.qualifier == "?":
        summary = f"The SPF record of {node.domain} ends in ?all, so it says nothing about servers it does not list."
        yield _finding(include_tree, Verdict.WARN, "spf.neutral-default", summary, "Replace ?all by ~all or -all.")


def _ptr(include_tree: IncludeTree) -> Findings:
    for node in include_tree.nodes.values():
        if any(isinstance(directive.mechanism, Ptr) for directive in node.record.reachable):
            summary = f"The SPF record of {node.domain} uses ptr, which is slow and which some receivers ignore."
            yield _finding(
                include_tree, Verdict.WARN, "spf.uses-ptr", summary, "List the servers as ip4, ip6, a or mx instead."
            )


def _long_record(include_tree: IncludeTree) -> Findings:
    for node in include_tree.nodes.values():
        size = len(node.texts[0].encode()) if len(node.texts) == 1 else 0
        if size > MAX_RECORD_BYTES:
            summary = (
                f"The SPF record of {node.domain} has {size} bytes, more than the "
                f"{MAX_RECORD_BYTES} that are safe: receivers whose network loses long DNS answers "
                "see no record."
            )
            remediation = f"Move some terms of {node.domain} into a record of their own, and include that."
            yield _finding(include_tree, Verdict.WARN, "spf.long-record", summary, remediation)


def _incomplete(include_tree: IncludeTree) -> Findings:
    for node in include_tree.nodes.values():
        if node.unanswered:
            summary = f"DNS gave no answer about the SPF record of {node.domain} ({node.unanswered})."
            yield _finding(include_tree, Verdict.UNKNOWN, "spf.no-answer", summary, "Check again in a few minutes.")
    if include_tree.stop_reason:
        yield _finding(
            include_tree, Verdict.UNKNOWN, "spf.no-answer", include_tree.stop_reason, "Check again with one address."
        )


FINAL_RULES: tuple[Callable[[IncludeTree], Findings], ...] = (_no_answer, _missing)
RULES: tuple[Callable[[IncludeTree], Findings], ...] = (
    _multiple,
    _syntax,
    _missing_includes,
    _lookups,
    _too_many_hosts,
    _allows_everyone,
    _voids,
    _default,
    _ptr,
    _long_record,
    _incomplete,
)


def _valid(include_tree: IncludeTree) -> Finding:
    default = _default_node(include_tree).record.default_directive
    default_text = f"; {DEFAULTS[default.qualifier]}" if default else ""
    summary = (
        f"The SPF record of {include_tree.domain} is valid and needs {include_tree.lookup_terms} "
        f"of {MAX_LOOKUP_TERMS} lookups{default_text}."
    )
    if default and default.qualifier == "-" and include_tree.root.record.reachable == (default,):
        summary = f"The SPF record of {include_tree.domain} says that nobody sends its mail."
    return _finding(include_tree, Verdict.PASS, "spf.valid-record", summary)


def _default_node(include_tree: IncludeTree) -> RecordNode:
    """Return the record whose `all` applies when nothing matches, over the redirects read."""
    node, visited = include_tree.root, {include_tree.domain}
    while node.redirect_target in include_tree.nodes and node.redirect_target not in visited:
        visited.add(node.redirect_target)
        node = include_tree.nodes[node.redirect_target]
    return node
