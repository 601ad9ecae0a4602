"""The blocklist check from order to findings: what is asked, what is said, and what is never shown."""

from __future__ import annotations

import asyncio
import json
from ipaddress import ip_address

import pytest

from bot.checks.dnsbl import CODES, ProcessMemory, blocklist_check
from bot.checks.dnsbl.classify import read_alone
from bot.checks.dnsbl.findings import finding_of
from bot.checks.dnsbl.messages import REASONS
from bot.checks.dnsbl.return_codes import Severity
from bot.checks.dnsbl.zones import zone_of, zones
from bot.models import Answer, LookupFailed, Role, Target, Verdict
from bot.report_json import finding_to_json
from tests.bot.checks.dnsbl.lists import ADDRESS, CATALOGUE, DOMAIN, Clock, named, only, order
from tests.support.dns_world import World

KEYS = {"spamhaus": "s3cretspamhauskey0123456789", "abusix": "s3cretabusixkey"}
ZEN = "5.113.0.203.zen.spamhaus.org"
FORM = "https://check.spamhaus.org/results/?query=203.0.113.5"


def healthy_world(more=None, keys=None):
    """Every list keeps its test points and holds nothing else."""
    points = {zone.must_list: {"A": ["127.0.0.2"]} for zone in zones(CATALOGUE, keys or {}) if zone.must_list}
    return World(points | (more or {}))


def make(catalogue=CATALOGUE, keys=None, memory=None, clock=None, budget_s=2.0):
    return blocklist_check(catalogue, keys or {}, memory or ProcessMemory(), "resolver", clock or Clock(), budget_s)


async def zen(answers, role=Role.MTA, txt=()):
    world = healthy_world({ZEN: {"A": answers, "TXT": txt}})
    (finding,) = await make(only("spamhaus-zen"))(order(ADDRESS, role), world)
    return finding


# --- what is asked


@pytest.mark.parametrize(
    ("target", "kinds"),
    [
        (ADDRESS, {"ip4"}),
        (Target(ip_address("2001:db8::5")), {"ip6"}),
        (DOMAIN, {"domain"}),
        (Target(ip_address("203.0.113.5"), "example.com"), {"ip4", "domain"}),
    ],
)
async def test_every_list_that_fits_gives_one_finding_in_the_order_of_the_catalogue(target, kinds):
    findings = await make()(order(target), healthy_world())
    fitting = [zone.blocklist.id for zone in zones(CATALOGUE, {}) if kinds & zone.blocklist.kinds]
    assert [finding.about for finding in findings] == fitting
    assert {finding.code for finding in findings} == {"blocklist.not-listed"}
    assert {finding.verdict for finding in findings} == {Verdict.PASS}


async def test_domain_lists_are_asked_about_the_registered_domain_and_never_about_an_address():
    world = healthy_world()
    await make()(order(Target(ip_address("203.0.113.5"), "mail.example.co.uk")), world)
    names = {name for name, _ in world.asked}
    assert "example.co.uk.dbl.spamhaus.org" in names
    assert not {name for name in names if name.startswith("mail.") or name.startswith("5.113.0.203.dbl.")}


async def test_an_ipv6_address_is_asked_by_nibble_and_its_lists_are_proved_by_their_ipv4_points():
    world = healthy_world()
    await make(only("spamhaus-zen"))(order(Target(ip_address("2001:db8::5"))), world)
    assert {name for name, _ in world.asked} == {
        "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.spamhaus.org",
        "2.0.0.127.zen.spamhaus.org",
        "1.0.0.127.zen.spamhaus.org",
    }


@pytest.mark.parametrize(
    ("code", "said"),
    [("127.0.0.3", True), ("127.0.0.10", True), ("127.255.255.254", False)],
    ids=["listed", "policy", "refused"],
)
async def test_an_ipv6_entry_is_said_to_be_for_the_whole_64(code, said):
    target = Target(ip_address("2001:db8:0:7::5"))
    name = "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.spamhaus.org"
    (finding,) = await make(only("spamhaus-zen"))(order(target), healthy_world({name: {"A": [code]}}))
    assert ("2001:db8:0:7::/64" in finding.says) is said


async def test_a_list_that_needs_a_key_is_left_out_without_it():
    without = {finding.about for finding in await make()(order(), healthy_world())}
    with_key = {finding.about for finding in await make(keys=KEYS)(order(), healthy_world(keys=KEYS))}
    assert with_key - without == {"abusix", "spamhaus-authbl"}


