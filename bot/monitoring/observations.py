"""The settings that receivers look at, compared with what they were: what is missing or failing, and what was changed.

What breaks mail lasts until it is right again. What somebody may have meant is told once, with both values, and is then
the new normal.

From a report to what a watch follows: the blocklists one by one, and the settings that receivers look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b

from bot.models import Finding, Report, Verdict
from bot.monitoring.models import Observation, Severity, State

LONGEST_VALUE = 300  # of a value that is remembered; ten mail servers fit
STRENGTH = ("none", "quarantine", "reject")
LOOKUPS_ALLOWED, VOIDS_ALLOWED = 10, 2  # RFC 7208 section 4.6.4
OVER_LIMITS = {"spf.too-many-lookups", "spf.too-many-voids", "spf.too-many-hosts"}
WITHIN_LIMITS = "within the limits"
MEANT = "If nobody meant this, set it back."

Read = Callable[[Finding], str | None]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: how its value is read from a finding of `check` (empty: there is none; None: not said), and what is wrong.

    It is `broken` (the word for it) when the finding is no pass and the value not `right`. It is `changed` (the word, and
    the sentence `says`) when `worse` holds for the value before and now. `per_address`: each address of a range has its own.
    """

    name: str
    check: str
    read: Read
    broken: str
    right: Callable[[str], bool] = bool
    changed: str = ""
    says: str = ""
    worse: Callable[[str, str], bool] = str.__ne__
    per_address: bool = False

    def weight(self, finding: Finding) -> tuple[bool, bool, Verdict]:
        """Of several findings of a check, the one that says most about this setting weighs most."""
        value = self.read(finding)
        return value is not None, value is not None and not self.right(value), finding.verdict


def settings_changed(before: Mapping[str, str], report: Report, address: str = "") -> tuple[Observation, ...]:
    """What the report says of every setting, against the values remembered in `before` (none at the first look)."""
    seen: list[Observation] = []
    for setting in SETTINGS:
        findings = [finding for finding in report.findings if finding.check == setting.check]
        if findings:
            look = _Look(setting, report.at, address if setting.per_address else "")
            seen += look.observations(max(findings, key=setting.weight), before)
    return tuple(seen)


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at one setting."""

    setting: Setting
    at: datetime
    address: str

    def observations(self, finding: Finding, before: Mapping[str, str]) -> Iterable[Observation]:
        setting = self.setting
        value = None if finding.verdict is Verdict.UNKNOWN else setting.read(finding)
        if value is None:
            return [self._unknown(about) for about in (setting.broken, setting.changed) if about]
        was, value = before.get(self.name, ""), _short(value)
        if not setting.changed:
            return [self._broken(finding, was, value, remember=True)]
        # A value that is gone is not taken as normal: when it comes back, it is compared with what it was.
        return [self._broken(finding, was, value), *([self._changed(was, value)] if value else [])]

    @property
    def name(self) -> str:
        return f"{self.setting.name}@{self.address}" if self.address else self.setting.name

    def _unknown(self, about: str) -> Observation:
        return Observation(self.setting.check, about, State.UNKNOWN, self.at, self.address)

    def _broken(self, finding: Finding, was: str, value: str, remember: bool = False) -> Observation:
        wrong = finding.verdict >= Verdict.WARN and not self.setting.right(value)
        return Observation(
            check=self.setting.check,
            about=self.setting.broken,
            state=State.LISTED if wrong else State.NOT_LISTED,
            at=self.at,
            address=self.address,
            severity=Severity.HIGH if finding.verdict is Verdict.FAIL else Severity.MEDIUM,
            says=finding.says,
            step=finding.step,
            links=finding.links[:2],
            setting=self.name if remember else "",
            was=was,
            value=value,
        )

    def _changed(self, was: str, value: str) -> Observation:
        moved = bool(was) and self.setting.worse(was, value)
        return Observation(
            check=self.setting.check,
            about=self.setting.changed,
            state=State.LISTED if moved else State.NOT_LISTED,
            at=self.at,
            address=self.address,
            says=self.setting.says,
            step=MEANT,
            setting=self.name,
            was=was,
            value=value,
            passing=True,
        )


def _short(value: str) -> str:
    """A long value keeps its beginning and a digest, so that every change still shows."""
    if len(value) <= LONGEST_VALUE:
        return value
    return f"{value[:LONGEST_VALUE]}… ({blake2b(value.encode(), digest_size=4).hexdigest()})"


def _joined(fact: str) -> Read:
    def read(finding: Finding) -> str | None:
        return ", ".join(sorted(map(str, finding.facts[fact]))) if fact in finding.facts else None

    return read


def _policy(finding: Finding) -> str | None:
    return str(finding.facts["effective"] or "") if "effective" in finding.facts else None


def _limits(finding: Finding) -> str | None:
    if "lookups" not in finding.facts:
        return None
    lookups, voids = int(finding.facts["lookups"] or 0), int(finding.facts.get("voids") or 0)
    if finding.code in OVER_LIMITS or lookups > LOOKUPS_ALLOWED or voids > VOIDS_ALLOWED:
        return f"{lookups or 'endless'} lookups, {voids} of them to nothing"
    return WITHIN_LIMITS


def _result(finding: Finding) -> str | None:
    """Not said where DNS failed, nor where the limits are what is wrong: one cause is one problem."""
    result = finding.facts.get("result")
    over = _limits(finding) not in (None, WITHIN_LIMITS)
    return None if result in (None, "unknown", "temperror") or over else str(result)


def _weaker(was: str, value: str) -> bool:
    return was in STRENGTH and value in STRENGTH and STRENGTH.index(value) < STRENGTH.index(was)


SETTINGS = (
    Setting(
        name="ptr",
        check="ptr",
        read=_joined("confirmed"),
        broken="gone",
        changed="changed",
        says="The reverse name has changed: receivers compare it with the name the server greets with.",
        per_address=True,
    ),
    Setting(name="spf", check="spf", read=_result, broken="failing", right="pass".__eq__, per_address=True),
    Setting(name="spf-limits", check="spf", read=_limits, broken="limits", right=WITHIN_LIMITS.__eq__),
    Setting(
        name="dmarc",
        check="dmarc",
        read=_policy,
        broken="gone",
        changed="weakened",
        says="The DMARC policy has become weaker: receivers let through more mail that only claims to be from this domain.",
        worse=_weaker,
    ),
    Setting(
        name="mx",
        check="mx",
        read=_joined("exchanges"),
        broken="gone",
        changed="changed",
        says="The mail servers of the domain have changed: mail to it now goes elsewhere.",
    ),
)


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
