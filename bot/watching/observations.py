"""From a report to what a watch follows: the blocklists one by one, and the settings that receivers look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from bot.model import Finding, Report, Verdict
from bot.watching.drift import LONGEST_VALUE, settings_changed
from bot.watching.model import Observation, Severity, State

BLOCKLIST = "blocklist"


def observe(
    report: Report, settings: Mapping[str, str] | None = None, several: bool = False
) -> tuple[Observation, ...]:
    """What one report saw. `settings` are the incident's remembered values; `several`: the watch holds several addresses."""
    ip = report.order.target.ip
    address = str(ip) if several and ip is not None else ""
    lists = tuple(_listing(f, report.at, address) for f in report.findings if f.check == BLOCKLIST)
    return lists + settings_changed(settings or {}, report, address)


def about_domain(finding: Finding) -> bool:
    """What a list says of the domain, which is the same for every address that goes with it."""
    return finding.facts.get("holds") == "domains"


def per_sublist(observations: Iterable[Observation], known: Iterable[Observation]) -> tuple[Observation, ...]:
    """One observation for each sublist of a list, and "not listed" for the sublists known so far that it no longer names.

    A list that answers with another code has listed an address for another cause, with another way out.
    """
    remembered: dict[str, set[str]] = {}
    for sight in known:
        remembered.setdefault(_list_key(sight), set()).add(sight.sublist)
    return tuple(part for seen in observations for part in _parts(seen, remembered.get(seen.key, set())))


def _parts(seen: Observation, known: set[str]) -> Iterable[Observation]:
    whole = replace(seen, sublists=()) if seen.sublists else seen
    named = (seen.sublists or ("",)) if seen.state is State.LISTED else ()
    yield from (replace(whole, sublist=sublist) for sublist in named)
    others = State.NOT_LISTED if seen.state is State.LISTED else seen.state
    gone = sorted(known.difference(named))
    yield from (replace(whole, sublist=sublist, state=others) for sublist in gone)
    if not named and not gone:
        yield whole


def _list_key(sight: Observation) -> str:
    return replace(sight, sublist="").key


def _listing(finding: Finding, at: datetime, address: str) -> Observation:
    facts = finding.facts
    severity = Severity(facts.get("severity", Severity.MEDIUM))
    state = State(facts.get("state", State.UNKNOWN))
    # Listed, and yet a pass: a policy list that expects an address of this role. Nothing to tell, and nothing to clear.
    if state is State.LISTED and (finding.verdict is Verdict.PASS or severity is Severity.NONE):
        state = State.NOT_LISTED
    return Observation(
        check=finding.check,
        about=finding.about,
        state=state,
        at=at,
        address="" if about_domain(finding) else address,
        sublists=tuple(facts.get("sublists", ())),
        severity=severity,
        says=finding.says,
        step=finding.step,
        links=finding.links[:2],
        name=str(facts.get("name", finding.about)),
        # Of a range it is left to a check of one address: every address has another reason, and all would have to be kept.
        text="" if address else str((facts.get("txt") or ("",))[0])[:LONGEST_VALUE],
    )