async def test_a_key_is_used_and_never_shown():
    name = f"5.113.0.203.{KEYS['spamhaus']}.zen.dq.spamhaus.net"
    world = healthy_world({name: {"A": ["127.0.0.4"], "TXT": [f"you asked {name}"]}}, KEYS)
    findings = await make(keys=KEYS)(order(Target(ip_address("203.0.113.5"), "example.com")), world)
    shown = json.dumps([finding_to_json(finding) for finding in findings])
    assert findings[0].facts["txt"] == ["you asked 5.113.0.203.….zen.dq.spamhaus.net"]
    assert findings[0].facts["zone"] == "zen.spamhaus.org"
    assert name in {asked for asked, _ in world.asked}
    for key in KEYS.values():
        assert key not in shown
        assert key not in repr(zones(CATALOGUE, KEYS))


async def test_the_text_of_a_list_is_asked_only_where_it_lists_and_cut_short():
    finding = await zen(["127.0.0.4"], txt=["x" * 5000] * 9)
    assert [len(text) for text in finding.facts["txt"]] == [300] * 4
    world = healthy_world({ZEN: {"A": ["127.255.255.254"]}})
    await make()(order(), world)
    assert "TXT" not in {kind for _, kind in world.asked}


async def test_a_cold_check_asks_targets_and_test_points_in_one_round():
    world = healthy_world()
    expected = {name for zone in zones(CATALOGUE, {}) if "ip4" in zone.blocklist.kinds for name in zone.controls}
    all_asked = asyncio.Event()

    async def answers_when_all_are_asked(name, kind):
        answer = await world(name, kind)
        if expected <= {asked for asked, _ in world.asked}:
            all_asked.set()
        await all_asked.wait()
        return answer

    findings = await make()(order(), answers_when_all_are_asked)
    assert {finding.facts["state"] for finding in findings} == {"not_listed"}


@pytest.mark.parametrize("target", [ADDRESS, DOMAIN])
async def test_behind_a_resolver_that_strips_answers_no_list_looks_clean_that_lists_the_target(target):
    answering = zones(CATALOGUE, {})
    label = "example.com" if target is DOMAIN else "5.113.0.203"
    stripped = {f"{label}.{zone.apex}": {} for zone in answering} | {
        zone.must_list: {} for zone in answering if zone.must_list
    }
    findings = await make()(order(target), World(stripped))
    assert {(finding.facts["state"], finding.facts["reason"]) for finding in findings} == {("unknown", "stripped")}


# --- memory


async def test_a_list_known_to_be_good_is_asked_one_question():
    memory, clock = ProcessMemory(), Clock()
    check = make(memory=memory, clock=clock)
    await check(order(), healthy_world())
    clock.move(minutes=9)
    world = healthy_world()
    findings = await check(order(), world)
    assert len(world.asked) == len(findings)


async def test_test_points_are_refreshed_before_they_go_stale_and_silence_does_not_undo_them():
    check = make(only("spamcop"), memory=ProcessMemory(), clock=(clock := Clock()))
    point = "2.0.0.127.bl.spamcop.net"
    await check(order(), healthy_world())
    clock.move(minutes=12)
    world = World({point: {"A": "timeout"}})
    (finding,) = await check(order(), world)
    assert (point, "A") in world.asked
    assert finding.facts["state"] == "not_listed"
    clock.move(minutes=4)
    (finding,) = await check(order(), world)
    assert (finding.facts["state"], finding.facts["reason"]) == ("unknown", "timeout")


async def test_a_list_found_unusable_is_tried_again_after_a_minute():
    check = make(only("spamcop"), memory=ProcessMemory(), clock=(clock := Clock()))
    (finding,) = await check(order(), World({}))
    assert finding.facts["reason"] == "emptied"
    (finding,) = await check(order(), recovered := healthy_world())
    assert (finding.facts["reason"], len(recovered.asked)) == ("emptied", 1)
    clock.move(minutes=1)
    (finding,) = await check(order(), recovered)
    assert finding.facts["state"] == "not_listed"


async def test_what_one_resolver_showed_says_nothing_about_another():
    memory = ProcessMemory()
    first = blocklist_check(only("spamcop"), {}, memory, "192.0.2.53", Clock())
    second = blocklist_check(only("spamcop"), {}, memory, "192.0.2.54", Clock())
    await first(order(), healthy_world())
    (finding,) = await second(order(), World({"2.0.0.127.bl.spamcop.net": {}}))
    assert (finding.facts["state"], finding.facts["reason"]) == ("unknown", "stripped")


