"""Next steps about DMARC, DKIM, MX and PTR that depend on who runs what for the domain. Pure."""

from __future__ import annotations

from bot.advice import messages
from bot.advice.codes import CODES, UNUSED_DOMAIN
from bot.advice.evidence import Evidence
from bot.advice.steps import Change, Step
from bot.inputs.domain_names import display_domain
from bot.models import Finding


def missing_dmarc(evidence: Evidence, finding: Finding) -> Step | None:
    """Full protection for a domain that sends nothing; else reports to a mailbox that exists."""
    if finding.facts.get("near_miss"):  # a record is there, to be corrected
        return None
    name = f"_dmarc.{evidence.organization}"
    values = {"domain": evidence.shown_domain, "name": name}
    if evidence.sends_no_mail and not evidence.takes_mail:
        return _publish(name, "v=DMARC1; p=reject", messages.LOCK_DMARC, values)
    if evidence.takes_no_mail:
        return _publish(name, "v=DMARC1; p=none; rua=mailto:…", messages.DMARC_ELSEWHERE, values)
    if evidence.mx_known and not evidence.exchanges:
        return _publish(name, "v=DMARC1; p=none; rua=mailto:…", messages.FIRST_DMARC, values)
    record = f"v=DMARC1; p=none; rua=mailto:dmarc@{evidence.organization}"
    return _publish(name, record, messages.FIRST_DMARC, values)


def missing_mx(evidence: Evidence, finding: Finding) -> Step | None:
    """A null MX for a domain that says it sends nothing."""
    if not evidence.sends_no_mail:
        return None
    text = messages.NULL_MX.format(domain=evidence.shown_domain)
    return Step(text, Change(finding.subject, "MX", new="0 ."))


def unused_domain(evidence: Evidence, finding: Finding) -> Finding | None:
    """What stands in the place of missing mail servers where SPF and DMARC say that the domain sends nothing."""
    policy = next((each.facts.get("effective") for each in evidence.findings if each.code == "dmarc.ok"), None)
    if finding.code != "mx.missing" or not evidence.sends_no_mail or policy != "reject":
        return None
    text = CODES[UNUSED_DOMAIN]
    summary, remediation = text.fill({"domain": evidence.shown_domain})
    return finding._replace(code=UNUSED_DOMAIN, verdict=text.verdict, summary=summary, remediation=remediation)


def service_key(evidence: Evidence, finding: Finding) -> Step | None:
    """A key that a service publishes or makes is replaced at the service."""
    service = evidence.service_of(finding.subject)
    if service is None or not service.console:
        return None
    values = {"service": service.name, "console": service.console, "name": display_domain(finding.subject)}
    template = messages.SERVICE_KEYS.get(finding.code, messages.SERVICE_KEY)
    return Step(
        template.format_map(values), Change(finding.subject, "TXT", console=service.console, owner=service.name)
    )


def reverse_name(evidence: Evidence, finding: Finding) -> Step | None:
    """Who sets the PTR record of this address: a shared service, or the provider of its network."""
    if service := evidence.address_service:
        return Step(messages.SHARED_PTR.format(service=service.name, ip=finding.subject))
    provider = evidence.network_provider
    if finding.code != "ptr.missing" or provider is None:
        return None
    text = messages.SET_PTR.format(ip=finding.subject, how=provider.rdns_steps)
    return Step(text, Change(finding.subject, "PTR", owner=provider.name))


def _publish(name: str, record: str, template: str, values: dict[str, str]) -> Step:
    exact = record if "…" not in record else ""
    return Step(template.format_map(values | {"record": record}), Change(name, "TXT", new=exact))
