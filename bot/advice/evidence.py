"""What a whole report says about who sends for a domain and who owns its records. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.checks.hosting_providers import Provider, providers
from bot.checks.lookups import organizational_domain
from bot.checks.mail_services import MailService, any_below, mail_services, spf_domains
from bot.checks.spf.lint import MAX_RECORD_BYTES
from bot.inputs.domain_names import display_domain
from bot.models import CheckRequest, Finding, Verdict

__all__ = ["MAX_RECORD_BYTES", "Evidence", "SpfRecords", "gather"]

NULL_MX = "."


@dataclass(frozen=True, slots=True)
class SpfRecords:
    """The SPF records under a domain, as the check read them; see `published`."""

    domain: str = ""
    records: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    hosts: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """The record of the domain itself, empty if there is none or not exactly one."""
        return self.records.get(self.domain, "")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the findings of a report show.

    `exchanges` are the MX names in order, `.` for a null MX; `mx_known` is false where DNS did not
    answer. `selectors` are the names of DKIM keys with the name they are an alias for, if any.
    """

    request: CheckRequest
    findings: Sequence[Finding]
    spf: SpfRecords = SpfRecords()
    exchanges: tuple[str, ...] = ()
    mx_known: bool = False
    ptr_names: tuple[str, ...] = ()
    selectors: Mapping[str, str] = field(default_factory=dict)
    network_provider: Provider | None = None

    @property
    def domain(self) -> str:
        return self.request.target.domain or ""

    @property
    def shown_domain(self) -> str:
        return display_domain(self.domain)

    @property
    def organization(self) -> str:
        return organizational_domain(self.domain)

    @property
    def takes_no_mail(self) -> bool:
        """Whether the domain says so: a null MX alone."""
        return bool(self.exchanges) and all(name == NULL_MX for name in self.exchanges)

    @property
    def takes_mail(self) -> bool:
        """Whether mail servers are named, and at least one of them has an address."""
        broken = any(finding.check == "mx" and finding.verdict is Verdict.FAIL for finding in self.findings)
        return bool(self.exchanges) and not self.takes_no_mail and not broken

    @property
    def sends_no_mail(self) -> bool:
        return self.spf.root.lower().split() == ["v=spf1", "-all"]

    @property
    def mailbox_services(self) -> tuple[MailService, ...]:
        """The services that hold the mailboxes or stand in front of them, by MX."""
        return tuple(service for service in mail_services() if any_below(self.exchanges, service.mx))

    @property
    def receiving_service(self) -> MailService | None:
        """The service of every MX host, if its hosts receive mail and never send."""
        receiving = (service for service in self.mailbox_services if service.receives)
        return next((s for s in receiving if all(any_below((name,), s.mx) for name in self.exchanges)), None)

    @property
    def address_service(self) -> MailService | None:
        """The service whose shared address is checked, by the PTR names."""
        return next((service for service in mail_services() if any_below(self.ptr_names, service.ptr)), None)

    @property
    def services(self) -> tuple[MailService, ...]:
        """All services that the domain shows to use, by MX, SPF record and DKIM selectors."""
        included = spf_domains([self.spf.root])
        return tuple(
            service
            for service in mail_services()
            if any_below(self.exchanges, service.mx)
            or any_below(included, service.spf)
            or any_below(self.selectors.values(), service.dkim)
        )

    def owns(self, name: str) -> bool:
        """Whether a name belongs to the organization of the domain and is no alias of someone else's."""
        target = self.spf.aliases.get(name, name)
        return organizational_domain(target) == self.organization

    def service_of(self, selector: str) -> MailService | None:
        """The service that publishes a DKIM key: by its alias, or as the mailbox service with such a selector."""
        alias, label = self.selectors.get(selector, ""), selector.partition("._domainkey.")[0]
        by_alias = (service for service in mail_services() if alias and any_below((alias,), service.dkim))
        named = (service for service in self.services if label in service.selectors and service.console)
        return next(by_alias, None) or (None if alias else next(named, None))


def gather(request: CheckRequest, findings: Sequence[Finding]) -> Evidence:
    """Read the evidence from the facts of findings."""
    mx = next((finding for finding in findings if finding.check == "mx"), None)
    exchanges = tuple(record.partition(" ")[2] for record in _texts(mx, "exchanges"))
    ptr = next((finding for finding in findings if finding.check == "ptr"), None)
    holder = next((finding.facts.get("provider") for finding in findings if finding.code == "network.holder"), None)
    return Evidence(
        request,
        findings,
        _spf_records(request, findings),
        exchanges,
        mx is not None and mx.code != "mx.no-answer",
        tuple(_texts(ptr, "confirmed")) or tuple(_texts(ptr, "names")),
        {finding.subject: str(finding.facts.get("alias") or "") for finding in findings if finding.check == "dkim"},
        providers().get(str(holder)),
    )


def _spf_records(request: CheckRequest, findings: Sequence[Finding]) -> SpfRecords:
    domain = request.target.domain or ""
    facts: Mapping[str, Any] = next(
        (f.facts for f in findings if f.check == "spf" and f.subject == domain and "records" in f.facts), {}
    )
    return SpfRecords(domain, facts.get("records", {}), facts.get("aliases", {}), facts.get("hosts", {}))


def _texts(finding: Finding | None, key: str) -> list[str]:
    return list(finding.facts.get(key) or ()) if finding else []