# --- time


async def test_a_silent_list_ends_with_the_budget_and_takes_nothing_from_the_others():
    world = healthy_world({ZEN: {"A": ["127.0.0.4"], "TXT": ["why"]}})
    cancelled = []

    async def some_are_silent(name, kind):
        if name.endswith("bl.spamcop.net"):
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(name)
        return await world(name, kind)

    async with asyncio.timeout(5):
        findings = await make(only("spamhaus-zen", "spamcop", "psbl"), budget_s=0.05)(order(), some_are_silent)
    zen_finding, spamcop, psbl = findings
    assert (spamcop.facts["state"], spamcop.facts["reason"]) == ("unknown", "timeout")
    assert (spamcop.code, spamcop.verdict) == ("blocklist.no-answer", Verdict.UNKNOWN)
    assert zen_finding.facts["txt"] == ["why"]
    assert psbl.facts["state"] == "not_listed"
    assert len(cancelled) == 3


async def test_a_list_silent_about_its_text_is_listed_all_the_same():
    world = healthy_world({ZEN: {"A": ["127.0.0.4"]}})

    async def no_text(name, kind):
        if kind == "TXT":
            await asyncio.Event().wait()
        return await world(name, kind)

    (finding,) = await make(only("spamhaus-zen"), budget_s=0.05)(order(), no_text)
    assert (finding.facts["state"], finding.facts["txt"]) == ("listed", [])


# --- what is said


@pytest.mark.parametrize(
    ("answer", "role", "verdict", "step"),
    [
        ("127.0.0.10", Role.CLIENT, Verdict.PASS, ""),
        ("127.0.0.11", Role.CLIENT, Verdict.PASS, ""),
        ("127.0.0.10", Role.MTA, Verdict.FAIL, "then ask your provider, which entered this range"),
        ("127.0.0.11", Role.MTA, Verdict.FAIL, "then use the removal form for this one address"),
    ],
)
async def test_pbl_is_a_pass_for_a_client_and_a_fail_with_preconditions_for_a_mail_server(answer, role, verdict, step):
    finding = await zen([answer], role)
    assert (finding.code, finding.verdict) == ("blocklist.policy", verdict)
    assert finding.facts["sublists"] == ["spamhaus-pbl"]
    assert FORM in {link.url for link in finding.links}
    if role is Role.CLIENT:
        assert "expected for an address that does not send mail itself" in finding.says
        assert finding.step == ""
    else:
        assert "static address, PTR set, forward-confirmed, SPF pass" in finding.step
        assert step in finding.step
        assert finding.facts["preconditions"] == ["static address", "PTR set", "forward-confirmed", "SPF pass"]


@pytest.mark.parametrize("role", Role)
async def test_the_worst_of_several_answers_decides_and_all_are_told(role):
    finding = await zen(["127.0.0.10", "127.0.0.9", "127.0.0.4", "127.0.0.2"], role)
    assert (finding.code, finding.verdict) == ("blocklist.listed", Verdict.FAIL)
    assert finding.facts["answers"] == ["127.0.0.2", "127.0.0.4", "127.0.0.9", "127.0.0.10"]
    assert set(finding.facts["sublists"]) == {"spamhaus-sbl", "spamhaus-xbl", "spamhaus-drop", "spamhaus-pbl"}
    assert "provider" in finding.step


