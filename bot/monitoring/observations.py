"""Observations of a report: one per blocklist and per subject of every other watched check, and changed values.

What a check calls a warning or a failure is a problem until it is right again. A change that may be
intended is reported once, with both values, and is then the new normal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bot.checks.registry import CHECKS
from bot.models import Finding, Report, Verdict
from bot.monitoring.check_schedule import observe_run
from bot.monitoring.domain_answers import observe_answers
from bot.monitoring.models import DomainRecords, Observation, ObservedState, Severity
from bot.monitoring.record_changes import RecordHistory, main_record, observe_changes
from bot.monitoring.record_values import DKIM_LABEL, RecordValue, read_records

BLOCKLIST = "blocklist"
RESOLVER = "dns"  # findings about the resolver are for the operator, not for the channel of a watch
LISTS_ARE_NEW = "lists"  # config key: set while a watch does not follow blocklists
FOLLOWED = "checks"  # config key: ids of the checks that a watch has seen a result of
SELECTORS = "selectors"  # config key: DKIM selectors that were seen to have a key
CONCLUSIVE = (ObservedState.LISTED, ObservedState.NOT_LISTED)
WATCHED_CHECKS = frozenset(id for spec in CHECKS if spec.watched for id in (spec.id, *spec.names)) - {
    BLOCKLIST,
    RESOLVER,
}
ADDRESS_CHECKS = frozenset({"ptr", "helo", "spf"})  # their result differs between the addresses of a range
NOT_CHECKED = ".not-checked"  # ends codes that pass in a report, and show nothing to a watch
MAX_REASON_LENGTH = 300  # of the reason that a list gives


def observe_findings(report: Report, records: Sequence[RecordValue], history: RecordHistory) -> Iterable[Observation]:
    """Observe every subject of every watched check: a problem while its worst finding warns or fails.

    A problem of a record that has changed carries both values. A subject that is the target itself is
    empty, so that the same problem has the same key for every target.
    """
    own_names = {str(report.request.target.ip), str(report.request.target.domain)}
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in report.findings:
        if finding.check in WATCHED_CHECKS:
            subject = "" if finding.subject in own_names else finding.subject
            groups.setdefault((finding.check, subject), []).append(finding)
    for (check, subject), findings in groups.items():
        record = main_record(records, check, subject)
        yield _observe_subject(check, subject, findings, record, history, report.at)


def _observe_subject(
    check: str,
    subject: str,
    findings: Sequence[Finding],
    record: RecordValue | None,
    history: RecordHistory,
    at: datetime,
) -> Observation:
    worst = max(findings, key=lambda finding: finding.verdict)
    states = {Verdict.PASS: ObservedState.NOT_LISTED, Verdict.UNKNOWN: ObservedState.UNKNOWN}
    previous_value = history.previous_value(record) if record else ""
    is_unknown = worst.code.endswith(NOT_CHECKED)
    return Observation(
        check=check,
        subject=subject,
        state=ObservedState.UNKNOWN if is_unknown else states.get(worst.verdict, ObservedState.LISTED),
        at=at,
        address=_own_address(check, history.address),
        severity=Severity.HIGH if worst.verdict is Verdict.FAIL else Severity.MEDIUM,
        summary=worst.summary,
        # What was there before is better than what a domain without the record is advised to publish.
        remediation=(history.restoring_step(record) if record else "") or worst.remediation,
        links=worst.links[:2],
        previous_value=previous_value,
        value=record.value if record and previous_value else "",
        code=worst.code,
    )


def _own_address(check: str, address: str) -> str:
    return address if check in ADDRESS_CHECKS else ""


def observe_memory(
    previous: Mapping[str, str], observations: Iterable[Observation], at: datetime
) -> Iterable[Observation]:
    """What to remember of this poll.

    The checks that gave a result, so that a new check does not alert at once, and the DKIM selectors
    that have keys, since DNS does not tell them.
    """
    conclusive = [observation for observation in observations if observation.state in CONCLUSIVE]
    memory = {
        FOLLOWED: {observation.check for observation in conclusive},
        SELECTORS: {o.subject.partition(DKIM_LABEL)[0] for o in conclusive if DKIM_LABEL in o.subject},
    }
    for key, values in memory.items():
        value = " ".join(sorted(values.union(previous.get(key, "").split())))
        if value:
            yield Observation(key, "", ObservedState.NOT_LISTED, at, config_key=key, value=value)


def observe(
    report: Report,
    config: Mapping[str, str] | None = None,
    is_range: bool = False,
    domain_records: DomainRecords | None = None,
) -> tuple[Observation, ...]:
    """Observations of one report, against the stored `config` of the incident and the records of its domain."""
    ip = report.request.target.ip
    address = str(ip) if is_range and ip is not None else ""
    findings = (finding for finding in report.findings if finding.check == BLOCKLIST)
    lists = tuple(part for finding in findings for part in _listings(finding, report.at, address))
    records, history = read_records(report), RecordHistory(config or {}, domain_records, address)
    problems = tuple(observe_findings(report, records, history))
    memory: Iterable[Observation] = ()
    if problems:
        problems = (*problems, *observe_answers(config or {}, report))
        memory = (*observe_memory(config or {}, problems, report.at), *observe_run(config or {}, report))
    changes = observe_changes(records, history, report.request.target.domain or "", report.at)
    return (*lists, *problems, *changes, *memory)


def is_about_domain(finding: Finding) -> bool:
    """Whether a finding is about the typed domain, and so the same for every address of a watch.

    A domain list is also asked about the PTR name of the address.
    """
    facts = finding.facts
    own_names = facts.get("address_names", ())
    if facts.get("holds") != "domains" or facts.get("hit") in own_names:
        return False
    return not own_names or set(facts.get("names", ())) != set(own_names)


def is_listing(finding: Finding) -> bool:
    """Whether a list's finding is a problem: not a policy list that is expected to list this role."""
    severity = Severity(finding.facts.get("severity", Severity.MEDIUM))
    listed = finding.facts.get("state") == ObservedState.LISTED
    return listed and finding.verdict is not Verdict.PASS and severity is not Severity.NONE


