"""DMARC check: findings about the policy and the record."""

from __future__ import annotations

import pytest

from bot.checks import dmarc
from bot.models import CheckRequest, Finding, Target, Verdict
from tests.support.dns_world import World, Zone

LONG_HOST = ".".join(["a" * 60] * 4) + ".example"
RUA = "rua=mailto:dmarc@example.com"


def zone(text: str | list[str]) -> Zone:
    records = text if isinstance(text, list) or text in ("timeout", "servfail") else [text]
    hosts = {"example.com": {"A": ["203.0.113.5"]}, "example.net": {"MX": ["10 mx.example.net"]}}
    return {**hosts, LONG_HOST: {"A": ["203.0.113.5"]}, "_dmarc.example.com": {"TXT": records}}


async def run_check(world: Zone, domain: str = "example.com") -> list[Finding]:
    return list(await dmarc.check(CheckRequest(Target(domain=domain)), World(world)))


WORLDS: list[tuple[Zone, list[tuple[str, Verdict]]]] = [
    (zone(f"v=DMARC1; p=reject; {RUA}"), [("dmarc.ok", Verdict.PASS)]),
    (zone("v=DMARC1; p=quarantine"), [("dmarc.ok", Verdict.PASS)]),
    (zone("v=DMARC1; p=none"), [("dmarc.monitoring-only", Verdict.WARN)]),
    (zone("v=spf1 -all"), [("dmarc.missing", Verdict.WARN)]),
    ({}, [("dmarc.missing", Verdict.WARN)]),
    (zone(["v=DMARC1; p=none", "v=DMARC1; p=reject"]), [("dmarc.several", Verdict.FAIL)]),
    (zone("v=DMARC1; p=quarentine"), [("dmarc.invalid", Verdict.FAIL)]),
    (zone(f"v=DMARC1; p=quarentine; {RUA}"), [("dmarc.no-policy", Verdict.FAIL)]),
    (zone(f"v=DMARC1; {RUA}"), [("dmarc.monitoring-only", Verdict.WARN)]),
    (zone("v=DMARC1; p=none; pct=20"), [("dmarc.monitoring-only", Verdict.WARN), ("dmarc.removed-tag", Verdict.PASS)]),
    (zone("v=DMARC1; p=reject; t=y"), [("dmarc.testing", Verdict.WARN)]),
    (zone("v=DMARC1; p=none; t=y"), [("dmarc.monitoring-only", Verdict.WARN)]),
    (zone("v=DMARC1; p=reject; sp=none"), [("dmarc.ok", Verdict.PASS), ("dmarc.sp-none", Verdict.WARN)]),
    (zone("v=DMARC1; p=none; sp=none"), [("dmarc.monitoring-only", Verdict.WARN)]),
    (zone("v=DMARC1; p=reject; pct=20"), [("dmarc.ok", Verdict.PASS), ("dmarc.partial", Verdict.WARN)]),
    (zone("v=DMARC1; p=reject; pct=100; ri=9"), [("dmarc.ok", Verdict.PASS), ("dmarc.removed-tag", Verdict.PASS)]),
    (
        zone("v=DMARC1; p=reject; rua=mailto:a@example.net"),
        [("dmarc.ok", Verdict.PASS), ("dmarc.report-unauthorised", Verdict.WARN)],
    ),
    (zone("timeout"), [("dmarc.no-answer", Verdict.UNKNOWN)]),
]


@pytest.mark.parametrize(("world", "expected"), WORLDS)
async def test_dmarc_policy_gives_codes_and_verdicts(world: Zone, expected: list[tuple[str, Verdict]]) -> None:
    assert [(finding.code, finding.verdict) for finding in await run_check(world)] == expected


async def test_dmarc_finding_has_remediation_unless_it_passes() -> None:
    for world, _ in WORLDS:
        for finding in await run_check(world):
            assert bool(finding.remediation) == (finding.verdict is not Verdict.PASS)
            assert finding.code in dmarc.CODES
            assert "{" not in finding.summary + finding.remediation
            assert (finding.check, finding.subject) == ("dmarc", "example.com")


@pytest.mark.parametrize(
    ("address", "name", "txt", "authorized"),
    [
        ("a@example.com", "", [], True),
        ("a@reports.example.com", "", [], True),
        ("a@example.net", "example.com._report._dmarc.example.net", ["v=DMARC1"], True),
        ("a@example.net", "example.com._report._dmarc.example.net", ["v=DMARC1;", "else"], True),
        ("a@example.net", "example.com._report._dmarc.example.net", ["v=spf1"], False),
        ("a@example.net", "", [], False),
        (f"a@{LONG_HOST}", "", [], False),
    ],
)
async def test_dmarc_external_report_address_needs_authorization(
    address: str, name: str, txt: list[str], authorized: bool
) -> None:
    world = dict(zone(f"v=DMARC1; p=reject; rua=mailto:{address}"))
    if name:
        world[name] = {"TXT": txt}
    codes = [finding.code for finding in await run_check(world)]
    assert ("dmarc.report-unauthorised" not in codes) == authorized


async def test_dmarc_report_host_timeout_counts_as_authorized() -> None:
    world = dict(zone("v=DMARC1; p=reject; rua=mailto:a@example.net"))
    world["example.com._report._dmarc.example.net"] = {"TXT": "timeout"}
    assert [finding.code for finding in await run_check(world)] == ["dmarc.ok"]


async def test_dmarc_many_report_addresses_cost_ten_queries() -> None:
    rua = ",".join(f"mailto:a@host{number}.example" for number in range(500))
    world = World(zone(f"v=DMARC1; p=reject; rua={rua}"))
    await dmarc.check(CheckRequest(Target(domain="example.com")), world)
    assert sum("_report" in name for name, _ in world.queries) == 10


async def test_dmarc_facts_have_psl_org_domain_where_it_differs() -> None:
    world = {"a.example.com": {"A": ["203.0.113.5"]}, "_dmarc.a.example.com": {"TXT": ["v=DMARC1; p=reject; psd=n"]}}
    (finding,) = await run_check(world, "a.example.com")
    assert finding.facts["org_domain"] == "a.example.com"
    assert finding.facts["psl_org_domain"] == "example.com"


async def test_dmarc_missing_record_suggests_registered_domain() -> None:
    (finding,) = await run_check({}, "a.mail.example.co.uk")
    assert finding.remediation.startswith("Publish a TXT record at _dmarc.example.co.uk: ")


async def test_dmarc_facts_have_documented_json_keys() -> None:
    (finding,) = await run_check(zone("v=DMARC1; p=reject"))
    keys = {"domain", "record_at", "org_domain", "record", "policy", "effective", "queries"}
    assert keys <= finding.facts.keys()
    assert "psl_org_domain" not in finding.facts


async def test_dmarc_without_domain_queries_nothing() -> None:
    world = World({})
    assert await dmarc.check(CheckRequest(Target.of("203.0.113.5")), world) == []
    assert world.queries == []
