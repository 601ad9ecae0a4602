"""Texts of watches and their problems: names, times, lines and the table of a range."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address

from bot.checks.registry import CHECK_NAMES
from bot.inputs.domain_names import display_domain
from bot.monitoring.domain_answers import DOMAIN_DNS
from bot.monitoring.models import Observation, Problem, Severity, Watch, unique_problems
from bot.monitoring.observations import BLOCKLIST
from handlers.message import Line, Table, Tone
from handlers.messages.formatting import pluralize
from handlers.messages.record_titles import record_title

PROBLEM_NAMES = {**CHECK_NAMES, DOMAIN_DNS: "DNS"}
MAX_NAMES = 8
STABLE_NOTE = "The next alert about it comes when it has been stable for 12 hours."
CONFIG_PROBLEMS = {  # by the subject of the observation, after the name of the check
    "gone": "not valid",
    "failing": "failing",
    "limits": "over its limits",
    "changed": "changed",
    "weakened": "weakened",
}


def watch_label(watch: Watch) -> str:
    """`HQ egress (203.0.113.5 · example.com)`, or the target alone for an unnamed watch."""
    network = watch.network
    address = str(network if watch.is_range else network.network_address) if network else ""
    subject = " · ".join(part for part in (address, display_domain(watch.domain) if watch.domain else "") if part)
    return f"{watch.name} ({subject})" if watch.name else subject


def format_time(at: datetime) -> str:
    """`24 Nov, 06:01 UTC`; members of a channel may be in several time zones."""
    utc = at.astimezone(UTC)
    return f"{utc.day} {utc:%b, %H:%M} UTC"


def problem_name(problem: Problem) -> str:
    """The name of the list or of the check."""
    observation = problem.last_observation
    if observation.check == BLOCKLIST:
        return observation.name or observation.subject
    return PROBLEM_NAMES.get(observation.check, observation.check)


def problems_summary(problems: Sequence[Problem]) -> str:
    """`on Spamhaus ZEN`, `on 3 blocklists, SPF failing, PTR changed`."""
    lists = list(dict.fromkeys(problem_name(p) for p in problems if p.last_observation.check == BLOCKLIST))
    config = dict.fromkeys(_config_problem(p) for p in problems if p.last_observation.check != BLOCKLIST)
    on = [f"on {lists[0]}" if len(lists) == 1 else f"on {len(lists)} blocklists"] if lists else []
    return ", ".join((*on, *config))


def sublist_changes(cleared: Sequence[Problem], new: Sequence[Problem]) -> list[tuple[Problem, Problem]]:
    """Listings that a list now explains by another sublist: the problem before and the one now."""
    return [
        (before, now)
        for now in new
        for before in cleared
        if before.last_observation.sublist
        and now.last_observation.sublist
        and _listing(before.last_observation) == _listing(now.last_observation)
    ]


def _listing(observation: Observation) -> tuple[str, str, str]:
    return observation.check, observation.subject, observation.address


def sublist_change_text(before: Problem, now: Problem) -> str:
    """`Spamhaus ZEN: PBL → XBL, which is worse`."""
    ranks = [SEVERITY_ORDER.index(problem.last_observation.severity) for problem in (before, now)]
    judgment = ", which is worse" if ranks[1] < ranks[0] else ", which is better" if ranks[1] > ranks[0] else ""
    labels = " → ".join(problem.last_observation.sublist.rpartition("-")[2].upper() for problem in (before, now))
    return f"{problem_name(now)}: {labels}{judgment}"


def _config_problem(problem: Problem) -> str:
    """What is wrong with a DNS record, in a few words: `SPF over its limits`, `PTR changed`."""
    observation = problem.last_observation
    if title := record_title(observation):
        return title
    _, _, word = observation.code.partition(".")
    what = CONFIG_PROBLEMS.get(observation.subject) or CONFIG_PROBLEMS.get(word)
    if what or not word:
        return f"{problem_name(problem)} {what or CONFIG_PROBLEMS['failing']}"
    return f"{problem_name(problem)}: {word.replace('-', ' ')}"


def names_with_addresses(problems: Sequence[Problem]) -> str:
    """`Spamhaus ZEN at 203.0.113.5, Barracuda at 3 addresses, reverse name`."""
    addresses_by_name: dict[str, set[str]] = {}
    for problem in problems:
        addresses_by_name.setdefault(problem_name(problem), set()).add(problem.last_observation.address)
    parts = [f"{name}{_at_addresses(addresses - {''})}" for name, addresses in addresses_by_name.items()]
    more = f" and {len(parts) - MAX_NAMES} more" if len(parts) > MAX_NAMES else ""
    return ", ".join(parts[:MAX_NAMES]) + more


def _at_addresses(addresses: Set[str]) -> str:
    return (
        f" at {len(addresses)} addresses" if len(addresses) > 1 else "".join(f" at {address}" for address in addresses)
    )


Address = IPv4Address | IPv6Address

MAX_PROBLEMS = 8
MAX_NAMES_PER_ROW = 3
SEVERITY_ORDER = list(Severity)
SEVERITY_TONES = {
    Severity.HIGH: Tone.BAD,
    Severity.MEDIUM: Tone.WARN,
    Severity.LOW: Tone.PLAIN,
    Severity.NONE: Tone.PLAIN,
}


def problem_lines(watch: Watch, problems: Sequence[Problem], step: str = "") -> list[Line]:
    """Each problem once; for a range one example per list, since its addresses are in a table."""
    groups: dict[tuple[str, ...], list[Problem]] = {}
    for problem in unique_problems(problems):
        observation = problem.last_observation
        location = () if watch.is_range else (observation.address, observation.summary)
        groups.setdefault((observation.check, observation.subject, observation.sublist, *location), []).append(problem)
    shown = [_problem_line(group[0], step, len(group) - 1) for group in list(groups.values())[:MAX_PROBLEMS]]
    more = len(groups) - len(shown)
    return [*shown, Line(f"{pluralize(more, 'more problem')}.")] if more else shown


def _problem_line(problem: Problem, shown_step: str, similar_count: int) -> Line:
    observation = problem.last_observation
    change = (
        f"{observation.previous_value} → {observation.value or 'no record'}"
        if observation.previous_value and observation.previous_value != observation.value
        else ""
    )
    same_elsewhere = f"Also on {pluralize(similar_count, 'more address')}." if similar_count else ""
    detail = " ".join(
        filter(None, (same_elsewhere, "" if observation.remediation == shown_step else observation.remediation))
    )
    return Line(
        observation.summary or f"{problem_name(problem)} reports a problem.",
        SEVERITY_TONES[observation.severity],
        detail,
        observation.text or change,
    )


def address_table(problems: Sequence[Problem]) -> Table | None:
    """One row per address; consecutive addresses with the same problems share a row."""
    problems_by_address: dict[Address, list[Problem]] = {}
    for problem in problems:
        if problem.last_observation.address:
            problems_by_address.setdefault(ip_address(problem.last_observation.address), []).append(problem)
    rows: list[tuple[Address, Address, tuple[str, str]]] = []
    for address in sorted(problems_by_address, key=lambda address: (address.version, int(address))):
        cells = _address_cells(problems_by_address[address])
        if rows and cells == rows[-1][2] and int(address) == int(rows[-1][1]) + 1:
            rows[-1] = rows[-1][0], address, cells
        else:
            rows.append((address, address, cells))
    table_rows = ((str(first) if first == last else f"{first} – {last}", *cells) for first, last, cells in rows)
    return Table(("Address", "Where", "Since"), tuple(table_rows)) if rows else None


def _address_cells(problems: Sequence[Problem]) -> tuple[str, str]:
    """Problems of one address, and since when."""
    names = list(dict.fromkeys(map(problem_name, problems)))
    more = [f"{len(names) - MAX_NAMES_PER_ROW} more"] if len(names) > MAX_NAMES_PER_ROW + 1 else []
    shown = names[:MAX_NAMES_PER_ROW] if more else names
    return ", ".join((*shown, *more)), format_time(min(problem.since for problem in problems))


def cleared_lines(problems: Sequence[Problem]) -> list[Line]:
    return [Line(f"No longer: {names_with_addresses(problems)}.", Tone.GOOD)] if problems else []


def remaining_lines(problems: Sequence[Problem]) -> list[Line]:
    return [Line(f"Still there: {names_with_addresses(problems)}.", Tone.WARN)] if problems else []


def flapping_lines(problems: Sequence[Problem]) -> list[Line]:
    """Problems that come and go: alerts about them wait until they are stable."""
    flapping = [problem for problem in problems if problem.flapping]
    if not flapping:
        return []
    since = format_time(min(min(problem.confirmations, default=problem.since) for problem in flapping))
    return [Line(f"{flapping_summary(flapping)} since {since}. {STABLE_NOTE}", Tone.WARN)]


def flapping_summary(flapping: Sequence[Problem]) -> str:
    """`Spamhaus ZEN is unstable`."""
    verb = "is" if len(dict.fromkeys(map(problem_name, flapping))) == 1 else "are"
    return f"{names_with_addresses(flapping)} {verb} unstable"


def known_lines(problems: Sequence[Problem]) -> list[Line]:
    return [Line(f"Known before: {names_with_addresses(problems)}.")] if problems else []


def unverified_lines(problems: Sequence[Problem]) -> list[Line]:
    note = "not checked for a week, so it is not known whether it is still listed"
    return [Line(f"{names_with_addresses(problems)}: {note}.", Tone.UNSURE)] if problems else []


def worst_tone(problems: Sequence[Problem]) -> Tone:
    return SEVERITY_TONES[
        min((p.last_observation.severity for p in problems), key=SEVERITY_ORDER.index, default=Severity.NONE)
    ]


def problem_sort_key(problem: Problem) -> tuple[int, datetime]:
    return SEVERITY_ORDER.index(problem.last_observation.severity), problem.since
