"""The answer table, row by row, on three kinds of list: exact codes, flags, and any answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.dnsbl import ProcessMemory, Standing, State, Trust, blocklist_check
from bot.checks.dnsbl.catalog import Blocklist, Controls
from bot.checks.dnsbl.classify import Outcome, read, read_alone
from bot.models import Answer, LookupFailed, Target, Verdict
from tests.bot.checks.dnsbl.lists import ADDRESS, CATALOGUE, DOMAIN, Clock, named, only, order, public
from tests.support.dns_world import FAILURES, Records, World

# list, target, the question, the answer of its must-list point, a listing, an answer that its table does not hold
KINDS = {
    "exact": ("spamhaus-zen", ADDRESS, "5.113.0.203.zen.spamhaus.org", "127.0.0.2", "127.0.0.4", "127.0.0.77"),
    "flags": ("surbl", DOMAIN, "example.com.multi.surbl.org", "127.0.0.254", "127.0.0.72", "127.0.1.2"),
    "any": ("s5h", ADDRESS, "5.113.0.203.all.s5h.net", "127.0.0.2", "127.0.0.9", "127.0.9.9"),
}

NXDOMAIN = None
NODATA: dict[str, Records] = {}
GOOD = ("MUST_LIST", NXDOMAIN)  # what the two test points answer

# what the target answers, what the test points answer, the state, the reason
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
    ("STRANGE", GOOD, "listed", ""),
    ("LISTING", (NXDOMAIN, NXDOMAIN), "unusable", "emptied"),
    ("LISTING", ("MUST_LIST", "MUST_LIST"), "unusable", "lists-everything"),
    ("LISTING", ("timeout", "timeout"), "unknown", "timeout"),
    (["127.0.0.1"], GOOD, "unusable", None),  # the reason is the list's own
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
@pytest.mark.parametrize(("target_answers", "points", "state", "reason"), TABLE)
async def test_every_row_of_the_answer_table(target_answers, points, state, reason, kind):
    list_id, target, question, must_list, listing, strange = KINDS[kind]
    words = {"MUST_LIST": [must_list], "LISTING": [listing], "STRANGE": [strange]}
    zone = public(named(list_id))
    world = {}
    for name, answers in ((question, target_answers), (zone.must_list, points[0]), (zone.must_not_list, points[1])):
        if answers is not NXDOMAIN:
            known = words.get(answers, answers) if isinstance(answers, str) else answers
            world[name] = known if known is NODATA else {"A": known}

    finding = await only_finding(list_id, target, World(world))

    assert finding.facts["state"] == state
    assert reason is None or finding.facts["reason"] == reason
    if state in ("unknown", "unusable"):
        assert finding.verdict is Verdict.UNKNOWN
        assert finding.facts["reason"]


@pytest.mark.parametrize("kind", KINDS)
async def test_no_such_name_with_an_address_is_a_contradiction(kind):
    list_id, _, question, *_ = KINDS[kind]
    outcome = Answer(question, "A", ("127.0.0.2",), exists=False)
    assert read(named(list_id), outcome, standing(Trust.GOOD)).reason == "contradiction"


async def test_a_list_may_give_a_refusal_another_meaning():
    world = World({"5.113.0.203.hostkarma.junkemailfilter.com": {"A": ["127.0.0.1"]}})
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
def test_flags_are_a_sum(answer, sublists):
    codes = read_alone(named("surbl"), Answer("q", "A", (answer,))).codes
    assert [code.sublist for code in codes] == sublists


def test_a_flag_that_means_refused_beats_the_others():
    reading = read_alone(named("uribl"), Answer("q", "A", ("127.0.0.3",)))
    assert (reading.state, reading.reason) == (State.UNUSABLE, "public-resolver")


def test_no_such_name_proves_nothing_where_answers_are_stripped_and_no_entry_is_promised():
    reading = read(named("tor-dnsel"), Answer("q", "A", ()), standing(Trust.GOOD))
    assert named("tor-dnsel").controls is Controls.MUST_NOT_ONLY
    assert (reading.state, reading.reason) == (State.UNKNOWN, "stripped")


addresses = st.one_of(
    st.builds("127.{}.{}.{}".format, *[st.integers(0, 255)] * 3),
    st.builds("127.0.0.{}".format, st.integers(0, 255)),
    st.builds("127.255.255.{}".format, st.integers(0, 255)),
    st.ip_addresses(v=4).map(str),
    st.text(max_size=16),
)
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(LookupFailed, st.sampled_from([*FAILURES, "budget"])),
    st.builds(Answer, st.just("q"), st.just("A"), st.lists(addresses, max_size=4).map(tuple), exists=st.booleans()),
)
standings = st.builds(
    Standing,
    st.sampled_from(Trust),
    st.sampled_from(["timeout", "emptied"]),
    st.just(datetime(2026, 11, 24, tzinfo=UTC)),
)


@given(blocklist=st.sampled_from(CATALOGUE.lists), outcome=outcomes, standing=standings)
def test_only_a_true_answer_of_a_list_in_good_standing_is_listed_or_not_listed(
    blocklist: Blocklist, outcome: Outcome, standing: Standing
):
    reading = read(blocklist, outcome, standing)

    if reading.state in (State.UNKNOWN, State.UNUSABLE):
        assert reading.reason
        assert not reading.codes
        return
    assert standing.trust is Trust.GOOD
    assert isinstance(outcome, Answer)
    if reading.state is State.NOT_LISTED:
        assert not outcome.records
        assert not outcome.exists or blocklist.controls is Controls.BOTH
        return
    assert outcome.exists
    assert set(reading.answers) == set(outcome.records)
    assert all(record.startswith("127.") and not record.startswith("127.255.255.") for record in outcome.records)
    assert all(code.effect.is_answer for code in reading.codes)
    assert reading.codes or reading.unrecognised


async def only_finding(list_id: str, target: Target, world: World):
    check = blocklist_check(only(list_id), {}, ProcessMemory(), "resolver", Clock())
    (finding,) = await check(order(target), world)
    assert (finding.check, finding.about) == ("blocklist", list_id)
    return finding


def standing(trust: Trust) -> Standing:
    return Standing(trust, "", datetime(2026, 11, 24, tzinfo=UTC))
