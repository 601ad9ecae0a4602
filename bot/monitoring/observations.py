"""Observations of a report: one per blocklist, and broken or changed DNS config of the domain.

Broken config stays a problem until it is right again. A change that may be intended is reported
once, with both values, and is then the new normal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b

from bot.checks.registry import CHECKS, CheckSpec, Need
from bot.checks.spf.result import MAX_LOOKUP_TERMS, MAX_VOID_LOOKUPS
from bot.models import Finding, Report, Verdict
from bot.monitoring.messages import (
    DMARC_WEAKENED,
    MX_CHANGED,
    PTR_CHANGED,
    RESTORE_RECORD,
    SPF_ENDLESS,
    SPF_OVER_LIMITS,
)
from bot.monitoring.models import Observation, ObservedState, Severity

BLOCKLIST = "blocklist"
MAX_VALUE_LENGTH = 300  # of a stored value; fits ten mail servers
POLICY_STRENGTH = ("none", "quarantine", "reject")
OVER_LIMIT_CODES = {"spf.too-many-lookups", "spf.too-many-voids", "spf.too-many-hosts"}
WITHIN_LIMITS = "within the limits"

ValueReader = Callable[[Finding], str | None]


@dataclass(frozen=True, slots=True)
class ConfigSetting:
    """A DNS config value and how it is judged.

    `read` takes it from a finding of `check` (empty: no record; None: unknown). It is broken when
    the finding does not pass and `is_valid` is false, and changed when `is_regression` holds for
    the previous and the current value; both have their own subject. `per_address`: each address of
    a range has its own value.
    """

    name: str
    check: str
    read: ValueReader
    broken_subject: str
    is_valid: Callable[[str], bool] = bool
    changed_subject: str = ""
    change_summary: str = ""
    is_regression: Callable[[str, str], bool] = str.__ne__
    per_address: bool = False

    def relevance(self, finding: Finding) -> tuple[bool, bool, Verdict]:
        """Sort key: the most relevant finding of a check for this value is the largest."""
        value = self.read(finding)
        return value is not None, value is not None and not self.is_valid(value), finding.verdict


def observe_config(previous: Mapping[str, str], report: Report, address: str = "") -> tuple[Observation, ...]:
    """Observe every config value against the stored `previous` ones (empty at the first poll)."""
    observations: list[Observation] = []
    for setting in CONFIG_SETTINGS:
        findings = [finding for finding in report.findings if finding.check == setting.check]
        if findings:
            poll = _ConfigPoll(setting, report.at, address if setting.per_address else "")
            observations += poll.observations(max(findings, key=setting.relevance), previous)
    return tuple(observations)


@dataclass(frozen=True, slots=True)
class _ConfigPoll:
    """One poll of one config value."""

    setting: ConfigSetting
    at: datetime
    address: str

    def observations(self, finding: Finding, previous: Mapping[str, str]) -> Iterable[Observation]:
        setting = self.setting
        value = None if finding.verdict is Verdict.UNKNOWN else setting.read(finding)
        if value is None:
            return [self._unknown(about) for about in (setting.broken_subject, setting.changed_subject) if about]
        previous_value, value = previous.get(self.name, ""), _shortened(value)
        if not setting.changed_subject:
            return [self._broken(finding, previous_value, value, remember=True)]
        # A removed value is not stored: when it returns, it is compared with the last one.
        return [
            self._broken(finding, previous_value, value),
            *([self._changed(previous_value, value)] if value else []),
        ]

    @property
    def name(self) -> str:
        return f"{self.setting.name}@{self.address}" if self.address else self.setting.name

    def _unknown(self, about: str) -> Observation:
        return Observation(self.setting.check, about, ObservedState.UNKNOWN, self.at, self.address)

    def _broken(self, finding: Finding, previous: str, value: str, remember: bool = False) -> Observation:
        is_broken = finding.verdict >= Verdict.WARN and not self.setting.is_valid(value)
        return Observation(
            check=self.setting.check,
            subject=self.setting.broken_subject,
            state=ObservedState.LISTED if is_broken else ObservedState.NOT_LISTED,
            at=self.at,
            address=self.address,
            severity=Severity.HIGH if finding.verdict is Verdict.FAIL else Severity.MEDIUM,
            summary=finding.summary,
            remediation=finding.remediation,
            links=finding.links[:2],
            config_key=self.name if remember else "",
            previous_value=previous,
            value=value,
        )

    def _changed(self, previous: str, value: str) -> Observation:
        is_changed = bool(previous) and self.setting.is_regression(previous, value)
        return Observation(
            check=self.setting.check,
            subject=self.setting.changed_subject,
            state=ObservedState.LISTED if is_changed else ObservedState.NOT_LISTED,
            at=self.at,
            address=self.address,
            summary=self.setting.change_summary,
            remediation=RESTORE_RECORD,
            config_key=self.name,
            previous_value=previous,
            value=value,
            notify_once=True,
        )


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


def _spf_limits(finding: Finding) -> str | None:
    if "lookups" not in finding.facts:
        return None
    lookups, voids = int(finding.facts["lookups"] or 0), int(finding.facts.get("voids") or 0)
    if finding.code in OVER_LIMIT_CODES or lookups > MAX_LOOKUP_TERMS or voids > MAX_VOID_LOOKUPS:
        return SPF_OVER_LIMITS.format(lookups=lookups or SPF_ENDLESS, voids=voids)
    return WITHIN_LIMITS


def _spf_result(finding: Finding) -> str | None:
    """None where DNS failed, or where the lookup limits are the cause: one cause, one problem."""
    result = finding.facts.get("result")
    over_limits = _spf_limits(finding) not in (None, WITHIN_LIMITS)
    return None if result in (None, "unknown", "temperror") or over_limits else str(result)


def _is_weaker(previous: str, value: str) -> bool:
    return (
        previous in POLICY_STRENGTH
        and value in POLICY_STRENGTH
        and POLICY_STRENGTH.index(value) < POLICY_STRENGTH.index(previous)
    )


SETTINGS_OF_CHECKS = (
    ConfigSetting(
        name="ptr",
        check="ptr",
        read=_joined_values("confirmed"),
        broken_subject="gone",
        changed_subject="changed",
        change_summary=PTR_CHANGED,
        per_address=True,
    ),
    ConfigSetting(
        name="spf", check="spf", read=_spf_result, broken_subject="failing", is_valid="pass".__eq__, per_address=True
    ),
    ConfigSetting(
        name="spf-limits", check="spf", read=_spf_limits, broken_subject="limits", is_valid=WITHIN_LIMITS.__eq__
    ),
    ConfigSetting(
        name="dmarc",
        check="dmarc",
        read=_effective_policy,
        broken_subject="gone",
        changed_subject="weakened",
        change_summary=DMARC_WEAKENED,
        is_regression=_is_weaker,
    ),
    ConfigSetting(
        name="mx",
        check="mx",
        read=_joined_values("exchanges"),
        broken_subject="gone",
        changed_subject="changed",
        change_summary=MX_CHANGED,
    ),
)


def _verdict_setting(spec: CheckSpec) -> ConfigSetting:
    """For a watched check without settings of its own: broken while its worst finding warns or fails."""
    return ConfigSetting(
        name=spec.id,
        check=spec.id,
        read=lambda finding: str(finding.verdict),
        broken_subject="failing",
        is_valid=str(Verdict.PASS).__eq__,
        per_address=Need.ADDRESS in spec.needs,
    )


_WITH_SETTINGS = {BLOCKLIST, *(setting.check for setting in SETTINGS_OF_CHECKS)}
_BY_VERDICT = {spec.id: _verdict_setting(spec) for spec in CHECKS if spec.watched and spec.id not in _WITH_SETTINGS}
CONFIG_SETTINGS = (*SETTINGS_OF_CHECKS, *_BY_VERDICT.values())


def observe(report: Report, config: Mapping[str, str] | None = None, is_range: bool = False) -> tuple[Observation, ...]:
    """Observations of one report, against the stored `config` of the incident."""
    ip = report.request.target.ip
    address = str(ip) if is_range and ip is not None else ""
    findings = (finding for finding in report.findings if finding.check == BLOCKLIST)
    lists = tuple(part for finding in findings for part in _listings(finding, report.at, address))
    return lists + observe_config(config or {}, report, address)


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
