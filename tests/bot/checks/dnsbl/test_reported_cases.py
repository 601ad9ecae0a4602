"""What lists and resolvers were seen to answer, by public bug reports of other checkers, and what is right then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest

from bot.checks.dnsbl import InMemoryTrustCache, blocklist_check
from bot.checks.dnsbl.zones import usable_zones
from bot.checks.lookups import reverse_name, reversed_ip
from bot.inputs.targets import parse_targets
from bot.models import CheckRequest, DnsAnswer, Finding, Report, Role, Target, Verdict
from handlers.messages import report_card
from tests.bot.checks.dnsbl.lists import CATALOG, FakeClock, get_blocklist
from tests.support.dns_world import World
from tests.support.reports import AT

IP, IP6 = ip_address("203.0.113.39"), ip_address("2001:db8:7:b0f::2")
PASS, UNKNOWN, WARN, FAIL = Verdict.PASS, Verdict.UNKNOWN, Verdict.WARN, Verdict.FAIL
TEST_ANSWERS = {
    "suomispam": "127.0.0.99",
    "surbl": "127.0.0.254",
    "uribl": "127.0.0.14",
    "spamhaus-dbl": "127.0.1.2",
    "scientificspam-rhsbl": "127.0.1.2",
}
Answers = Sequence[str] | str | None


def zone_of(list_id: str) -> str:
    return get_blocklist(list_id).zone


def healthy() -> dict[str, dict[str, Answers]]:
    zones = [zone for zone in usable_zones(CATALOG, {}) if zone.must_list]
    return {str(zone.must_list): {"A": [TEST_ANSWERS.get(zone.blocklist.id, "127.0.0.2")]} for zone in zones}


@dataclass(frozen=True)
class Case:
    """`answer` of the list about the `label` (default: the address); `everything`: it answers all queries so.

    `records` are other names. `expected` is state, reason, verdict and code of the finding about the list.
    """

    list_id: str
    answer: Answers
    expected: tuple[str, str, Verdict, str]
    typed: str = str(IP)
    label: str = reversed_ip(IP)
    everything: bool = False
    helo: str | None = None
    role: Role = Role.MTA
    records: Mapping[str, Mapping[str, Answers]] = field(default_factory=dict)


class CaseWorld(World):
    """A healthy world in which one list may answer everything in one way."""

    def __init__(self, case: Case) -> None:
        zone, entry = zone_of(case.list_id), {} if case.answer is None else {"A": case.answer, "TXT": ["see the page"]}
        records = {**healthy(), **case.records}
        super().__init__({**records, **({f"{case.label}.{zone}": entry} if entry else {})})
        self.suffix, self.always = (f".{zone}", case.answer) if case.everything else ("", None)

    def answer(self, name: str, rdtype: str) -> DnsAnswer:
        if self.suffix and name.endswith(self.suffix) and rdtype == "A":
            return World({name: {"A": self.always}}).answer(name, rdtype)
        return super().answer(name, rdtype)


LISTED, NOTED, ALLOWED, POLICY = (f"blocklist.{word}" for word in ("listed", "noted", "allowed", "policy"))
UNRECOGNISED, NOT_LISTED = "blocklist.unrecognised", "blocklist.not-listed"
CLEAN = ("not_listed", "", PASS, NOT_LISTED)


def unusable(reason: str) -> tuple[str, str, Verdict, str]:
    return "unusable", reason, UNKNOWN, "blocklist.unusable"


def no_answer(reason: str) -> tuple[str, str, Verdict, str]:
    return "unknown", reason, UNKNOWN, "blocklist.no-answer"


def listed(verdict: Verdict, code: str = LISTED) -> tuple[str, str, Verdict, str]:
    return "listed", "", verdict, code


DOMAIN = {"typed": "corp-mail.example", "label": "corp-mail.example"}
V6 = {"typed": str(IP6), "label": reversed_ip(IP6)}
POINT = f"2.0.0.127.{zone_of('spamrats-all')}"
CASES = {
    "refusal of public resolvers for all": Case(
        "spamhaus-zen", ["127.255.255.254"], unusable("public-resolver"), everything=True
    ),
    "refusal for the target alone": Case("spamhaus-zen", ["127.255.255.254"], unusable("public-resolver")),
    "ad blocker at one list": Case("spamcop", ["0.0.0.0"], unusable("parked"), everything=True),
    "blocker answers with the local host": Case("spamcop", ["127.0.0.1"], unusable("blocked"), everything=True),
    "refusal as a flag": Case("uribl", ["127.0.0.1"], unusable("public-resolver"), everything=True, **DOMAIN),
    "praise to all": Case("hostkarma", ["127.0.0.5"], unusable("lists-everything"), everything=True),
    "sold domain lists all": Case("spamcop", ["127.0.0.2"], unusable("lists-everything"), everything=True),
    "sold domain is parked": Case("spamcop", ["192.0.2.117"], unusable("parked"), everything=True),
    "sold list with two sets": Case("hostkarma", ["127.0.0.2"], unusable("lists-everything"), everything=True),
    "informational list answers all": Case(
        "cymru-bogons", ["127.0.0.2"], unusable("lists-everything"), everything=True
    ),
    "entry of another zone over CNAME": Case(
        "spamcop",
        None,
        listed(FAIL),
        records={
            f"{reversed_ip(IP)}.{zone_of('spamcop')}": {"CNAME": ["39.mirror.example"]},
            "39.mirror.example": {"A": ["127.0.0.2"]},
        },
    ),
    "CNAME to nothing": Case(
        "spamcop", None, CLEAN, records={f"{reversed_ip(IP)}.{zone_of('spamcop')}": {"CNAME": ["gone.mirror.example"]}}
    ),
    "listed with texts": Case("spamhaus-zen", ["127.0.0.4"], listed(FAIL)),
    "several sublists at once": Case("spamhaus-zen", ["127.0.0.2", "127.0.0.4", "127.0.0.11"], listed(FAIL)),
    "listing beside a refusal": Case("spamhaus-zen", ["127.0.0.4", "127.255.255.254"], unusable("public-resolver")),
    "listing beside a public address": Case("spamhaus-zen", ["127.0.0.4", "192.0.2.4"], unusable("parked")),
    "list is slow": Case("spamcop", "timeout", no_answer("timeout")),
    "answer is cut off": Case("spamhaus-zen", "truncated", no_answer("truncated")),
    "server of the list fails": Case("psbl", "servfail", no_answer("servfail")),
    "server does not know the query": Case("psbl", "notimp", no_answer("notimp")),
    "query is refused": Case("psbl", "refused", no_answer("refused")),
    "test point is silent": Case("spamrats-all", None, no_answer("timeout"), records={POINT: {"A": "timeout"}}),
    "test point does not exist": Case("spamrats-all", None, unusable("emptied"), records={POINT: {}}),
    "test point is stripped": Case("spamrats-all", None, no_answer("stripped"), records={POINT: {"A": []}}),
    "target alone is stripped": Case("spamhaus-zen", [], CLEAN),
    "IPv6 listing of the network": Case("spamhaus-zen", ["127.0.0.3"], listed(FAIL), **V6),
    "IPv6 name that is not reversed": Case(
        "spamhaus-zen", ["127.0.0.3"], CLEAN, typed=str(IP6), label=".".join(IP6.exploded.replace(":", ""))
    ),
    "IPv4 address written as IPv6": Case("spamhaus-zen", ["127.0.0.4"], listed(FAIL), typed=f"::ffff:{IP}"),
    "neighbour is listed": Case("uceprotect-2", ["127.0.0.2"], listed(WARN)),
    "new code of a severe list": Case("spamhaus-zen", ["127.0.0.77"], listed(FAIL, UNRECOGNISED)),
    "another new code of a severe list": Case("spamhaus-zen", ["127.0.0.40"], listed(FAIL, UNRECOGNISED)),
    "new code of a common list": Case("spamcop", ["127.0.0.3"], listed(WARN, UNRECOGNISED)),
    "code of a test entry": Case("suomispam", ["127.0.0.99"], listed(WARN, UNRECOGNISED)),
    "new code of a list that nobody uses": Case("kempt", ["127.0.0.7"], listed(PASS, UNRECOGNISED)),
    "over quota, all are trusted": Case("dnswl", ["127.0.10.3"], unusable("quota"), everything=True),
    "over quota, the target is trusted": Case("dnswl", ["127.0.10.3"], unusable("quota")),
    "over quota, with another number": Case("dnswl", ["127.0.10.0"], unusable("quota")),
    "trusted by an allowlist": Case("dnswl", ["127.0.5.2"], listed(PASS, ALLOWED)),
    "domain list refuses the forwarder": Case("spamhaus-dbl", ["127.0.0.1"], unusable("blocked"), **DOMAIN),
    "domain list was asked an address": Case("spamhaus-dbl", ["127.0.1.255"], unusable("wrong-query"), **DOMAIN),
    "sum of flags": Case("surbl", ["127.0.0.80"], listed(FAIL), **DOMAIN),
    "all flags": Case("surbl", ["127.0.0.254"], listed(FAIL), **DOMAIN),
    "flag of a grey list": Case("uribl", ["127.0.0.4"], listed(PASS, NOTED), **DOMAIN),
    "honest domain that is abused": Case("spamhaus-dbl", ["127.0.1.102"], listed(FAIL), **DOMAIN),
    "domain list with another number": Case("scientificspam-rhsbl", ["127.0.1.2"], listed(PASS), **DOMAIN),
    "host below a clean domain": Case(
        "surbl", ["127.0.0.64"], listed(FAIL), typed="shop.corp-mail.example", label="shop.corp-mail.example"
    ),
    "domain of a host": Case(
        "spamhaus-dbl", ["127.0.1.2"], listed(FAIL), typed="mail.corp-mail.example", label="corp-mail.example"
    ),
    "domain of a mail address": Case(
        "spamhaus-dbl", ["127.0.1.2"], listed(FAIL), typed="ann@eu.corp-mail.example", label="corp-mail.example"
    ),
    "domain with an umlaut": Case(
        "spamhaus-dbl", ["127.0.1.2"], listed(FAIL), typed="M\u00dcller.example", label="xn--mller-kva.example"
    ),
    "customer of a platform": Case(
        "spamhaus-dbl", ["127.0.1.104"], listed(FAIL), typed="ann.github.io", label="ann.github.io"
    ),
    "PTR name": Case(
        "spamhaus-dbl",
        ["127.0.1.2"],
        listed(FAIL),
        label="mx1.bad-host.example",
        records={reverse_name(IP): {"PTR": ["mx1.bad-host.example"]}},
    ),
    "PTR name of a provider": Case(
        "spamhaus-dbl",
        ["127.0.1.2"],
        listed(PASS, NOTED),
        label="ec2-203-0-113-39.compute-1.amazonaws.com",
        records={reverse_name(IP): {"PTR": ["ec2-203-0-113-39.compute-1.amazonaws.com"]}},
    ),
    "HELO name": Case(
        "spamhaus-dbl", ["127.0.1.2"], listed(FAIL), label="mx.bad-host.example", helo="mx.bad-host.example"
    ),
    "policy listing of a mail server": Case("spamhaus-zen", ["127.0.0.11"], listed(FAIL, POLICY)),
    "policy listing of a client": Case("spamhaus-zen", ["127.0.0.11"], listed(PASS, POLICY), role=Role.CLIENT),
    "exploit of a client": Case("spamhaus-zen", ["127.0.0.4"], listed(FAIL), role=Role.CLIENT),
    "new code beside the policy of a client": Case(
        "spamhaus-zen", ["127.0.0.11", "127.0.0.40"], listed(FAIL, UNRECOGNISED), role=Role.CLIENT
    ),
    "list without entries": Case(
        "nordspam-dbl", None, unusable("emptied"), records={f"test.{zone_of('nordspam-dbl')}": {}}, **DOMAIN
    ),
    "list whose test entry is gone": Case(
        "suomispam", None, unusable("emptied"), records={f"2.0.0.127.{zone_of('suomispam')}": {}}
    ),
    "neighbours are listed everywhere": Case("uceprotect-3", ["127.0.0.2"], listed(PASS)),
    "nothing at all": Case("spamhaus-zen", None, CLEAN),
}


async def check(case: Case) -> list[Finding]:
    (target,) = parse_targets(case.typed)
    world = CaseWorld(case)
    for name, records in case.records.items():
        if not records:
            del world.zone[name]
    blocklists = blocklist_check(CATALOG, {}, InMemoryTrustCache(), "192.0.2.53", FakeClock())
    return list(await blocklists(CheckRequest(target, case.role, case.helo), world))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_reported_case_has_the_right_finding(case: Case) -> None:
    findings = await check(case)
    (finding,) = [finding for finding in findings if finding.subject == case.list_id]
    facts = finding.facts
    assert (facts["state"], facts["reason"], finding.verdict, finding.code) == case.expected
    others = {finding.facts["state"] for finding in findings if finding.subject != case.list_id}
    assert others == {"not_listed"}
    if finding.code == UNRECOGNISED:
        assert facts["unrecognised"][0] in finding.summary
        assert finding.links


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_reported_case_is_not_called_good_if_listed(case: Case) -> None:
    findings = await check(case)
    card = report_card(Report(CheckRequest(Target(IP)), AT, tuple(findings), 1, 1))
    state, _, _, code = case.expected
    if state == "listed" and code not in (ALLOWED, NOTED):
        assert not card.title.endswith("no problems found")
