"""DNSBL check from request to findings: queries, texts, and secrets that must not leak."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from ipaddress import ip_address

import pytest

from bot.checks.dnsbl import CODES, InMemoryTrustCache, blocklist_check
from bot.checks.dnsbl.catalog import Blocklist, Catalog
from bot.checks.dnsbl.classify import classify_result
from bot.checks.dnsbl.findings import list_finding
from bot.checks.dnsbl.messages import REASONS
from bot.checks.dnsbl.names import QueriedName
from bot.checks.dnsbl.return_codes import Severity
from bot.checks.dnsbl.zones import usable_zones, zone_of
from bot.models import Check, DnsAnswer, Finding, LookupFailed, LookupResult, Role, Target, Verdict
from bot.report_json import finding_to_json
from tests.bot.checks.dnsbl.lists import ADDRESS, CATALOG, DOMAIN, FakeClock, catalog_of, get_blocklist, make_request
from tests.bot.checks.dnsbl.test_bulk import FakeBulkLookup
from tests.support.dns_world import World

KEYS = {"spamhaus": "s3cretspamhauskey0123456789", "abusix": "s3cretabusixkey"}
ZEN = "5.113.0.203.zen.spamhaus.org"
FORM = "https://check.spamhaus.org/results/?query=203.0.113.5"


def healthy_world(records=None, keys=None) -> World:
    """A world in which every list answers its test points and lists nothing else."""
    test_points = {zone.must_list: {"A": ["127.0.0.2"]} for zone in usable_zones(CATALOG, keys or {}) if zone.must_list}
    return World(test_points | (records or {}))


def make_check(catalog=CATALOG, keys=None, cache=None, clock=None, timeout_s=2.0) -> Check:
    return blocklist_check(
        catalog, keys or {}, cache or InMemoryTrustCache(), "resolver", clock or FakeClock(), timeout_s
    )


async def zen_finding_for(answers, role=Role.MTA, txt=()) -> Finding:
    world = healthy_world({ZEN: {"A": answers, "TXT": txt}})
    (finding,) = await make_check(catalog_of("spamhaus-zen"))(make_request(ADDRESS, role), world)
    return finding


# --- queries


@pytest.mark.parametrize(
    ("target", "kinds"),
    [
        (ADDRESS, {"ip4"}),
        (Target(ip_address("2001:db8::5")), {"ip6"}),
        (DOMAIN, {"domain"}),
        (Target(ip_address("203.0.113.5"), "example.com"), {"ip4", "domain"}),
    ],
)
async def test_check_returns_one_finding_per_matching_list_in_order(target, kinds):
    findings = await make_check()(make_request(target), healthy_world())
    fitting = [zone.blocklist.id for zone in usable_zones(CATALOG, {}) if kinds & zone.blocklist.kinds]
    assert [finding.subject for finding in findings] == fitting
    assert {finding.code for finding in findings} == {"blocklist.not-listed"}
    assert {finding.verdict for finding in findings} == {Verdict.PASS}


async def test_check_ipv6_queries_nibbles_and_ipv4_test_points():
    world = healthy_world()
    await make_check(catalog_of("spamhaus-zen"))(make_request(Target(ip_address("2001:db8::5"))), world)
    assert {name for name, _ in world.queries} == {
        "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.spamhaus.org",
        "2.0.0.127.zen.spamhaus.org",
        "1.0.0.127.zen.spamhaus.org",
    }


@pytest.mark.parametrize(
    ("code", "mentioned"),
    [("127.0.0.3", True), ("127.0.0.10", True), ("127.255.255.254", False)],
    ids=["listed", "policy", "refused"],
)
async def test_finding_ipv6_listing_mentions_the_64_network(code, mentioned):
    target = Target(ip_address("2001:db8:0:7::5"))
    name = "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.spamhaus.org"
    (finding,) = await make_check(catalog_of("spamhaus-zen"))(
        make_request(target), healthy_world({name: {"A": [code]}})
    )
    assert ("2001:db8:0:7::/64" in finding.summary) is mentioned


async def test_check_without_key_skips_lists_that_need_one():
    without = {finding.subject for finding in await make_check()(make_request(), healthy_world())}
    with_key = {finding.subject for finding in await make_check(keys=KEYS)(make_request(), healthy_world(keys=KEYS))}
    assert with_key - without == {"abusix", "spamhaus-authbl"}


async def test_check_disabled_list_is_not_queried_until_enabled():
    world = healthy_world({"5.113.0.203.bl.score.senderscore.com": {"A": ["127.0.0.20"]}})
    assert await make_check(catalog_of("validity-rpbl"))(make_request(), world) == []
    enabled = Catalog((replace(get_blocklist("validity-rpbl"), enabled=True),))
    (finding,) = await make_check(enabled)(make_request(), world)
    assert (finding.code, finding.verdict) == ("blocklist.listed", Verdict.FAIL)
    assert len(finding.facts["means"]) == 2  # spam traps and a low score
    refusing = World({"5.113.0.203.bl.score.senderscore.com": {"A": ["127.255.255.255"]}})
    (finding,) = await make_check(enabled)(make_request(), refusing)
    assert (finding.facts["state"], finding.facts["reason"]) == ("unusable", "quota")
    assert finding.remediation == "Register your resolver with Validity, which answers no other."


@pytest.mark.parametrize(
    ("list_id", "keys", "name"),
    [
        ("msbl-ebl", {}, "85e20fa15f500fa17c1b6975c6647445094c26d9.ebl.msbl.org"),
        ("spamhaus-hbl", KEYS, "_email.s3cretspamhauskey0123456789.hbl.dq.spamhaus.net"),
    ],
)
async def test_check_mail_address_is_queried_by_its_hash(list_id, keys, name):
    target = Target(domain="example.com", mailbox="Ann+x@example.com")
    world = healthy_world(keys=keys)
    (finding,) = await make_check(catalog_of(list_id), keys)(make_request(target), world)
    assert finding.summary == f"Ann+x@example.com is not on {get_blocklist(list_id).name}."
    assert finding.facts["holds"] == "mail addresses"
    asked = [query for query, _ in world.queries]
    assert any(query.endswith(name) for query in asked)
    assert not [query for query in asked if "ann" in query.lower()]


async def test_check_key_is_queried_and_never_displayed():
    name = f"5.113.0.203.{KEYS['spamhaus']}.zen.dq.spamhaus.net"
    world = healthy_world({name: {"A": ["127.0.0.4"], "TXT": [f"you asked {name}"]}}, KEYS)
    findings = await make_check(keys=KEYS)(make_request(Target(ip_address("203.0.113.5"), "example.com")), world)
    output = json.dumps([finding_to_json(finding) for finding in findings])
    assert findings[0].facts["txt"] == ["you asked 5.113.0.203.….zen.dq.spamhaus.net"]
    assert findings[0].facts["zone"] == "zen.spamhaus.org"
    assert name in {query for query, _ in world.queries}
    for key in KEYS.values():
        assert key not in output
        assert key not in repr(usable_zones(CATALOG, KEYS))


@pytest.mark.parametrize("before", [280, 290, 299])
async def test_check_key_at_the_end_of_a_truncated_text_is_not_displayed(before):
    key = KEYS["spamhaus"]
    name = f"5.113.0.203.{key}.zen.dq.spamhaus.net"
    world = healthy_world({name: {"A": ["127.0.0.4"], "TXT": ["-" * before + key.upper()]}}, KEYS)
    findings = await make_check(keys=KEYS)(make_request(), world)
    assert findings[0].facts["txt"] == ["-" * before + "…"]


async def test_check_txt_is_queried_for_listings_and_truncated():
    finding = await zen_finding_for(["127.0.0.4"], txt=["x" * 5000] * 9)
    assert [len(text) for text in finding.facts["txt"]] == [300] * 4
    world = healthy_world({ZEN: {"A": ["127.255.255.254"]}})
    await make_check()(make_request(), world)
    assert "TXT" not in {rdtype for _, rdtype in world.queries}


async def test_check_without_cache_queries_all_in_one_batch():
    world = healthy_world()
    expected = {
        name for zone in usable_zones(CATALOG, {}) if "ip4" in zone.blocklist.kinds for name in zone.test_point_names
    }
    all_queried = asyncio.Event()

    async def answer_when_all_queried(name, rdtype):
        answer = await world(name, rdtype)
        if expected <= {query for query, _ in world.queries}:
            all_queried.set()
        await all_queried.wait()
        return answer

    findings = await make_check()(make_request(), answer_when_all_queried)
    assert {finding.facts["state"] for finding in findings} == {"not_listed"}


@pytest.mark.parametrize("target", [ADDRESS, DOMAIN])
async def test_check_resolver_strips_answers_is_unknown(target):
    list_zones = usable_zones(CATALOG, {})
    label = "example.com" if target is DOMAIN else "5.113.0.203"
    stripped = {f"{label}.{zone.apex}": {} for zone in list_zones} | {
        zone.must_list: {} for zone in list_zones if zone.must_list
    }
    findings = await make_check()(make_request(target), World(stripped))
    assert {(finding.facts["state"], finding.facts["reason"]) for finding in findings} == {("unknown", "stripped")}


# --- trust cache


async def test_check_trusted_list_gets_one_query():
    cache, clock = InMemoryTrustCache(), FakeClock()
    check = make_check(cache=cache, clock=clock)
    await check(make_request(), healthy_world())
    clock.advance(minutes=9)
    world = healthy_world()
    findings = await check(make_request(), world)
    assert len(world.queries) == len(findings) + 1  # and the PTR name


async def test_check_refreshes_trust_early_and_survives_timeout():
    check = make_check(catalog_of("spamcop"), cache=InMemoryTrustCache(), clock=(clock := FakeClock()))
    test_point = "2.0.0.127.bl.spamcop.net"
    await check(make_request(), healthy_world())
    clock.advance(minutes=12)
    world = World({test_point: {"A": "timeout"}})
    (finding,) = await check(make_request(), world)
    assert (test_point, "A") in world.queries
    assert finding.facts["state"] == "not_listed"
    clock.advance(minutes=4)
    (finding,) = await check(make_request(), world)
    assert (finding.facts["state"], finding.facts["reason"]) == ("unknown", "timeout")


async def test_check_unusable_list_is_retried_after_a_minute():
    check = make_check(catalog_of("spamcop"), cache=InMemoryTrustCache(), clock=(clock := FakeClock()))
    (finding,) = await check(make_request(), World({}))
    assert finding.facts["reason"] == "emptied"
    (finding,) = await check(make_request(), recovered := healthy_world())
    assert (finding.facts["reason"], len(recovered.queries)) == ("emptied", 1)
    clock.advance(minutes=1)
    (finding,) = await check(make_request(), recovered)
    assert finding.facts["state"] == "not_listed"


async def test_check_trust_is_separate_per_resolver():
    cache = InMemoryTrustCache()
    first = blocklist_check(catalog_of("spamcop"), {}, cache, "192.0.2.53", FakeClock())
    second = blocklist_check(catalog_of("spamcop"), {}, cache, "192.0.2.54", FakeClock())
    await first(make_request(), healthy_world())
    (finding,) = await second(make_request(), World({"2.0.0.127.bl.spamcop.net": {}}))
    assert (finding.facts["state"], finding.facts["reason"]) == ("unknown", "stripped")


# --- timeouts


async def test_check_silent_list_times_out_without_delaying_others():
    world = healthy_world({ZEN: {"A": ["127.0.0.4"], "TXT": ["why"]}})
    cancelled = []

    async def some_silent(name, rdtype):
        if name.endswith("bl.spamcop.net"):
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(name)
        return await world(name, rdtype)

    async with asyncio.timeout(5):
        findings = await make_check(catalog_of("spamhaus-zen", "spamcop", "psbl"), timeout_s=0.05)(
            make_request(), some_silent
        )
    zen_finding, spamcop, psbl = findings
    assert (spamcop.facts["state"], spamcop.facts["reason"]) == ("unknown", "timeout")
    assert (spamcop.code, spamcop.verdict) == ("blocklist.no-answer", Verdict.UNKNOWN)
    assert zen_finding.facts["txt"] == ["why"]
    assert psbl.facts["state"] == "not_listed"
    assert len(cancelled) == 3


async def test_check_listing_without_txt_answer_is_listed():
    world = healthy_world({ZEN: {"A": ["127.0.0.4"]}})

    async def no_text(name, rdtype):
        if rdtype == "TXT":
            await asyncio.Event().wait()
        return await world(name, rdtype)

    (finding,) = await make_check(catalog_of("spamhaus-zen"), timeout_s=0.05)(make_request(), no_text)
    assert (finding.facts["state"], finding.facts["txt"]) == ("listed", [])


# --- findings


@pytest.mark.parametrize(
    ("answer", "role", "verdict", "step"),
    [
        ("127.0.0.10", Role.CLIENT, Verdict.PASS, ""),
        ("127.0.0.11", Role.CLIENT, Verdict.PASS, ""),
        ("127.0.0.10", Role.MTA, Verdict.FAIL, "then ask your provider, which added this range"),
        ("127.0.0.11", Role.MTA, Verdict.FAIL, "then use the removal form for this one address"),
    ],
)
async def test_finding_pbl_passes_client_and_fails_mail_server(answer, role, verdict, step):
    finding = await zen_finding_for([answer], role)
    assert (finding.code, finding.verdict) == ("blocklist.policy", verdict)
    assert finding.facts["sublists"] == ["spamhaus-pbl"]
    assert FORM in {link.url for link in finding.links}
    if role is Role.CLIENT:
        assert "expected for an address that does not send mail itself" in finding.summary
        assert finding.remediation == ""
    else:
        assert "static address, PTR set, forward-confirmed, SPF pass" in finding.remediation
        assert step in finding.remediation
        assert finding.facts["preconditions"] == ["static address", "PTR set", "forward-confirmed", "SPF pass"]


@pytest.mark.parametrize("role", Role)
async def test_finding_worst_code_decides_and_all_are_named(role):
    finding = await zen_finding_for(["127.0.0.10", "127.0.0.9", "127.0.0.4", "127.0.0.2"], role)
    assert (finding.code, finding.verdict) == ("blocklist.listed", Verdict.FAIL)
    assert finding.facts["answers"] == ["127.0.0.2", "127.0.0.4", "127.0.0.9", "127.0.0.10"]
    assert set(finding.facts["sublists"]) == {"spamhaus-sbl", "spamhaus-xbl", "spamhaus-drop", "spamhaus-pbl"}
    assert "provider" in finding.remediation


@pytest.mark.parametrize(
    ("list_id", "target", "answer", "verdict", "code", "step"),
    [
        ("spamhaus-zen", ADDRESS, "127.0.0.2", Verdict.FAIL, "blocklist.listed", "have your provider request"),
        ("spamhaus-zen", ADDRESS, "127.0.0.3", Verdict.FAIL, "blocklist.listed", "first, then use the removal form"),
        (
            "spamhaus-zen",
            ADDRESS,
            "127.0.0.4",
            Verdict.FAIL,
            "blocklist.listed",
            "machine first, then use the removal form",
        ),
        ("spamhaus-dbl", DOMAIN, "127.0.1.2", Verdict.FAIL, "blocklist.listed", "then use the removal form"),
        ("spamhaus-dbl", DOMAIN, "127.0.1.255", Verdict.UNKNOWN, "blocklist.unusable", ""),
        ("spamcop", ADDRESS, "127.0.0.2", Verdict.FAIL, "blocklist.listed", "expires by itself about 24 hours"),
        ("uceprotect-1", ADDRESS, "127.0.0.2", Verdict.WARN, "blocklist.listed", "wait, do not pay"),
        ("uceprotect-2", ADDRESS, "127.0.0.2", Verdict.WARN, "blocklist.listed", "Wait, do not pay"),
        ("uceprotect-3", ADDRESS, "127.0.0.2", Verdict.PASS, "blocklist.listed", ""),
        ("spamrats-all", ADDRESS, "127.0.0.37", Verdict.WARN, "blocklist.policy", "Set a PTR record for the address"),
        ("tor-dnsel", ADDRESS, "127.0.0.2", Verdict.PASS, "blocklist.noted", ""),
        ("dnswl", ADDRESS, "127.0.5.3", Verdict.PASS, "blocklist.allowed", ""),
        ("dnswl", ADDRESS, "127.0.0.255", Verdict.UNKNOWN, "blocklist.unusable", "Use your own resolver."),
        ("hostkarma", ADDRESS, "127.0.0.5", Verdict.PASS, "blocklist.allowed", ""),
        ("dnswl", ADDRESS, "127.0.10.0", Verdict.UNKNOWN, "blocklist.unusable", "Use your own resolver."),
        ("dnswl", ADDRESS, "127.0.10.3", Verdict.UNKNOWN, "blocklist.unusable", "Use your own resolver."),
        ("spamhaus-zen", ADDRESS, "127.0.0.40", Verdict.FAIL, "blocklist.unrecognised", "Look it up at Spamhaus"),
        ("spamcop", ADDRESS, "127.0.0.3", Verdict.WARN, "blocklist.unrecognised", "Look it up at SpamCop"),
        ("psbl", ADDRESS, "127.0.0.3", Verdict.WARN, "blocklist.unrecognised", "Look it up at PSBL"),
        ("kempt", ADDRESS, "127.0.0.3", Verdict.PASS, "blocklist.unrecognised", ""),
        ("tor-dnsel", ADDRESS, "127.0.0.3", Verdict.PASS, "blocklist.unrecognised", ""),
        ("mailspike-wl", ADDRESS, "127.0.0.3", Verdict.PASS, "blocklist.unrecognised", ""),
        ("spamhaus-zen", ADDRESS, "127.255.255.254", Verdict.UNKNOWN, "blocklist.unusable", "or a Spamhaus DQS key"),
    ],
)
async def test_finding_verdict_code_and_remediation_match_answer(list_id, target, answer, verdict, code, step):
    zone = zone_of(get_blocklist(list_id), {})
    query_name = f"{'example.com' if target is DOMAIN else '5.113.0.203'}.{zone.apex}"
    (finding,) = await make_check(catalog_of(list_id))(
        make_request(target), healthy_world({query_name: {"A": [answer]}})
    )
    assert (finding.verdict, finding.code) == (verdict, code)
    assert step in finding.remediation
    assert step or not finding.remediation


@pytest.mark.parametrize(
    ("answers", "role", "code", "verdict", "summary"),
    [
        (["127.0.0.40"], Role.CLIENT, "blocklist.unrecognised", Verdict.FAIL, "the meaning of 127.0.0.40 is not"),
        (["127.0.0.11", "127.0.0.40"], Role.CLIENT, "blocklist.unrecognised", Verdict.FAIL, "and Spamhaus PBL ("),
        (["127.0.0.11", "127.0.0.40"], Role.MTA, "blocklist.policy", Verdict.FAIL, "should not send mail directly"),
        (["127.0.0.40", "127.0.0.77"], Role.MTA, "blocklist.unrecognised", Verdict.FAIL, "127.0.0.40 and 127.0.0.77"),
    ],
)
async def test_finding_unknown_code_counts_beside_known_ones(answers, role, code, verdict, summary):
    finding = await zen_finding_for(answers, role)
    assert (finding.code, finding.verdict) == (code, verdict)
    assert summary in finding.summary
    assert finding.facts["answers"] == answers
    assert finding.facts["unrecognised"] == [answer for answer in answers if answer != "127.0.0.11"]
    assert FORM in {link.url for link in finding.links}


async def test_finding_link_opens_with_the_listed_domain():
    world = healthy_world({"example.com.dbl.spamhaus.org": {"A": ["127.0.1.2"]}})
    (finding,) = await make_check(catalog_of("spamhaus-dbl"))(make_request(DOMAIN), world)
    assert finding.links[0].url == "https://check.spamhaus.org/results/?query=example.com"


async def test_finding_key_zone_that_does_not_exist_suggests_to_check_the_key():
    (finding,) = await make_check(catalog_of("spamhaus-zen"), KEYS)(make_request(), World({}))
    assert finding.facts["reason"] == "emptied"
    assert finding.remediation == "Check the key in your account with Spamhaus."


async def test_finding_barracuda_without_answer_suggests_registration():
    (finding,) = await make_check(catalog_of("barracuda"))(make_request(), World({}))
    assert finding.facts["reason"] == "emptied"
    assert finding.remediation == "Register your resolver with Barracuda, which answers no other."
    assert finding.links[0].url == get_blocklist("barracuda").registration_url


async def test_finding_facts_have_same_keys_in_every_state():
    keys = {"state", "answers", "sublists", "txt", "reason", "severity", "name", "zone"}
    for answers in (["127.0.0.4"], ["127.0.0.99"], ["192.0.2.80"], []):
        assert keys <= (await zen_finding_for(answers)).facts.keys()


def all_answers():
    cases = []
    for blocklist in CATALOG.lists:
        codes = blocklist.codes
        answers = [answer for answer, code in codes.exact.items() if code.effect.is_answer]
        answers += [f"127.0.0.{bit}" for bit in codes.bits]
        answers += [".".join(str(part[0]) for part in pattern.ranges) for pattern, _ in codes.patterns]
        cases += [
            pytest.param(blocklist, DnsAnswer("q", "A", (answer,)), id=f"{blocklist.id}-{answer}") for answer in answers
        ]
    reasons = [*REASONS, "never-heard-of"]
    return cases + [pytest.param(get_blocklist("spamhaus-zen"), LookupFailed(reason), id=reason) for reason in reasons]


SUBJECTS = {"ip4": "203.0.113.5", "ip6": "203.0.113.5", "domain": "example.com", "email": "ann@example.com"}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("blocklist", "result"), all_answers())
def test_finding_texts_are_single_sentences_with_known_code(blocklist: Blocklist, result: LookupResult, role: Role):
    zone = zone_of(replace(blocklist, enabled=True), {blocklist.key: "key"} if blocklist.key else {})
    subject = SUBJECTS[next(iter(blocklist.kinds))]
    finding = list_finding(zone, QueriedName(subject, subject), role, classify_result(blocklist, result))
    assert finding.code in CODES
    for sentence in (finding.summary, finding.remediation) if finding.remediation else (finding.summary,):
        assert sentence.endswith(".")
        assert sentence[0].isupper() or sentence.startswith((subject, blocklist.name))
        assert ". " not in sentence
        assert not set("{}\n") & set(sentence)
    assert finding.summary.count(subject) == 1
    assert all(link.url.startswith("http") and not set("{} ") & set(link.url) for link in finding.links)
    if finding.verdict in (Verdict.WARN, Verdict.FAIL):
        assert finding.remediation
        assert finding.links
        assert finding.facts["severity"] != Severity.NONE
    if finding.facts.get("state") == "listed":
        assert_links_lead_to(subject, finding)
    json.dumps(dict(finding.facts))


def assert_links_lead_to(subject: str, finding: Finding) -> None:
    """The first link opens with the listed name where any page of the list does, and opening one changes nothing."""
    urls = [link.url for link in finding.links]
    if any(subject in url for url in urls):
        assert subject in urls[0], urls
    assert not any("action=" in url.lower() and "remov" in url.lower() for url in urls)
    assert not any(url.endswith(("=", "?")) for url in urls), "a query with nothing in it"
    if finding.code == "blocklist.allowed":
        assert all("removal" not in link.label.lower() for link in finding.links), "praise needs no removal"


class FailingWorld(World):
    """The first `failures` queries for a name fail."""

    def __init__(self, records, name: str, failures: int) -> None:
        super().__init__(healthy_world(records).zone)
        self.name, self.failures = name, failures

    def answer(self, name: str, rdtype: str) -> DnsAnswer:
        if name == self.name and rdtype == "A" and self.failures:
            self.failures -= 1
            raise LookupFailed("servfail")
        return super().answer(name, rdtype)


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize(
    ("name", "failures", "expected"),
    [
        (ZEN, 1, ("listed", "")),
        (ZEN, 9, ("unknown", "servfail")),
        ("2.0.0.127.zen.spamhaus.org", 2, ("listed", "")),
        ("2.0.0.127.zen.spamhaus.org", 9, ("unknown", "servfail")),
    ],
)
async def test_check_server_that_failed_is_queried_again(name, failures, expected, bulk):
    world = FailingWorld({ZEN: {"A": ["127.0.0.4"], "TXT": ["why"]}}, name, failures)
    check = make_check(catalog_of("spamhaus-zen"))
    (finding,) = await check(make_request(), FakeBulkLookup(world) if bulk else world)
    assert (finding.facts["state"], finding.facts["reason"]) == expected
    assert finding.facts["txt"] == (["why"] if expected == ("listed", "") else [])


async def test_check_without_time_left_does_not_query():
    (finding,) = await make_check(catalog_of("spamhaus-zen"), timeout_s=0)(make_request(), world := healthy_world())
    assert (finding.facts["state"], finding.facts["reason"], world.queries) == ("unknown", "time", [])


async def test_finding_txt_is_in_the_order_of_the_answer():
    texts = ["zebra", "apple", "mango"]
    assert (await zen_finding_for(["127.0.0.4"], txt=texts)).facts["txt"] == texts