@pytest.mark.parametrize(
    ("list_id", "target", "answer", "verdict", "code", "step"),
    [
        ("spamhaus-zen", ADDRESS, "127.0.0.2", Verdict.FAIL, "blocklist.listed", "have your provider ask"),
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
        ("spamcop", ADDRESS, "127.0.0.2", Verdict.FAIL, "blocklist.listed", "ends by itself about 24 hours"),
        ("uceprotect-1", ADDRESS, "127.0.0.2", Verdict.WARN, "blocklist.listed", "wait, do not pay"),
        ("uceprotect-2", ADDRESS, "127.0.0.2", Verdict.WARN, "blocklist.listed", "Wait, do not pay"),
        ("uceprotect-3", ADDRESS, "127.0.0.2", Verdict.PASS, "blocklist.listed", ""),
        ("spamrats-all", ADDRESS, "127.0.0.37", Verdict.WARN, "blocklist.policy", "Give the address a reverse name"),
        ("tor-dnsel", ADDRESS, "127.0.0.2", Verdict.PASS, "blocklist.noted", ""),
        ("dnswl", ADDRESS, "127.0.5.3", Verdict.PASS, "blocklist.allowed", ""),
        ("dnswl", ADDRESS, "127.0.0.255", Verdict.UNKNOWN, "blocklist.unusable", "Use your own resolver."),
        ("hostkarma", ADDRESS, "127.0.0.5", Verdict.PASS, "blocklist.allowed", ""),
        ("spamhaus-zen", ADDRESS, "127.0.0.99", Verdict.PASS, "blocklist.unrecognised", ""),
        ("spamhaus-zen", ADDRESS, "127.255.255.254", Verdict.UNKNOWN, "blocklist.unusable", "or a Spamhaus DQS key"),
    ],
)
async def test_verdict_code_and_step_follow_the_list_and_its_answer(list_id, target, answer, verdict, code, step):
    zone = zone_of(named(list_id), {})
    question = f"{'example.com' if target is DOMAIN else '5.113.0.203'}.{zone.apex}"
    (finding,) = await make(only(list_id))(order(target), healthy_world({question: {"A": [answer]}}))
    assert (finding.verdict, finding.code) == (verdict, code)
    assert step in finding.step
    assert step or not finding.step


async def test_the_spamhaus_button_removes_where_the_owner_may_and_looks_up_where_not():
    assert [(link.label, link.url) for link in (await zen(["127.0.0.4"])).links] == [("Removal form", FORM)]
    assert [(link.label, link.url) for link in (await zen(["127.0.0.2"])).links] == [("Look it up", FORM)]
    assert [(link.label, link.url) for link in (await zen(["127.0.0.2", "127.0.0.4"])).links] == [
        ("Removal form", FORM)
    ]
    world = healthy_world({"example.com.dbl.spamhaus.org": {"A": ["127.0.1.2"]}})
    (finding,) = await make(only("spamhaus-dbl"))(order(DOMAIN), world)
    assert finding.links[0].url == "https://check.spamhaus.org/results/?query=example.com"


async def test_a_list_that_wants_to_know_the_resolver_says_so_when_it_is_silent():
    (finding,) = await make(only("barracuda"))(order(), World({}))
    assert finding.facts["reason"] == "emptied"
    assert finding.step == "Make your resolver known to Barracuda, which answers no other."
    assert finding.links[0].url == named("barracuda").register


async def test_facts_hold_the_same_keys_whatever_the_state():
    keys = {"state", "answers", "sublists", "txt", "reason", "severity", "name", "zone"}
    for answers in (["127.0.0.4"], ["127.0.0.99"], ["192.0.2.80"], []):
        assert keys <= (await zen(answers)).facts.keys()


def every_answer():
    cases = []
    for blocklist in CATALOGUE.lists:
        codes = blocklist.codes
        answers = [answer for answer, code in codes.exact.items() if code.effect.is_answer]
        answers += [f"127.0.0.{bit}" for bit in codes.bits]
        answers += [".".join(str(part[0]) for part in pattern.ranges) for pattern, _ in codes.patterns]
        cases += [
            pytest.param(blocklist, Answer("q", "A", (answer,)), id=f"{blocklist.id}-{answer}") for answer in answers
        ]
    reasons = [*REASONS, "never-heard-of"]
    return cases + [pytest.param(named("spamhaus-zen"), LookupFailed(reason), id=reason) for reason in reasons]


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("blocklist", "outcome"), every_answer())
def test_everything_said_is_one_plain_sentence_with_a_documented_code(blocklist, outcome, role):
    zone = zone_of(blocklist, KEYS)
    subject = "example.com" if "domain" in blocklist.kinds else "203.0.113.5"
    finding = finding_of(zone, subject, role, read_alone(blocklist, outcome))
    assert finding.code in CODES
    for sentence in (finding.says, finding.step) if finding.step else (finding.says,):
        assert sentence.endswith(".")
        assert sentence[0].isupper() or sentence.startswith((subject, blocklist.name))
        assert ". " not in sentence
        assert not set("{}\n") & set(sentence)
    assert finding.says.count(subject) == 1
    assert all(link.url.startswith("http") and not set("{} ") & set(link.url) for link in finding.links)
    if finding.verdict in (Verdict.WARN, Verdict.FAIL):
        assert finding.step
        assert finding.links
        assert finding.facts["severity"] != Severity.NONE
    json.dumps(dict(finding.facts))
