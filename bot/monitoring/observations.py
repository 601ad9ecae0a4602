"""Observations of a report: one per blocklist and per subject of every other watched check, and changed values.

What a check calls a warning or a failure is a problem until it is right again. A change that may be
intended is reported once, with both values, and is then the new normal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b

from bot.checks.registry import CHECKS
from bot.models import Finding, Report, Verdict
from bot.monitoring.check_schedule import observe_run
from bot.monitoring.messages import (
    DMARC_GONE,
    DMARC_WEAKENED,
    MX_CHANGED,
    MX_GONE,
    PTR_CHANGED,
    PTR_GONE,
    RESTORE_RECORD,
)
from bot.monitoring.models import Observation, ObservedState, Severity

BLOCKLIST = "blocklist"
RESOLVER = "dns"  # findings about the resolver are for the operator, not for the channel of a watch
FOLLOWED = "checks"  # config key: ids of the checks that a watch has seen a result of
SELECTORS = "selectors"  # config key: DKIM selectors that were seen to have a key
KEY_LABEL = "._domainkey."
CONCLUSIVE = (ObservedState.LISTED, ObservedState.NOT_LISTED)
WATCHED_CHECKS = frozenset(id for spec in CHECKS if spec.watched for id in (spec.id, *spec.names)) - {
    BLOCKLIST,
    RESOLVER,
}
ADDRESS_CHECKS = frozenset({"ptr", "helo", "spf"})  # their result differs between the addresses of a range
NOT_CHECKED = frozenset({"starttls.not-checked"})  # passes in a report, and shows nothing to a watch
MAX_VALUE_LENGTH = 300  # of a stored value; fits ten mail servers
POLICY_STRENGTH = ("none", "quarantine", "reject")

ValueReader = Callable[[Finding], str | None]


@dataclass(frozen=True, slots=True)
class ConfigSetting:
    """A DNS value whose change is reported once, where `is_regression` holds for the previous and the current one.

    `read` takes it from a finding of `check` (empty: no record; None: unknown). `restore` is the step
    where the record is gone. `per_address`: each
    address of a range has its own value.
    """

    name: str
    check: str
    read: ValueReader
    change_subject: str
    change_summary: str
    restore: str
    is_regression: Callable[[str, str], bool] = str.__ne__
    per_address: bool = False

    def key(self, address: str) -> str:
        return f"{self.name}@{address}" if self.per_address and address else self.name

    def value(self, findings: Iterable[Finding]) -> str | None:
        """The value; None where the check did not learn it."""
        values = [self.read(finding) for finding in findings if finding.verdict is not Verdict.UNKNOWN]
        known = [value for value in values if value is not None]
        return _shortened(max(known, key=len)) if known else None


def observe_findings(previous: Mapping[str, str], report: Report, address: str = "") -> Iterable[Observation]:
    """Observe every subject of every watched check: a problem while its worst finding warns or fails.

    `previous` holds the values that the incident stores. A subject that is the target itself is
    empty, so that the same problem has the same key for every target.
    """
    own_names = {str(report.request.target.ip), str(report.request.target.domain)}
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in report.findings:
        if finding.check in WATCHED_CHECKS:
            subject = "" if finding.subject in own_names else finding.subject
            groups.setdefault((finding.check, subject), []).append(finding)
    for (check, subject), findings in groups.items():
        yield _observe_subject(check, subject, findings, previous, report.at, _own_address(check, address))


def _observe_subject(
    check: str, subject: str, findings: Sequence[Finding], previous: Mapping[str, str], at: datetime, address: str
) -> Observation:
    worst = max(findings, key=lambda finding: finding.verdict)
    states = {Verdict.PASS: ObservedState.NOT_LISTED, Verdict.UNKNOWN: ObservedState.UNKNOWN}
    setting = SETTING_OF_CHECK.get(check) if not subject else None
    previous_value = previous.get(setting.key(address), "") if setting else ""
    value = (setting.value(findings) or "") if setting else ""
    is_removed = setting is not None and previous_value and not value
    return Observation(
        check=check,
        subject=subject,
        state=ObservedState.UNKNOWN if worst.code in NOT_CHECKED else states.get(worst.verdict, ObservedState.LISTED),
        at=at,
        address=address,
        severity=Severity.HIGH if worst.verdict is Verdict.FAIL else Severity.MEDIUM,
        summary=worst.summary,
        # What was there before is better than what a domain without the record is advised to publish.
        remediation=setting.restore.format(value=previous_value) if setting and is_removed else worst.remediation,
        links=worst.links[:2],
        previous_value=previous_value,
        value=value,
        code=worst.code,
    )


def observe_changes(previous: Mapping[str, str], report: Report, address: str = "") -> Iterable[Observation]:
    """Observe every config value against the stored `previous` ones (empty at the first poll)."""
    for setting in CONFIG_SETTINGS:
        findings = [finding for finding in report.findings if finding.check == setting.check]
        value = setting.value(findings)
        if not findings or value == "":
            continue  # a removed value is not stored: when it returns, it is compared with the last one
        key = setting.key(address)
        before = previous.get(key, "")
        state = ObservedState.LISTED if before and value and setting.is_regression(before, value) else None
        yield Observation(
            check=setting.check,
            subject=setting.change_subject,
            state=ObservedState.UNKNOWN if value is None else state or ObservedState.NOT_LISTED,
            at=report.at,
            address=_own_address(setting.check, address),
            summary=setting.change_summary,
            remediation=RESTORE_RECORD,
            config_key=key,
            previous_value=before,
            value=value or "",
            notify_once=True,
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
        SELECTORS: {o.subject.partition(KEY_LABEL)[0] for o in conclusive if KEY_LABEL in o.subject},
    }
    for key, values in memory.items():
        value = " ".join(sorted(values.union(previous.get(key, "").split())))
        if value:
            yield Observation(key, "", ObservedState.NOT_LISTED, at, config_key=key, value=value)


def _shortened(value: str) -> str:
    """Truncate a long value and append a digest, so that every change is still detected."""
    if len(value) <= MAX_VALUE_LENGTH:
        return value
    return f"{value[:MAX_VALUE_LENGTH]}… ({blake2b(value.encode(), digest_size=4).hexdigest()})"


def _joined_values(fact: str) -> ValueReader:
    def read(finding: Finding) -> str | None:
        return ", ".join(sorted(map(str, finding.facts[fact]))) if fact in finding.facts else None

    return read


def _effective_policy(finding: Finding) -> str | None:
    return str(finding.facts["effective"] or "") if "effective" in finding.facts else None


def _is_weaker(previous: str, value: str) -> bool:
    return (
        previous in POLICY_STRENGTH
        and value in POLICY_STRENGTH
        and POLICY_STRENGTH.index(value) < POLICY_STRENGTH.index(previous)
    )


CONFIG_SETTINGS = (
    ConfigSetting("ptr", "ptr", _joined_values("confirmed"), "changed", PTR_CHANGED, PTR_GONE, per_address=True),
    ConfigSetting("dmarc", "dmarc", _effective_policy, "weakened", DMARC_WEAKENED, DMARC_GONE, _is_weaker),
    ConfigSetting("mx", "mx", _joined_values("exchanges"), "changed", MX_CHANGED, MX_GONE),
)
SETTING_OF_CHECK = {setting.check: setting for setting in CONFIG_SETTINGS}


def observe(report: Report, config: Mapping[str, str] | None = None, is_range: bool = False) -> tuple[Observation, ...]:
    """Observations of one report, against the stored `config` of the incident."""
    ip = report.request.target.ip
    address = str(ip) if is_range and ip is not None else ""
    findings = (finding for finding in report.findings if finding.check == BLOCKLIST)
    lists = tuple(part for finding in findings for part in _listings(finding, report.at, address))
    problems = tuple(observe_findings(config or {}, report, address))
    memory: Iterable[Observation] = ()
    if problems:
        memory = (*observe_memory(config or {}, problems, report.at), *observe_run(config or {}, report))
    return (*lists, *problems, *observe_changes(config or {}, report, address), *memory)


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
        remediation=finding.remediation,
        links=finding.links[:2],
        name=str(facts.get("name", finding.subject)),
        # Not stored for a range, where every address has its own reason; a check shows it.
        text="" if address else str((facts.get("txt") or ("",))[0])[:MAX_VALUE_LENGTH],
    )
