"""Classification table, row by row, on three kinds of list: exact codes, bit flags, any answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.dnsbl import InMemoryTrustCache, ListState, ListTrust, TrustLevel, blocklist_check
from bot.checks.dnsbl.catalog import Blocklist, Controls
from bot.checks.dnsbl.classify import classify_result, classify_with_trust
from bot.models import DnsAnswer, Finding, LookupFailed, LookupResult, Target, Verdict
from tests.bot.checks.dnsbl.lists import (
    ADDRESS,
    CATALOG,
    DOMAIN,
    FakeClock,
    catalog_of,
    get_blocklist,
    make_request,
    public_zone,
)
from tests.support.dns_world import FAILURES, Records, World

# list, target, query name, answer of the listed test point, a listing, an undocumented answer
KINDS = {
    "exact": ("spamhaus-zen", ADDRESS, "5.113.0.203.zen.spamhaus.org", "127.0.0.2", "127.0.0.4", "127.0.0.77"),
    "flags": ("surbl", DOMAIN, "example.com.multi.surbl.org", "127.0.0.254", "127.0.0.72", "127.0.1.2"),
    "any": ("s5h", ADDRESS, "5.113.0.203.all.s5h.net", "127.0.0.2", "127.0.0.9", "127.0.9.9"),
}

NXDOMAIN = None
NODATA: dict[str, Records] = {}
GOOD = ("MUST_LIST", NXDOMAIN)  # answers of the two test points

# answer for the target, answers of the test points, state, reason
TABLE = [
    (NXDOMAIN, GOOD, "not_listed", ""),
    (NXDOMAIN, (NXDOMAIN, NXDOMAIN), "unusable", "emptied"),
    (NXDOMAIN, (NODATA, NXDOMAIN), "unknown", "stripped"),
    (NXDOMAIN, ("timeout", NXDOMAIN), "unknown", "timeout"),
    (NXDOMAIN, ("MUST_LIST", "servfail"), "unknown", "servfail"),
    (NXDOMAIN, ("MUST_LIST", "MUST_LIST"), "unusable", "lists-everything"),
    (NXDOMAIN, (["127.255.255.254"], NXDOMAIN), "unusable", "public-resolver"),
    (NXDOMAIN, (["192.0.2.80"], ["192.0.2.80"]), "unusable", "parked"),
    (NODATA, GOOD, "not_listed", ""),
    (NODATA, (NODATA, NXDOMAIN), "unknown", "stripped"),
    (NODATA, (NODATA, NODATA), "unknown", "stripped"),
    ("LISTING", GOOD, "listed", ""),
    ("UNDOCUMENTED", GOOD, "listed", ""),
    ("LISTING", (NXDOMAIN, NXDOMAIN), "unusable", "emptied"),
    ("LISTING", ("MUST_LIST", "MUST_LIST"), "unusable", "lists-everything"),
    ("LISTING", ("timeout", "timeout"), "unknown", "timeout"),
    (["127.0.0.1"], GOOD, "unusable", None),  # the reason depends on the list
    (["127.255.255.250"], GOOD, "unusable", "key-disabled"),
    (["127.255.255.252"], GOOD, "unusable", "wrong-zone"),
    (["127.255.255.254"], GOOD, "unusable", "public-resolver"),
    (["127.255.255.255"], GOOD, "unusable", "quota"),
    (["127.255.255.17"], GOOD, "unusable", "blocked"),
    (["192.0.2.80"], GOOD, "unusable", "parked"),
    (["127.0.0.2", "192.0.2.80"], GOOD, "unusable", "parked"),
    (["127.0.0.2", "127.255.255.255"], GOOD, "unusable", "quota"),
    ("servfail", GOOD, "unknown", "servfail"),
    ("refused", GOOD, "unknown", "refused"),
    ("formerr", GOOD, "unknown", "formerr"),
    ("notimp", GOOD, "unknown", "notimp"),
    ("loop", GOOD, "unknown", "loop"),
    ("truncated", GOOD, "unknown", "truncated"),
    ("timeout", GOOD, "unknown", "timeout"),
    ("malformed", GOOD, "unknown", "timeout"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("target_answers", "test_points", "state", "reason"), TABLE)
async def test_check_classification_table(target_answers, test_points, state, reason, kind):
    list_id, target, query_name, must_list, listing, undocumented = KINDS[kind]
    placeholders = {"MUST_LIST": [must_list], "LISTING": [listing], "UNDOCUMENTED": [undocumented]}
    zone = public_zone(get_blocklist(list_id))
    world = {}
    for name, answers in (
        (query_name, target_answers),
        (zone.must_list, test_points[0]),
        (zone.must_not_list, test_points[1]),
    ):
        if answers is not NXDOMAIN:
            records = placeholders.get(answers, answers) if isinstance(answers, str) else answers
            world[name] = records if records is NODATA else {"A": records}

    finding = await only_finding(list_id, target, World(world))

    assert finding.facts["state"] == state
    assert reason is None or finding.facts["reason"] == reason
    if state in ("unknown", "unusable"):
        assert finding.verdict is Verdict.UNKNOWN
        assert finding.facts["reason"]


@pytest.mark.parametrize("kind", KINDS)
async def test_classify_nxdomain_with_address_is_contradiction(kind):
    list_id, _, query_name, *_ = KINDS[kind]
    result = DnsAnswer(query_name, "A", ("127.0.0.2",), exists=False)
    assert classify_with_trust(get_blocklist(list_id), result, make_trust(TrustLevel.GOOD)).reason == "contradiction"


async def test_check_list_code_overrides_common_refusal():
    zone = "hostkarma.junkemailfilter.com"
    world = World({f"5.113.0.203.{zone}": {"A": ["127.0.0.1"]}, f"2.0.0.127.{zone}": {"A": ["127.0.0.2"]}})
    finding = await only_finding("hostkarma", ADDRESS, world)
    assert (finding.code, finding.verdict) == ("blocklist.allowed", Verdict.PASS)


@pytest.mark.parametrize(
    ("answer", "sublists"),
    [
        ("127.0.0.8", ["surbl-ph"]),
        ("127.0.0.80", ["surbl-mw", "surbl-abuse"]),
        ("127.0.0.20", ["surbl-dm", "surbl-mw"]),
    ],
)
def test_classify_bit_flags_are_summed(answer, sublists):
    codes = classify_result(get_blocklist("surbl"), DnsAnswer("q", "A", (answer,))).codes
    assert [code.sublist for code in codes] == sublists


def test_classify_refusal_flag_wins():
    classification = classify_result(get_blocklist("uribl"), DnsAnswer("q", "A", ("127.0.0.3",)))
    assert (classification.state, classification.reason) == (ListState.UNUSABLE, "public-resolver")


def test_classify_nodata_without_listed_test_point_is_stripped():
    classification = classify_with_trust(
        get_blocklist("tor-dnsel"), DnsAnswer("q", "A", ()), make_trust(TrustLevel.GOOD)
    )
    assert get_blocklist("tor-dnsel").controls is Controls.MUST_NOT_ONLY
    assert (classification.state, classification.reason) == (ListState.UNKNOWN, "stripped")


addresses = st.one_of(
    st.builds("127.{}.{}.{}".format, *[st.integers(0, 255)] * 3),
    st.builds("127.0.0.{}".format, st.integers(0, 255)),
    st.builds("127.255.255.{}".format, st.integers(0, 255)),
    st.ip_addresses(v=4).map(str),
    st.text(max_size=16),
)
results: st.SearchStrategy[LookupResult] = st.one_of(
    st.builds(LookupFailed, st.sampled_from([*FAILURES, "budget"])),
    st.builds(DnsAnswer, st.just("q"), st.just("A"), st.lists(addresses, max_size=4).map(tuple), exists=st.booleans()),
)
trust_values = st.builds(
    ListTrust,
    st.sampled_from(TrustLevel),
    st.sampled_from(["timeout", "emptied"]),
    st.just(datetime(2026, 11, 24, tzinfo=UTC)),
)


@given(blocklist=st.sampled_from(CATALOG.lists), result=results, trust=trust_values)
def test_classify_only_trusted_answers_are_listed_or_not_listed(
    blocklist: Blocklist, result: LookupResult, trust: ListTrust
):
    classification = classify_with_trust(blocklist, result, trust)

    if classification.state in (ListState.UNKNOWN, ListState.UNUSABLE):
        assert classification.reason
        assert not classification.codes
        return
    assert trust.level is TrustLevel.GOOD
    assert isinstance(result, DnsAnswer)
    if classification.state is ListState.NOT_LISTED:
        assert not result.records
        assert not result.exists or blocklist.controls is Controls.BOTH
        return
    assert result.exists
    assert set(classification.answers) == set(result.records)
    assert all(record.startswith("127.") and not record.startswith("127.255.255.") for record in result.records)
    assert all(code.effect.is_answer for code in classification.codes)
    assert classification.codes or classification.unrecognized


async def only_finding(list_id: str, target: Target, world: World) -> Finding:
    check = blocklist_check(catalog_of(list_id), {}, InMemoryTrustCache(), "resolver", FakeClock())
    (finding,) = await check(make_request(target), world)
    assert (finding.check, finding.subject) == ("blocklist", list_id)
    return finding


def make_trust(trust: TrustLevel) -> ListTrust:
    return ListTrust(trust, "", datetime(2026, 11, 24, tzinfo=UTC))
