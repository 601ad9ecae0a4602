"""Which step a report gives, by who sends for the domain and who owns the record."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest

from bot.advice import STEPS, advise
from bot.check_runner import CheckRunner
from bot.checks.registry import CHECKS
from bot.models import CheckRequest, Finding, Report, Role, Target, Verdict
from tests.support.dns_world import World

AT = datetime(2026, 1, 1, tzinfo=UTC)
JUDGED = tuple(spec for spec in CHECKS if spec.id in ("ptr", "spf", "dmarc", "mx", "dkim"))
D = "firm.example"
GOOGLE = {"MX": ["1 aspmx.l.google.com"]}
OWN = {"MX": [f"10 mx.{D}"]}
WORLD: dict[str, Any] = {
    "aspmx.l.google.com": {"A": ["198.51.100.26"]},
    f"mx.{D}": {"A": ["198.51.100.5"]},
    "_spf.google.com": {"TXT": ["v=spf1 ip4:198.51.100.64/27 ~all"]},
    "41.100.51.198.in-addr.arpa": {"PTR": ["mail-sor-f41.google.com"]},
    "mail-sor-f41.google.com": {"A": ["198.51.100.41"]},
    "42.100.51.198.in-addr.arpa": {"PTR": ["o1.outbound-mail.sendgrid.net"]},
    "o1.outbound-mail.sendgrid.net": {"A": ["198.51.100.42"]},
    "u1.wl.sendgrid.net": {"TXT": ["v=spf1 ip4:198.51.100.42 -all"]},
    "k1.domainkey.u1.wl.sendgrid.net": {"TXT": ["v=DKIM1; p=AAAA"]},
    "open.partner.example": {"TXT": ["v=spf1 +all"]},
    "soft.partner.example": {"TXT": ["v=spf1 ptr:partner.example ~all"]},
    "wrap.partner.example": {"TXT": ["v=spf1 include:open.partner.example -all"]},
}


async def report_of(
    zone: dict[str, Any], ip: str = "", domain: str = D, role: Role = Role.MTA, selectors: tuple[str, ...] = ()
) -> Report:
    world = World(WORLD | zone)
    request = CheckRequest(Target(ip_address(ip) if ip else None, domain), role, selectors=selectors)
    return await CheckRunner(JUDGED, world, world, lambda: AT, allow_special=True).run(request)


def finding_with(report: Report, code: str) -> Finding:
    return next(finding for finding in report.findings if finding.code == code)


@pytest.mark.parametrize(
    ("apex", "ip", "code", "new"),
    [
        (GOOGLE, "", "spf.missing-record", "v=spf1 include:_spf.google.com ~all"),
        (OWN, "", "spf.missing-record", "v=spf1 mx ~all"),
        ({"MX": ["0 ."]}, "", "spf.missing-record", "v=spf1 -all"),
        ({"A": ["198.51.100.9"]}, "", "spf.missing-record", None),
        (GOOGLE, "203.0.113.9", "spf.missing-record", "v=spf1 ip4:203.0.113.9 include:_spf.google.com ~all"),
        (OWN, "198.51.100.41", "spf.missing-record", "v=spf1 mx include:_spf.google.com ~all"),
        (OWN | {"TXT": ["v=spf1 mx -all"]}, "198.51.100.41", "spf.fail", "v=spf1 mx include:_spf.google.com -all"),
        (OWN | {"TXT": ["v=spf1 mx -all"]}, "198.51.100.42", "spf.other-return-path", None),
        (OWN | {"TXT": ["v=spf1 mx ~all"]}, "203.0.113.9", "spf.softfail", "v=spf1 ip4:203.0.113.9 mx ~all"),
        (
            OWN | {"TXT": ["v=spf1 include:none.partner.example ip4:203.0.113.9 -all"]},
            "203.0.113.9",
            "spf.permanent-error",
            "v=spf1 ip4:203.0.113.9 include:none.partner.example ip4:203.0.113.9 -all",
        ),
        (OWN | {"TXT": ["v=spf1 ip5:1 -all"]}, "203.0.113.9", "spf.permanent-error", None),
    ],
)
async def test_spf_step_names_the_record_that_is_safe(
    apex: dict[str, Any], ip: str, code: str, new: str | None
) -> None:
    finding = finding_with(await report_of({D: apex}, ip), code)
    assert (finding.facts.get("change") or {}).get("new") == finding.facts.get("new_record") == new
    assert "ip4:198.51.100.4" not in finding.remediation, "an address that all customers of a service share"
    assert new is None or new in finding.remediation or "after v=spf1" in finding.remediation


@pytest.mark.parametrize(
    ("record", "code", "words"),
    [
        ("v=spf1 include:open.partner.example -all", "spf.allows-everyone", "Remove “include:open.partner.example”"),
        ("v=spf1 include:wrap.partner.example -all", "spf.allows-everyone", "Remove “include:wrap.partner.example”"),
        ("v=spf1 include:soft.partner.example -all", "spf.uses-ptr", "Ask partner.example to correct"),
    ],
)
async def test_fault_in_foreign_record_is_not_ours_to_edit(record: str, code: str, words: str) -> None:
    finding = finding_with(await report_of({D: OWN | {"TXT": [record]}}), code)
    assert finding.remediation.startswith(words)
    assert finding.facts["change"]["new"] is None


async def test_alias_of_a_service_is_never_edited() -> None:
    zone = {f"em1.{D}": {"CNAME": ["u1.wl.sendgrid.net"]}}
    finding = finding_with(await report_of(zone, "203.0.113.9", f"em1.{D}"), "spf.fail")
    assert "alias (CNAME) of SendGrid" in finding.remediation
    assert (finding.facts["change"]["new"], finding.facts["change"]["owner"]) == (None, "SendGrid")


async def test_key_of_a_service_is_replaced_at_the_service() -> None:
    zone = {D: OWN, f"s1._domainkey.{D}": {"CNAME": ["k1.domainkey.u1.wl.sendgrid.net"]}}
    report = await report_of(zone, selectors=("s1",))
    (finding,) = [finding for finding in report.findings if finding.check == "dkim"]
    assert "Settings, Sender Authentication" in finding.remediation
    assert finding.facts["change"]["owner"] == "SendGrid"


@pytest.mark.parametrize(
    ("apex", "new"),
    [
        ({"MX": ["0 ."], "TXT": ["v=spf1 -all"]}, "v=DMARC1; p=reject"),
        (OWN, f"v=DMARC1; p=none; rua=mailto:dmarc@{D}"),
        (OWN | {"TXT": ["v=spf1 -all"]}, f"v=DMARC1; p=none; rua=mailto:dmarc@{D}"),
        ({"A": ["198.51.100.9"], "TXT": ["v=spf1 -all"]}, "v=DMARC1; p=reject"),
        ({"MX": ["0 ."]}, None),
    ],
)
async def test_first_dmarc_record_fits_what_the_domain_does(apex: dict[str, Any], new: str | None) -> None:
    finding = finding_with(await report_of({D: apex}), "dmarc.missing")
    assert finding.facts["change"]["new"] == new
    assert new is None or new in finding.remediation


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("cato", "Ask Cato Support to set the PTR record; PTR is not available for addresses in Cato's China PoPs."),
        ("hetzner", "Set the reverse DNS entry of the address in the Hetzner console."),
    ],
)
async def test_missing_ptr_step_is_that_of_the_network_of_the_address(provider: str, words: str) -> None:
    report = await report_of({}, "203.0.113.9")
    holder = Finding("network", "203.0.113.9", Verdict.PASS, "network.holder", "", "", {"provider": provider})
    advised = advise(report.request, [*report.findings, holder])
    missing = next(finding for finding in advised if finding.code == "ptr.missing")
    assert words in missing.remediation
    assert ("Cato" in missing.remediation) == (provider == "cato")


@pytest.mark.parametrize(
    ("apex", "terms"),
    [
        (GOOGLE | {"TXT": ["v=spf1 mx include:_spf.google.com ~all"]}, ["mx"]),
        (OWN | {"TXT": ["v=spf1 mx -all"]}, []),
        (GOOGLE | {"MX": ["1 aspmx.l.google.com", f"5 mx.{D}"], "TXT": ["v=spf1 mx -all"]}, []),
        (OWN | {"TXT": ["v=spf1 mx include:servers.mcsv.net -all"]}, ["include:servers.mcsv.net"]),
    ],
)
async def test_term_is_unneeded_only_where_no_sender_needs_it(apex: dict[str, Any], terms: list[str]) -> None:
    report = await report_of({D: apex, "servers.mcsv.net": {"TXT": ["v=spf1 ip4:203.0.113.0/28 ~all"]}})
    assert [f.facts["term"] for f in report.findings if f.code == "spf.unneeded-term"] == terms


def test_steps_are_about_codes_that_checks_have() -> None:
    assert set(STEPS) <= {code for spec in CHECKS for code in spec.codes}


@pytest.mark.parametrize(
    ("zone", "verdict"),
    [({}, Verdict.WARN), ({f"s1._domainkey.{D}": {"CNAME": ["k1.domainkey.u1.wl.sendgrid.net"]}}, Verdict.PASS)],
    ids=["no key seen", "key seen"],
)
async def test_address_with_another_return_path_depends_on_its_key(zone: dict[str, Any], verdict: Verdict) -> None:
    report = await report_of({D: OWN | {"TXT": ["v=spf1 mx -all"]}, **zone}, "198.51.100.42")
    finding = finding_with(report, "spf.other-return-path")
    assert finding.verdict is verdict
    assert ("s1._domainkey" in finding.summary) == (verdict is Verdict.PASS)


async def test_shared_address_without_a_known_include_gets_the_one_of_the_account() -> None:
    zone = {
        D: OWN | {"TXT": ["v=spf1 mx -all"]},
        "60.100.51.198.in-addr.arpa": {"PTR": ["mx0a-firm.pphosted.com"]},
        "mx0a-firm.pphosted.com": {"A": ["198.51.100.60"]},
    }
    finding = finding_with(await report_of(zone, "198.51.100.60"), "spf.fail")
    assert "add the include that the Proofpoint admin center" in finding.remediation


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("v=spf1 -all include:_spf.google.com", "Move “include:_spf.google.com” in front of -all"),
        ("v=spf1 ip4=203.0.113.9 -all", "Write “ip4:203.0.113.9” instead"),
        ("v=spf1 ip6:::ffff:203.0.113.9 -all", "Write “ip4:203.0.113.9” instead"),
        ("v=spf1 -ip4:203.0.113.9 mx ~all", "“-ip4:203.0.113.9” in the SPF record of firm.example names 203.0.113.9"),
        ("v=spf1 ~ip4:203.0.113.0/28 mx -all", "“~ip4:203.0.113.0/28” in the SPF record"),
    ],
)
async def test_unlisted_address_step_corrects_the_term_that_is_there(record: str, words: str) -> None:
    report = await report_of({D: OWN | {"TXT": [record]}}, "203.0.113.9")
    finding = next(finding for finding in report.findings if finding.code in ("spf.fail", "spf.softfail"))
    assert finding.remediation.startswith(words)
    assert finding.facts["change"]["new"] is None


@pytest.mark.parametrize(
    ("apex", "found"),
    [
        (OWN | {"TXT": ["v=spf1 -all"]}, True),
        (OWN | {"TXT": ["v=spf1 mx -all"]}, False),
        ({"MX": ["0 ."], "TXT": ["v=spf1 -all"]}, False),
        ({"A": ["198.51.100.9"], "TXT": ["v=spf1 -all"]}, False),
        ({"MX": ["10 192.0.2.1"], "TXT": ["v=spf1 -all"]}, False),
    ],
)
async def test_record_without_sender_beside_mail_servers_warns(apex: dict[str, Any], found: bool) -> None:
    codes = [finding.code for finding in (await report_of({D: apex})).findings]
    assert ("spf.no-sender" in codes) == found


@pytest.mark.parametrize(
    ("record", "new"),
    [
        ("v=spf1 ip4:203.0.113.9, ip4:203.0.113.10 ~all", "v=spf1 ip4:203.0.113.9 ip4:203.0.113.10 ~all"),
        ("v=spf1 a,mx -all", "v=spf1 a mx -all"),
        ("v=spf1 203.0.113.0/28 2001:db8::9 -all", "v=spf1 ip4:203.0.113.0/28 ip6:2001:db8::9 -all"),
        ("v=spf1 ipv4:203.0.113.9 -all", "v=spf1 ip4:203.0.113.9 -all"),
        ("v=spf1 ip4:203.0.113.999 -all", None),
        ("v=spf1 server mx -all", None),
    ],
)
@pytest.mark.parametrize(("ip", "code"), [("", "spf.syntax-error"), ("203.0.113.9", "spf.permanent-error")])
async def test_misspelled_record_is_corrected_where_its_meaning_is_clear(
    record: str, new: str | None, ip: str, code: str
) -> None:
    finding = finding_with(await report_of({D: OWN | {"TXT": [record]}}, ip), code)
    assert (finding.facts.get("change") or {}).get("new") == new
    assert new is None or finding.remediation.endswith(f"to: {new}")


async def test_name_that_does_not_exist_is_one_finding() -> None:
    report = await report_of({}, domain="gone.firm.example")
    codes = [finding.code for finding in report.findings if finding.verdict >= Verdict.WARN]
    assert codes == ["mx.no-domain"]


@pytest.mark.parametrize(
    ("spf", "dmarc", "code"),
    [
        ("v=spf1 -all", "v=DMARC1; p=reject", "mx.unused"),
        ("v=spf1 -all", "v=DMARC1; p=none", "mx.missing"),
        ("v=spf1 ip4:203.0.113.9 -all", "v=DMARC1; p=reject", "mx.missing"),
    ],
)
async def test_domain_that_sends_and_takes_nothing_is_in_order(spf: str, dmarc: str, code: str) -> None:
    report = await report_of({D: {"TXT": [spf]}, f"_dmarc.{D}": {"TXT": [dmarc]}})
    (finding,) = (each for each in report.findings if each.check == "mx")
    assert finding.code == code
    assert (finding.verdict is Verdict.PASS) == (code == "mx.unused")
