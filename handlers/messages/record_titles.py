"""What happened to a record, in a few words: `DMARC record removed (was p=quarantine)`, `MX records changed`."""

from __future__ import annotations

from collections.abc import Mapping

from bot.monitoring.models import Observation
from bot.monitoring.record_changes import POLICY_STRENGTH, is_weaker, policy_of
from bot.monitoring.record_values import DKIM_LABEL

# By key; with a dot: of one of several records, such as `dkim.s1`.
RECORD_NAMES: Mapping[str, str] = {
    "ptr": "PTR record",
    "spf": "SPF record",
    "dmarc": "DMARC record",
    "mx": "MX records",
    "mx.": "Address of {detail}",
    "ns": "Name servers",
    "dkim.": "DKIM key of selector {detail}",
    "mta-sts": "MTA-STS record",
    "tls-rpt": "TLS-RPT record",
    "bimi": "BIMI record",
}


def record_title(observation: Observation) -> str:
    """Whether its record was removed, weakened or changed; empty where the observation is about something else."""
    name = _record_name(observation)
    previous, value = _effective(observation.previous_value), _effective(observation.value)
    if not name:
        return ""
    if previous and not value:
        was = policy_of(previous) if observation.check == "dmarc" else previous if observation.check == "ptr" else ""
        policy = f"p={was}" if observation.check == "dmarc" else was
        return f"{name} removed (was {policy})" if was else f"{name} removed"
    if observation.check == "dmarc" and is_weaker(previous, value):
        return f"DMARC weakened (p={policy_of(previous)} → p={policy_of(value)})"
    if not observation.notify_once:
        return ""
    return f"{name} changed" if value else f"{name} removed"


def _record_name(observation: Observation) -> str:
    selector, label, _ = observation.subject.partition(DKIM_LABEL)
    stored_key = observation.config_key.partition("@")[0]
    key = stored_key or (f"{observation.check}.{selector}" if label else observation.check)
    kind, _, detail = key.partition(".")
    return RECORD_NAMES.get(f"{kind}." if detail else kind, "").format(detail=detail)


def _effective(value: str) -> str:
    """A value in today's form; earlier versions stored the policy alone."""
    return f"p={value}" if value in POLICY_STRENGTH else value
