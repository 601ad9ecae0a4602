"""Whether DNS answers about a watched domain at all: none for hours is a problem of its own. Pure.

A check without an answer moves nothing, so a domain whose name servers died, or whose DNSSEC signatures expired, would
be silent. A fault of the resolver is none of the domain: it shows at the root zone and at the blocklists, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from bot.checks.dnsbl.resolver_fault import FAULT
from bot.inputs.domain_names import display_domain
from bot.models import Report, Verdict
from bot.monitoring.messages import UNANSWERED, UNANSWERED_STEP
from bot.monitoring.models import Observation, ObservedState, Severity
from bot.monitoring.stored_types import from_timestamp

DOMAIN_DNS = "domain-dns"  # the check of the observation; no row of the registry
NOT_ANSWERING, ANSWERING = f"{DOMAIN_DNS}.not-answering", f"{DOMAIN_DNS}.ok"
UNANSWERED_SINCE = "unanswered"  # config key: since when DNS has not answered, in seconds since 1970
UNANSWERED_AFTER = timedelta(hours=6)
RECORD_CHECKS = frozenset({"mx", "spf", "dmarc"})  # of records at the domain or below it


def observe_answers(previous: Mapping[str, str], report: Report) -> Iterable[Observation]:
    """Observe whether DNS answered about the domain of a report; nothing for one that did not look for its records."""
    domain, at = report.request.target.domain, report.at
    verdicts = [finding.verdict for finding in report.findings if finding.check in RECORD_CHECKS]
    if domain is None or not verdicts:
        return
    if any(verdict is not Verdict.UNKNOWN for verdict in verdicts):
        yield Observation(DOMAIN_DNS, "", ObservedState.NOT_LISTED, at, code=ANSWERING)
        if UNANSWERED_SINCE in previous:
            yield _stored("", at)
        return
    if not _resolver_works(report):
        return
    if UNANSWERED_SINCE not in previous:
        yield _stored(f"{at.timestamp():.0f}", at)
    since = _time(previous.get(UNANSWERED_SINCE, ""), at)
    values = {"domain": display_domain(domain), "since": f"{since:%-d %b, %H:%M} UTC"}
    yield Observation(
        DOMAIN_DNS,
        "",
        ObservedState.LISTED if at - since >= UNANSWERED_AFTER else ObservedState.UNKNOWN,
        at,
        severity=Severity.HIGH,
        summary=UNANSWERED.format_map(values),
        remediation=UNANSWERED_STEP.format_map(values),
        code=NOT_ANSWERING,
    )


def _resolver_works(report: Report) -> bool:
    """Whether the root zone answered in the same poll, and the blocklists did not fail alike."""
    is_faulty = any(finding.code == FAULT for finding in report.findings)
    return not is_faulty and any(finding.facts.get("root_answers") for finding in report.findings)


def _stored(value: str, at: datetime) -> Observation:
    return Observation(UNANSWERED_SINCE, "", ObservedState.NOT_LISTED, at, config_key=UNANSWERED_SINCE, value=value)


def _time(seconds: str, now: datetime) -> datetime:
    """The stored time; one ahead of the clock, or that cannot be read, is now."""
    try:
        return min(from_timestamp(int(seconds)), now)
    except ValueError:
        return now
