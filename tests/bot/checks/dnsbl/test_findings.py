"""What a finding says of every return code of every list, and of several codes at once."""

from __future__ import annotations

from itertools import combinations

import pytest

from bot.checks.dnsbl.catalog import Kind
from bot.checks.dnsbl.classify import Classification, ListState, classify_result
from bot.checks.dnsbl.findings import list_finding
from bot.checks.dnsbl.messages import LOOKUP_PAGE, REMOVAL_FORM
from bot.checks.dnsbl.names import NameSource, QueriedName
from bot.checks.dnsbl.return_codes import Effect, RemovalParty, ReturnCode
from bot.checks.dnsbl.zones import Zone, usable_zones
from bot.models import DnsAnswer, Finding, Report, Role, Verdict
from bot.monitoring.observations import observe
from handlers.messages import report_card
from handlers.messages.formatting import steps_of
from tests.bot.checks.dnsbl.lists import CATALOG, make_request
from tests.support.reports import AT

ZONES = usable_zones(CATALOG, {"spamhaus": "k" * 26, "abusix": "k" * 32, "invaluement": "key"})
NAMES = {Kind.IP4: "203.0.113.5", Kind.IP6: "2001:db8::5", Kind.DOMAIN: "example.com", Kind.EMAIL: "ann@example.com"}


def codes_of(zone: Zone) -> list[ReturnCode]:
    table = zone.blocklist.codes
    codes = (*table.exact.values(), *table.bits.values(), *(code for _, code in table.patterns))
    return [*dict.fromkeys(code for code in codes if code.effect.is_answer)]


def finding_of(zone: Zone, codes: tuple[ReturnCode, ...], role: Role = Role.MTA, is_providers: bool = False) -> Finding:
    text = NAMES[min(zone.blocklist.kinds, key=list(Kind).index)]
    source = NameSource.PTR if is_providers else NameSource.TYPED
    classification = Classification(ListState.LISTED, "", ("127.0.0.2",), codes)
    return list_finding(zone, QueriedName(text, text, source, is_providers), role, classification)


def zone_of(list_id: str) -> Zone:
    return next(zone for zone in ZONES if zone.blocklist.id == list_id)


def zen_codes(*sublists: str) -> tuple[ReturnCode, ...]:
    by_sublist = {code.sublist: code for code in codes_of(zone_of("spamhaus-zen"))}
    return tuple(by_sublist[f"spamhaus-{sublist}"] for sublist in sublists)


@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: zone.blocklist.id)
def test_removal_form_needs_a_reader_who_may_request_removal(zone: Zone) -> None:
    for code in codes_of(zone):
        links = finding_of(zone, (code,)).links
        asks = code.removal.party in (RemovalParty.OWNER, RemovalParty.SELF_SERVICE, RemovalParty.DO_NOT_PAY)
        labels = {link.label for link in links}
        assert labels <= {REMOVAL_FORM, LOOKUP_PAGE}
        assert (REMOVAL_FORM in labels) == (asks and bool(code.removal.form_url) and code.effect is not Effect.ALLOW)


@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: zone.blocklist.id)
def test_two_codes_at_once_have_both_meanings_and_both_steps(zone: Zone) -> None:
    alone = {code: finding_of(zone, (code,)) for code in codes_of(zone)}
    problems = [code for code, finding in alone.items() if finding.verdict > Verdict.PASS]
    for pair in combinations(problems, 2):
        finding = finding_of(zone, pair)
        assert finding.verdict == max(alone[code].verdict for code in pair)
        for code in pair:
            assert code.name in finding.summary
            assert code.meaning in finding.summary
            assert any(step.endswith(alone[code].remediation) for step in steps_of(finding))


@pytest.mark.parametrize(
    ("sublists", "first_link"),
    [
        (("sbl",), LOOKUP_PAGE),
        (("sbl", "xbl"), LOOKUP_PAGE),
        (("drop", "css"), LOOKUP_PAGE),
        (("xbl",), REMOVAL_FORM),
        (("xbl", "pbl"), REMOVAL_FORM),
        (("css", "sbl"), LOOKUP_PAGE),
    ],
)
def test_first_button_of_a_spamhaus_listing(sublists: tuple[str, ...], first_link: str) -> None:
    finding = finding_of(zone_of("spamhaus-zen"), zen_codes(*sublists))
    card = report_card(Report(make_request(), AT, (finding,), 1, 1))
    assert card.buttons[0].label == f"Spamhaus ZEN: {first_link.lower()}"
    assert ("only the network's owner can do so" in card.step) is ("sbl" in sublists)


def test_exploit_of_a_policy_range_has_both_ways_out() -> None:
    finding = finding_of(zone_of("spamhaus-zen"), zen_codes("xbl", "pbl"))
    assert finding.summary.startswith("203.0.113.5 is on Spamhaus XBL (a machine behind it is infected ")
    assert " and Spamhaus PBL (Spamhaus counts this range " in finding.summary
    assert finding.remediation.startswith("Find and clean ")
    (other,) = finding.facts["more_steps"]
    assert other.startswith("Spamhaus PBL: Leave PBL only if ")
    report = Report(make_request(), AT, (finding,), 1, 1)
    assert report_card(report).lines[0].detail == other
    (observation,) = observe(report)
    assert observation.remediation == f"{finding.remediation} {other}"


def test_client_needs_no_way_out_of_the_policy_list() -> None:
    finding = finding_of(zone_of("spamhaus-zen"), zen_codes("xbl", "pbl"), Role.CLIENT)
    assert " and Spamhaus PBL (" in finding.summary
    assert finding.remediation.startswith("Find and clean ")
    assert finding.facts["more_steps"] == []


def test_listing_of_a_providers_name_has_no_removal_form() -> None:
    zone = zone_of("spamhaus-dbl")
    finding = finding_of(zone, (codes_of(zone)[0],), is_providers=True)
    assert {link.label for link in finding.links} == {LOOKUP_PAGE}
    assert steps_of(finding_of(zone_of("spamhaus-zen"), zen_codes("xbl", "pbl"), is_providers=True)) == []


def test_many_flags_are_counted_beyond_the_third() -> None:
    zone = zone_of("surbl")
    codes = tuple(code for code in codes_of(zone) if code.effect is Effect.LISTED)
    finding = finding_of(zone, codes)
    shown = f"{codes[0].meaning}, {codes[1].meaning}, and {len(codes) - 2} more reasons"
    assert f"is on SURBL: {shown}; " in finding.summary
    assert len(finding.facts["means"]) == len(codes)


def test_list_that_answers_with_every_code_has_a_short_finding() -> None:
    zone = zone_of("spamhaus-zen")
    answers = tuple(f"127.0.0.{number}" for number in range(2, 256))
    finding = list_finding(
        zone,
        QueriedName("203.0.113.5", "5.113.0.203"),
        Role.MTA,
        classify_result(zone.blocklist, DnsAnswer("q", "A", answers)),
    )
    assert len(finding.summary) < 600
    assert "and 4 more sublists" in finding.summary
    assert len(finding.facts["more_steps"]) == 3
    assert list(finding.facts["answers"]) == list(answers)
    unknown = Classification(ListState.LISTED, "", answers, (), answers)
    finding = list_finding(zone, QueriedName("203.0.113.5", "5.113.0.203"), Role.MTA, unknown)
    assert "the meaning of 127.0.0.2, 127.0.0.3, and 252 more codes is not documented" in finding.summary
