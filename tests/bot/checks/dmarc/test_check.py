"""What is said about a DMARC policy."""

from __future__ import annotations

import pytest

from bot.checks import dmarc
from bot.models import Finding, Order, Target, Verdict
from tests.support.dns_world import World, Zone

RUA = "rua=mailto:dmarc@example.com"


def zone(text: str | list[str]) -> Zone:
    records = text if isinstance(text, list) or text in ("timeout", "servfail") else [text]
    return {"example.com": {"A": ["203.0.113.5"]}, "_dmarc.example.com": {"TXT": records}}


async def look(world: Zone, domain: str = "example.com") -> list[Finding]:
    return list(await dmarc.check(Order(Target(domain=domain)), World(world)))


WORLDS: list[tuple[Zone, list[tuple[str, Verdict]]]] = [
    (zone(f"v=DMARC1; p=reject; {RUA}"), [("dmarc.ok", Verdict.PASS)]),
    (zone("v=DMARC1; p=quarantine"), [("dmarc.ok", Verdict.PASS)]),
    (zone("v=DMARC1; p=none"), [("dmarc.monitoring-only", Verdict.WARN)]),
    (zone("v=spf1 -all"), [("dmarc.missing", Verdict.WARN)]),
    ({}, [("dmarc.missing", Verdict.WARN)]),
    (zone(["v=DMARC1; p=none", "v=DMARC1; p=reject"]), [("dmarc.several", Verdict.FAIL)]),
    (zone("v=DMARC1; p=quarentine"), [("dmarc.invalid", Verdict.FAIL)]),
    (zone(f"v=DMARC1; p=quarentine; {RUA}"), [("dmarc.no-policy", Verdict.FAIL)]),
    (zone(f"v=DMARC1; {RUA}"), [("dmarc.no-policy", Verdict.FAIL)]),
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


@pytest.mark.parametrize(("world", "found"), WORLDS)
async def test_a_policy_is_judged(world: Zone, found: list[tuple[str, Verdict]]) -> None:
    assert [(finding.code, finding.verdict) for finding in await look(world)] == found


async def test_what_is_not_right_has_a_next_step() -> None:
    for world, _ in WORLDS:
        for finding in await look(world):
            assert bool(finding.step) == (finding.verdict is not Verdict.PASS)
            assert finding.code in dmarc.CODES
            assert "{" not in finding.says + finding.step
            assert (finding.check, finding.about) == ("dmarc", "example.com")


def test_every_outcome_is_documented_and_every_document_has_an_outcome() -> None:
    assert dmarc.OUTCOMES.keys() == dmarc.CODES.keys()


@pytest.mark.parametrize(
    ("address", "name", "agreement", "authorised"),
    [
        ("a@example.com", "", [], True),
        ("a@reports.example.com", "", [], True),
        ("a@example.net", "example.com._report._dmarc.example.net", ["v=DMARC1"], True),
        ("a@example.net", "example.com._report._dmarc.example.net", ["v=DMARC1;", "else"], True),
        ("a@example.net", "example.com._report._dmarc.example.net", ["v=spf1"], False),
        ("a@example.net", "", [], False),
        ("a@" + ".".join(["a" * 60] * 4) + ".example", "", [], False),
    ],
)
async def test_reports_leave_the_domain_only_where_the_other_side_agrees(
    address: str, name: str, agreement: list[str], authorised: bool
) -> None:
    world = dict(zone(f"v=DMARC1; p=reject; rua=mailto:{address}"))
    if name:
        world[name] = {"TXT": agreement}
    found = [finding.code for finding in await look(world)]
    assert ("dmarc.report-unauthorised" not in found) == authorised


async def test_silence_of_the_report_receiver_is_not_a_refusal() -> None:
    world = dict(zone("v=DMARC1; p=reject; rua=mailto:a@example.net"))
    world["example.com._report._dmarc.example.net"] = {"TXT": "timeout"}
    assert [finding.code for finding in await look(world)] == ["dmarc.ok"]


async def test_an_army_of_report_addresses_costs_ten_questions() -> None:
    rua = ",".join(f"mailto:a@host{number}.example" for number in range(500))
    world = World(zone(f"v=DMARC1; p=reject; rua={rua}"))
    await dmarc.check(Order(Target(domain="example.com")), world)
    assert sum("_report" in name for name, _ in world.asked) == 10


async def test_the_answer_by_the_public_suffix_list_is_told_where_it_differs() -> None:
    world = {"a.example.com": {"A": ["203.0.113.5"]}, "_dmarc.a.example.com": {"TXT": ["v=DMARC1; p=reject; psd=n"]}}
    (finding,) = await look(world, "a.example.com")
    assert finding.facts["org_domain"] == "a.example.com"
    assert finding.facts["psl_org_domain"] == "example.com"


async def test_the_first_record_belongs_at_the_registered_domain() -> None:
    (finding,) = await look({}, "a.mail.example.co.uk")
    assert finding.step.startswith("Publish a TXT record at _dmarc.example.co.uk: ")


async def test_the_json_of_the_contract_is_in_the_facts() -> None:
    (finding,) = await look(zone("v=DMARC1; p=reject"))
    keys = {"domain", "record_at", "org_domain", "record", "policy", "effective", "queries"}
    assert keys <= finding.facts.keys()
    assert "psl_org_domain" not in finding.facts


async def test_without_a_domain_nothing_is_asked() -> None:
    world = World({})
    assert await dmarc.check(Order(Target.of("203.0.113.5")), world) == []
    assert world.asked == []