def split_by_sublist(observations: Iterable[Observation], known: Iterable[Observation]) -> tuple[Observation, ...]:
    """Split observations by sublist; known sublists no longer returned are "not listed".

    Another sublist is another cause of the listing with another removal procedure.
    """
    known_sublists: dict[str, set[str]] = {}
    for known_observation in known:
        known_sublists.setdefault(_list_key(known_observation), set()).add(known_observation.sublist)
    return tuple(
        part for observation in observations for part in _split(observation, known_sublists.get(observation.key, set()))
    )


def _split(observation: Observation, known: set[str]) -> Iterable[Observation]:
    whole = replace(observation, sublists=()) if observation.sublists else observation
    named = (observation.sublists or ("",)) if observation.state is ObservedState.LISTED else ()
    yield from (replace(whole, sublist=sublist) for sublist in named)
    other_state = ObservedState.NOT_LISTED if observation.state is ObservedState.LISTED else observation.state
    cleared = sorted(known.difference(named))
    yield from (replace(whole, sublist=sublist, state=other_state) for sublist in cleared)
    if not named and not cleared:
        yield whole


def _list_key(observation: Observation) -> str:
    return replace(observation, sublist="").key


def _listings(finding: Finding, at: datetime, address: str) -> Iterable[Observation]:
    """Observe a finding; in a range, a list of domains has one state for all and one per address."""
    if not address or finding.facts.get("holds") != "domains":
        yield _listing(finding, at, address)
        return
    about_domain = is_about_domain(finding)
    is_listed = finding.facts.get("state") == ObservedState.LISTED
    own_names = set(finding.facts.get("address_names", ()))
    if about_domain or set(finding.facts.get("names", ())) - own_names:
        whole = _listing(finding, at, "")
        yield whole if about_domain else replace(whole, state=ObservedState.NOT_LISTED, sublists=())
    if own_names:
        own = _listing(finding, at, address)
        yield replace(own, state=ObservedState.UNKNOWN) if about_domain and is_listed else own


def _listing(finding: Finding, at: datetime, address: str) -> Observation:
    facts = finding.facts
    severity = Severity(facts.get("severity", Severity.MEDIUM))
    state = ObservedState(facts.get("state", ObservedState.UNKNOWN))
    if state is ObservedState.LISTED and not is_listing(finding):
        state = ObservedState.NOT_LISTED
    return Observation(
        check=finding.check,
        subject=finding.subject,
        state=state,
        at=at,
        address=address,
        sublists=tuple(facts.get("sublists", ())),
        severity=severity,
        summary=finding.summary,
        remediation=" ".join((finding.remediation, *facts.get("more_steps", ()))),
        links=finding.links[:2],
        name=str(facts.get("name", finding.subject)),
        # Not stored for a range, where every address has its own reason; a check shows it.
        text="" if address else str((facts.get("txt") or ("",))[0])[:MAX_REASON_LENGTH],
    )
