"""Ten companies and how they send mail: their zones, the address that they ask about, and what a consultant would say.

`python -m tests.support.companies` prints each report and summary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

from rich.console import Console

from bot.advice.explanation import Explanation, explain
from bot.checks.lookups import reverse_name
from bot.models import CheckRequest, Report, Target
from handlers.cli.render import RenderedCard
from handlers.messages import explanation_card, report_card
from tests.bot.checks.dkim.keys import rsa_record
from tests.support.dns_world import World
from tests.support.mail_world import mail_world
from tests.support.real_reports import report

DKIM = {"TXT": [rsa_record(2048)]}
PROVIDERS: Mapping[str, Any] = {
    "aspmx.l.google.com": {"A": ["198.51.100.26"]},
    "_spf.google.com": {"TXT": ["v=spf1 ip4:198.51.100.32/27 ~all"]},
    "spf.protection.outlook.com": {"TXT": ["v=spf1 ip4:198.51.100.64/27 -all"]},
    "mx.mail.protection.outlook.com": {"A": ["198.51.100.90"]},
    "sendgrid.net": {"TXT": ["v=spf1 ip4:198.51.100.96/28 ~all"]},
    "u7.wl.sendgrid.net": {"TXT": ["v=spf1 ip4:198.51.100.96/28 -all"]},
    "s1.domainkey.u7.wl.sendgrid.net": DKIM,
    "servers.mcsv.net": {"TXT": ["v=spf1 ip4:198.51.100.112/28 ?all"]},
    "dkim2.mcsv.net": DKIM,
    "amazonses.com": {"TXT": ["v=spf1 ip4:198.51.100.128/27 -all"]},
    "feedback-smtp.eu-west-1.amazonses.com": {"A": ["198.51.100.150"]},
    "k1.dkim.amazonses.com": DKIM,
    reverse_name(ip_address("198.51.100.130")): {"PTR": ["a7-130.smtp-out.eu-west-1.amazonses.com"]},
    "a7-130.smtp-out.eu-west-1.amazonses.com": {"A": ["198.51.100.130"]},
    "mx1.clinic.pphosted.com": {"A": ["198.51.100.161"]},
    reverse_name(ip_address("198.51.100.165")): {"PTR": ["mx0a-clinic.pphosted.com"]},
    "mx0a-clinic.pphosted.com": {"A": ["198.51.100.165"]},
    "mx.ovh.com": {"TXT": ["v=spf1 ip4:198.51.100.176/28 ~all"]},
    "mx1.mail.ovh.net": {"A": ["198.51.100.177"]},
}
REPORTS_TO = "rua=mailto:dmarc@{}"


@dataclass(frozen=True)
class Company:
    """A domain with its zone, the address that is asked about, and what the answer has to contain.

    `worst` is the code of the worst finding ("" where all is in order), `senders` who may send by the
    summary, `new_record` the text that the next step publishes.
    """

    about: str
    domain: str
    zone: Mapping[str, Any]
    worst: str
    senders: tuple[str, ...]
    ip: str = ""
    new_record: str = ""


def dmarc(domain: str, policy: str, rest: str = "") -> dict[str, Any]:
    record = "; ".join(filter(None, ("v=DMARC1", f"p={policy}", rest, REPORTS_TO.format(domain))))
    return {f"_dmarc.{domain}": {"TXT": [record]}}


def host(name: str, ip: str) -> dict[str, Any]:
    return {name: {"A": [ip]}, reverse_name(ip_address(ip)): {"PTR": [name]}}


COMPANIES = (
    Company(
        "A studio on Google Workspace that never published SPF.",
        "studio.example",
        {"studio.example": {"MX": ["1 aspmx.l.google.com"]}},
        "spf.missing-record",
        (),
        new_record="v=spf1 include:_spf.google.com ~all",
    ),
    Company(
        "A law firm on Microsoft 365; DKIM was never switched on.",
        "lawfirm.example",
        {
            "lawfirm.example": {
                "MX": ["0 mx.mail.protection.outlook.com"],
                "TXT": ["v=spf1 include:spf.protection.outlook.com -all"],
            },
            **dmarc("lawfirm.example", "none"),
        },
        "dmarc.monitoring-only",
        ("Microsoft 365",),
    ),
    Company(
        "A factory that sends from its firewall's address; its SPF record does not name it.",
        "factory.example",
        {
            "factory.example": {"MX": ["10 mail.factory.example"], "TXT": ["v=spf1 mx -all"]},
            **host("mail.factory.example", "203.0.113.10"),
            **host("egress.factory.example", "203.0.113.20"),
            "s1._domainkey.factory.example": DKIM,
            **dmarc("factory.example", "quarantine"),
        },
        "spf.fail",
        ("own servers",),
        "203.0.113.20",
        "v=spf1 ip4:203.0.113.20 mx -all",
    ),
    Company(
        "A shop on Google Workspace with SendGrid for its orders; all is in order.",
        "shop.example",
        {
            "shop.example": {"MX": ["1 aspmx.l.google.com"], "TXT": ["v=spf1 include:_spf.google.com -all"]},
            "google._domainkey.shop.example": DKIM,
            "s1._domainkey.shop.example": {"CNAME": ["s1.domainkey.u7.wl.sendgrid.net"]},
            "em7.shop.example": {"CNAME": ["u7.wl.sendgrid.net"]},
            **dmarc("shop.example", "reject"),
        },
        "",
        ("Google Workspace", "SendGrid"),
    ),
    Company(
        "A publisher whose SPF record needs eleven lookups.",
        "publisher.example",
        {
            "publisher.example": {
                "MX": ["10 mail.publisher.example"],
                "TXT": [
                    "v=spf1 mx include:_spf.google.com include:servers.mcsv.net "
                    + " ".join(f"include:s{number}.publisher.example" for number in range(8))
                    + " -all"
                ],
            },
            **{f"s{number}.publisher.example": {"TXT": [f"v=spf1 ip4:192.0.2.{number} -all"]} for number in range(8)},
            **host("mail.publisher.example", "203.0.113.30"),
            "k2._domainkey.publisher.example": {"CNAME": ["dkim2.mcsv.net"]},
            **dmarc("publisher.example", "quarantine"),
        },
        "spf.too-many-lookups",
        ("Google Workspace", "Mailchimp", "own servers", *(f"s{number}.publisher.example" for number in range(8))),
        "203.0.113.30",
    ),
    Company(
        "A clinic behind Proofpoint, which also sends for it; SPF names Microsoft 365 alone.",
        "clinic.example",
        {
            "clinic.example": {
                "MX": ["10 mx1.clinic.pphosted.com"],
                "TXT": ["v=spf1 include:spf.protection.outlook.com -all"],
            },
            **dmarc("clinic.example", "none"),
        },
        "spf.fail",
        ("Microsoft 365",),
        "198.51.100.165",
    ),
    Company(
        "A start-up that sends by Amazon SES with a return path of its own.",
        "startup.example",
        {
            "startup.example": {"MX": ["1 aspmx.l.google.com"], "TXT": ["v=spf1 include:_spf.google.com -all"]},
            "bounce.startup.example": {
                "MX": ["10 feedback-smtp.eu-west-1.amazonses.com"],
                "TXT": ["v=spf1 include:amazonses.com -all"],
            },
            "abc._domainkey.startup.example": {"CNAME": ["k1.dkim.amazonses.com"]},
            "google._domainkey.startup.example": DKIM,
            **dmarc("startup.example", "reject"),
        },
        "spf.other-return-path",
        ("Google Workspace",),
        "198.51.100.130",
    ),
    Company(
        "A university with servers of its own; a new one has no reverse DNS.",
        "university.example",
        {
            "university.example": {"MX": ["10 mx.university.example"], "TXT": ["v=spf1 mx ip4:203.0.113.48/28 -all"]},
            **host("mx.university.example", "203.0.113.40"),
            "mail._domainkey.university.example": DKIM,
            **dmarc("university.example", "quarantine", "sp=none"),
        },
        "ptr.missing",
        ("own servers",),
        "203.0.113.50",
    ),
    Company(
        "A brand that holds a second domain and sends nothing from it.",
        "brand.example",
        {"brand.example": {"A": ["203.0.113.60"]}},
        "spf.missing-record",
        (),
    ),
    Company(
        "An agency on shared hosting whose record lets everybody send.",
        "agency.example",
        {
            "agency.example": {
                "MX": ["1 mx1.mail.ovh.net"],
                "A": ["203.0.113.70"],
                "TXT": ["v=spf1 include:mx.ovh.com a +all"],
            }
        },
        "spf.allows-everyone",
        ("OVHcloud mail", "own servers"),
    ),
)


def report_of(company: Company, zone: Mapping[str, Any] = {}) -> Report:
    """The report of a company; `zone` replaces names, as a step would."""
    target = Target(ip_address(company.ip) if company.ip else None, company.domain)
    world = World(mail_world(domain={**PROVIDERS, **company.zone, **zone}))
    return replace(report(CheckRequest(target), world), elapsed_ms=640)


def explanation_of(company: Company) -> Explanation | None:
    return explain(report_of(company))


def main() -> None:
    console = Console(width=110)
    for company in COMPANIES:
        console.rule(company.about)
        console.print(RenderedCard(report_card(report_of(company))))
        if explanation := explanation_of(company):
            console.print(RenderedCard(explanation_card(explanation)))


if __name__ == "__main__":
    main()
