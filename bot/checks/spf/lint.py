"""What is wrong with the SPF records of a domain, whoever sends: one small rule after another over a survey. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bot.checks.spf.include_tree import ENDLESS, Page, Survey, tree
from bot.checks.spf.record import All, Directive, Network, Ptr
from bot.checks.spf.result import MOST_NAMES, MOST_TERMS, MOST_VOIDS, names
from bot.inputs.domain_names import quoted
from bot.models import Finding, Verdict

MOST_BYTES = 450  # RFC 7208 §3.4: a longer record may not fit one UDP answer beside the other TXT records
MOST_SHOWN = 2000  # characters of a record that a finding carries along
DEFAULTS = {"-": "every other sender is refused", "~": "every other sender is marked as suspicious"}
Found = Iterator[Finding]


def lint(survey: Survey) -> list[Finding]:
    """The findings about a domain, worst rules first; a single spf.valid-record where no rule has anything to say.

    The first carries the tree of records in its facts.
    """
    for rule in ENDS:
        if found := list(rule(survey)):
            return found
    first, *others = [finding for rule in RULES for finding in rule(survey)] or [_valid(survey)]
    return [first._replace(facts={**first.facts, "tree": tree(survey)}), *others]


def _finding(survey: Survey, verdict: Verdict, code: str, says: str, step: str = "") -> Finding:
    facts = {
        "record": survey.top.texts[0][:MOST_SHOWN] if survey.top.texts else None,
        "lookups": None if survey.terms >= ENDLESS else survey.terms,
        "path": list(survey.pages),
    }
    return Finding("spf", survey.domain, verdict, code, says, step, facts)


def _no_answer(survey: Survey) -> Found:
    if survey.domain not in survey.pages or survey.top.failed:
        says = f"DNS gave no answer about the SPF record of {survey.domain} ({survey.top.failed or 'timeout'})."
        yield _finding(survey, Verdict.UNKNOWN, "spf.no-answer", says, "Check again in a few minutes.")


def _missing(survey: Survey) -> Found:
    domain, page = survey.domain, survey.top
    if page.texts:
        return
    if not page.exists:
        says = f"{domain} does not exist in DNS, so mail from it is refused by many receivers."
        yield _finding(survey, Verdict.FAIL, "spf.no-such-domain", says, "Check how the domain is spelled.")
        return
    says = f"{domain} has no SPF record, so receivers cannot tell which servers may send its mail."
    step = f"Publish a TXT record at {domain}: v=spf1 mx -all if its mail servers send, v=spf1 -all if nothing does."
    if page.similar:
        says = f"{domain} has no SPF record: {quoted(page.similar)} does not start with v=spf1 and a space."
        yield _finding(survey, Verdict.FAIL, "spf.missing-record", says, "Let that TXT record start so.")
        return
    yield _finding(survey, Verdict.WARN, "spf.missing-record", says, step)


def _multiple(survey: Survey) -> Found:
    for page in survey.pages.values():
        if len(page.texts) > 1:
            says = f"{page.domain} has {len(page.texts)} SPF records, so receivers stop with an error."
            step = f"Merge the SPF records of {page.domain} into one TXT record and delete the others."
            yield _finding(survey, Verdict.FAIL, "spf.multiple-records", says, step)


def _syntax(survey: Survey) -> Found:
    for page in survey.pages.values():
        if page.error:
            says = f"Receivers stop at the SPF record of {page.domain} with an error: {page.error}"
            step = f"Correct that part of the TXT record of {page.domain}."
            yield _finding(survey, Verdict.FAIL, "spf.syntax-error", says, step)


def _missing_includes(survey: Survey) -> Found:
    for page in survey.pages.values():
        if page is not survey.top and not page.texts and not page.failed:
            parent = next(each.domain for each in survey.pages.values() if page.domain in each.leads_to)
            says = (
                f"The SPF record of {parent} points at {page.domain}, which has no SPF record, so receivers stop there "
                "with an error."
            )
            step = f"Remove {page.domain} from the TXT record of {parent}, or correct its spelling."
            yield _finding(survey, Verdict.FAIL, "spf.missing-include", says, step)


def _lookups(survey: Survey) -> Found:
    if survey.terms >= ENDLESS:
        says = f"The SPF records under {survey.domain} include each other in a circle, so receivers stop with an error."
        step = "Remove the include or redirect that leads back."
        yield _finding(survey, Verdict.FAIL, "spf.too-many-lookups", says, step)
    elif survey.terms > MOST_TERMS:
        count = f"at least {survey.terms}" if survey.stopped else str(survey.terms)
        says = (
            f"The SPF record of {survey.domain} can need {count} lookups where {MOST_TERMS} are allowed, so receivers "
            "stop with an error for every sender that is not found early."
        )
        step = (
            "Remove the includes of services you no longer use, or write a and mx as ip4 and ip6, which cost nothing."
        )
        yield _finding(survey, Verdict.FAIL, "spf.too-many-lookups", says, step)


def _crowded(survey: Survey) -> Found:
    crowded = {
        target for _, directive, target in survey.in_order() if len(survey.hosts(directive, target)) > MOST_NAMES
    }
    for name in sorted(crowded):
        says = f"{name} has more than {MOST_NAMES} MX records, so receivers stop at mx with an error."
        step = "List its mail servers as ip4 and ip6 instead of mx."
        yield _finding(survey, Verdict.FAIL, "spf.too-many-hosts", says, step)


def _everyone(survey: Survey) -> Found:
    trusted = _trusted(survey)
    for page, directive, _ in survey.in_order():
        if page.domain in trusted and directive.qualifier == "+" and _matches_all(directive):
            says = (
                f"{quoted(directive.text)} in the SPF record of {page.domain} lets any address send as {survey.domain}."
            )
            step = f"Write -all or ~all instead, and name the servers that send for {page.domain}."
            yield _finding(survey, Verdict.FAIL, "spf.allows-everyone", says, step)


def _trusted(survey: Survey) -> set[str]:
    """The pages whose pass is a pass of the domain: itself, and what + includes and redirects lead to from there."""
    trusted: set[str] = set()
    todo = [survey.domain]
    while todo:
        page = survey.pages.get(todo.pop())
        if page and page.domain not in trusted:
            trusted.add(page.domain)
            todo += [page.hands_over, *(target for directive, target in page.steps if directive.qualifier == "+")]
    return trusted


def _matches_all(directive: Directive) -> bool:
    mechanism = directive.mechanism
    return isinstance(mechanism, All) or (isinstance(mechanism, Network) and mechanism.network.prefixlen == 0)


def _voids(survey: Survey) -> Found:
    gone = _dead(survey, "A") & _dead(survey, "AAAA")
    if len(gone) > MOST_VOIDS:
        says = f"{names(sorted(gone))} lead to nothing; SPF allows {MOST_VOIDS} such names, so receivers stop there."
        yield _finding(survey, Verdict.FAIL, "spf.too-many-voids", says, "Remove these names from the SPF record.")
        return
    for name in sorted(gone):
        says = f"The SPF record asks for {name}, which leads to nothing; SPF allows {MOST_VOIDS} such names."
        yield _finding(survey, Verdict.WARN, "spf.dead-name", says, f"Remove {name} from the SPF record.")
    if stumbled := _in_front_of_ipv6(survey):
        says = (
            f"{names(stumbled)} have no IPv6 address; SPF allows {MOST_VOIDS} such names, so receivers stop with an "
            "error before they come to the IPv6 addresses in the record."
        )
        step = "Give these hosts AAAA records, or move ip6 and include in front of a and mx."
        yield _finding(survey, Verdict.WARN, "spf.ipv6-voids", says, step)


def _dead(survey: Survey, kind: str) -> set[str]:
    return {name for _, directive, target in survey.in_order() for name in survey.dead(directive, target, kind)}


def _in_front_of_ipv6(survey: Survey) -> list[str]:
    """The names that an IPv6 sender stumbles over before a receiver comes to a term that could list it."""
    dead: list[str] = []
    for _, directive, target in survey.in_order():
        mechanism = directive.mechanism
        if isinstance(mechanism, Network) and mechanism.network.version == 6 and len(dead) > MOST_VOIDS:
            return list(dict.fromkeys(dead))
        dead += survey.dead(directive, target, "AAAA")
    return []


def _default(survey: Survey) -> Found:
    last = _last_page(survey)
    default = last.record.default
    if last.error or len(last.texts) != 1:
        return
    if default is None and last.record.redirect is None:
        says = f"The SPF record of {last.domain} ends without all, so it says nothing about servers it does not list."
        yield _finding(survey, Verdict.WARN, "spf.no-default", says, "Put ~all, or -all, at the end of the record.")
    elif default and default.qualifier == "?":
        says = f"The SPF record of {last.domain} ends in ?all, so it says nothing about servers it does not list."
        yield _finding(survey, Verdict.WARN, "spf.neutral-default", says, "Replace ?all by ~all or -all.")


def _ptr(survey: Survey) -> Found:
    for page in survey.pages.values():
        if any(isinstance(each.mechanism, Ptr) for each in page.record.reachable):
            says = f"The SPF record of {page.domain} uses ptr, which is slow and which some receivers ignore."
            yield _finding(survey, Verdict.WARN, "spf.uses-ptr", says, "List the servers as ip4, ip6, a or mx instead.")


def _long(survey: Survey) -> Found:
    for page in survey.pages.values():
        size = len(page.texts[0].encode()) if len(page.texts) == 1 else 0
        if size > MOST_BYTES:
            says = (
                f"The SPF record of {page.domain} has {size} bytes, more than the {MOST_BYTES} that are safe: receivers "
                "whose network loses long DNS answers see no record."
            )
            step = f"Move some terms of {page.domain} into a record of their own, and include that."
            yield _finding(survey, Verdict.WARN, "spf.long-record", says, step)


def _unread(survey: Survey) -> Found:
    for page in survey.pages.values():
        if page.failed:
            says = f"DNS gave no answer about the SPF record of {page.domain} ({page.failed})."
            yield _finding(survey, Verdict.UNKNOWN, "spf.no-answer", says, "Check again in a few minutes.")
    if survey.stopped:
        yield _finding(survey, Verdict.UNKNOWN, "spf.no-answer", survey.stopped, "Check again with one address.")


ENDS: tuple[Callable[[Survey], Found], ...] = (_no_answer, _missing)
RULES: tuple[Callable[[Survey], Found], ...] = (
    _multiple,
    _syntax,
    _missing_includes,
    _lookups,
    _crowded,
    _everyone,
    _voids,
    _default,
    _ptr,
    _long,
    _unread,
)


def _valid(survey: Survey) -> Finding:
    default = _last_page(survey).record.default
    rest = f"; {DEFAULTS[default.qualifier]}" if default else ""
    says = f"The SPF record of {survey.domain} is valid and needs {survey.terms} of {MOST_TERMS} lookups{rest}."
    if default and default.qualifier == "-" and survey.top.record.reachable == (default,):
        says = f"The SPF record of {survey.domain} says that nobody sends its mail."
    return _finding(survey, Verdict.PASS, "spf.valid-record", says)


def _last_page(survey: Survey) -> Page:
    """The record that answers for the senders nothing matches: redirects are followed as far as they were read."""
    page, seen = survey.top, {survey.domain}
    while page.hands_over in survey.pages and page.hands_over not in seen:
        seen.add(page.hands_over)
        page = survey.pages[page.hands_over]
    return page
