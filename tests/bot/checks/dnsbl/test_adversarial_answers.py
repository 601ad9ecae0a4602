"""Answers that tempt a checker into a wrong verdict: unassigned flags, mixed refusals, empty and wildcard resolvers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.checks.dnsbl import InMemoryTrustCache, blocklist_check
from bot.checks.dnsbl.catalog import Catalog, Controls
from bot.checks.dnsbl.zones import usable_zones
from bot.inputs.targets import parse_targets
from bot.models import CheckRequest, DnsAnswer, Finding, Report, Verdict
from handlers.messages import report_card
from tests.bot.checks.dnsbl.lists import CATALOG, FakeClock
from tests.bot.checks.dnsbl.test_bulk import FakeBulkLookup
from tests.support.dns_world import World
from tests.support.reports import AT

IP4, IP6, DOMAIN, MAILBOX = "203.0.113.39", "2001:db8:7:b0f::2", "corp-mail.example", "ann@corp-mail.example"
PASS, UNKNOWN, WARN, FAIL = Verdict.PASS, Verdict.UNKNOWN, Verdict.WARN, Verdict.FAIL
LISTED, POLICY, NOTED, ALLOWED = (f"blocklist.{word}" for word in ("listed", "policy", "noted", "allowed"))
UNRECOGNISED = "blocklist.unrecognised"
ALL = Catalog(tuple(replace(blocklist, enabled=True) for blocklist in CATALOG.lists))
KEYS = {"spamhaus": "k3y", "abusix": "k3y", "invaluement": "k3y"}

# list, target, answers about it, verdict, code or the reason of a refusal
ANSWERS = [
    ("spamhaus-zen", IP4, "127.0.0.40", FAIL, UNRECOGNISED),
    ("spamhaus-zen", IP4, "127.0.1.2", FAIL, UNRECOGNISED),
    ("spamhaus-zen", IP4, "127.0.0.0", FAIL, UNRECOGNISED),
    ("spamhaus-zen", IP4, "127.255.254.255", FAIL, UNRECOGNISED),
    ("spamhaus-zen", IP4, "127.0.0.40 127.0.0.2", FAIL, LISTED),
    ("spamhaus-zen", IP4, "127.0.0.10 127.0.0.40", FAIL, POLICY),
    ("spamhaus-zen", IP4, "127.0.0.4 127.0.0.1", UNKNOWN, "blocked"),
    ("spamhaus-zen", IP4, "127.0.0.40 127.255.255.250", UNKNOWN, "key-disabled"),
    ("spamhaus-zen", IP4, "127.255.255.0", UNKNOWN, "blocked"),
    ("spamhaus-zen", IP4, "10.0.0.1", UNKNOWN, "parked"),
    ("spamhaus-zen", IP4, "128.0.0.2 127.0.0.2", UNKNOWN, "parked"),
    ("spamhaus-zen", IP6, "127.0.0.40", FAIL, UNRECOGNISED),
    ("spamhaus-zen", IP6, "127.0.0.3 127.255.255.254", UNKNOWN, "public-resolver"),
    ("spamhaus-dbl", DOMAIN, "127.0.0.2", FAIL, UNRECOGNISED),
    ("spamhaus-dbl", DOMAIN, "127.0.1.3", FAIL, UNRECOGNISED),
    ("spamhaus-dbl", DOMAIN, "127.0.1.2 127.0.1.255", UNKNOWN, "wrong-query"),
    ("barracuda", IP4, "127.0.0.3", FAIL, UNRECOGNISED),
    ("mailspike-bl", IP4, "127.0.0.13", WARN, UNRECOGNISED),
    ("surbl", DOMAIN, "127.0.0.2", WARN, UNRECOGNISED),
    ("surbl", DOMAIN, "127.0.0.6", WARN, UNRECOGNISED),
    ("surbl", DOMAIN, "127.0.0.66", FAIL, LISTED),
    ("surbl", DOMAIN, "127.0.0.36", PASS, NOTED),
    ("surbl", DOMAIN, "127.0.0.0", WARN, UNRECOGNISED),
    ("surbl", DOMAIN, "127.0.1.8", WARN, UNRECOGNISED),
    ("surbl", DOMAIN, "127.0.0.9", UNKNOWN, "public-resolver"),
    ("uribl", DOMAIN, "127.0.0.255", UNKNOWN, "public-resolver"),
    ("uribl", DOMAIN, "127.0.0.20", WARN, UNRECOGNISED),
    ("uribl", DOMAIN, "127.0.0.24", WARN, LISTED),
    ("spamhaus-zrd", DOMAIN, "127.0.2.40", PASS, UNRECOGNISED),
    ("spamhaus-hbl", MAILBOX, "127.0.3.2", FAIL, LISTED),
    ("spamhaus-hbl", MAILBOX, "127.0.3.9", WARN, UNRECOGNISED),
    ("msbl-ebl", MAILBOX, "127.0.1.3", PASS, NOTED),
    ("msbl-ebl", MAILBOX, "127.0.0.9", WARN, UNRECOGNISED),
    ("validity-rpbl", IP4, "127.0.0.3", FAIL, LISTED),
    ("validity-rpbl", IP4, "127.0.0.34", WARN, UNRECOGNISED),
    ("validity-rpbl", IP4, "127.255.255.255", UNKNOWN, "quota"),
    ("validity-score", IP4, "127.0.4.127", UNKNOWN, "quota"),
    ("validity-score", IP4, "127.0.4.0", PASS, NOTED),
    ("abusix-dblack", DOMAIN, "127.0.1.2", PASS, NOTED),
    ("abusix-dblack", DOMAIN, "127.0.1.2 127.0.1.3", FAIL, LISTED),
    ("abusix-dblack", DOMAIN, "127.0.1.2 127.0.1.9", WARN, UNRECOGNISED),
    ("hostkarma", IP4, "127.0.0.1", PASS, ALLOWED),
    ("hostkarma", IP4, "127.0.0.1 127.0.0.2", WARN, LISTED),
    ("hostkarma", IP4, "127.0.0.5 127.0.0.9", WARN, UNRECOGNISED),
    ("blocklistde", IP4, "127.0.0.1", UNKNOWN, "blocked"),
    ("blocklistde", IP4, "127.0.1.5", WARN, UNRECOGNISED),
    ("sem-uribl", DOMAIN, "127.0.0.4", WARN, UNRECOGNISED),
    ("sem-ipv6", IP6, "127.0.0.3", WARN, UNRECOGNISED),
    ("efnetrbl", IP4, "127.0.0.9", PASS, UNRECOGNISED),
    ("tor-dnsel", IP4, "127.0.0.3", PASS, UNRECOGNISED),
    ("cymru-fullbogons-v6", IP6, "127.0.0.2", PASS, NOTED),
    ("dnswl", IP4, "127.0.10.255", UNKNOWN, "quota"),
    ("dnswl", IP4, "127.0.5.2 127.0.10.3", UNKNOWN, "quota"),
    ("dnswl", IP4, "127.0.0.255 127.0.5.2", UNKNOWN, "quota"),
    ("dnswl", IP4, "127.0.5.9", PASS, UNRECOGNISED),
    ("dnswl-dwl", DOMAIN, "127.0.10.0", UNKNOWN, "quota"),
]
TYPED = {"IPv4": IP4, "IPv6": IP6, "domain": DOMAIN, "mail address": MAILBOX, "both": f"{IP4} {DOMAIN}"}
ZONES = usable_zones(ALL, KEYS)


def healthy_points() -> dict[str, dict[str, list[str]]]:
    """The test points of healthy lists, one of which lists both of its own."""
    both = [zone for zone in ZONES if zone.blocklist.controls is Controls.TWO_SETS]
    return {
        **{str(zone.must_list): {"A": ["127.0.0.2"]} for zone in ZONES if zone.must_list},
        **{str(zone.must_not_list): {"A": ["127.0.0.1"]} for zone in both},
    }


class AnsweringWorld(World):
    """Healthy lists, of which one answers every name but its test points alike."""

    def __init__(self, list_id: str, answers: Sequence[str]) -> None:
        super().__init__(healthy_points())
        (self.tested,) = (zone for zone in ZONES if zone.blocklist.id == list_id)
        self.answers = tuple(answers)

    def answer(self, name: str, rdtype: str) -> DnsAnswer:
        if rdtype == "A" and name.endswith(f".{self.tested.apex}") and name not in self.tested.test_point_names:
            return DnsAnswer(name, rdtype, self.answers)
        return super().answer(name, rdtype)


class AlikeWorld(World):
    """A resolver that answers every query for an address alike; without an answer, no name exists."""

    def __init__(self, answers: Sequence[str]) -> None:
        super().__init__({})
        self.answers = tuple(answers)

    def answer(self, name: str, rdtype: str) -> DnsAnswer:
        answers = self.answers if rdtype == "A" else ()
        return DnsAnswer(name, rdtype, answers, exists=bool(answers))


async def check(typed: str, world: World, bulk: bool) -> list[Finding]:
    (target,) = parse_targets(typed)
    blocklists = blocklist_check(ALL, KEYS, InMemoryTrustCache(), "192.0.2.53", FakeClock())
    return list(await blocklists(CheckRequest(target), FakeBulkLookup(world) if bulk else world))


@pytest.mark.parametrize(("list_id", "typed", "answers", "verdict", "expected"), ANSWERS)
async def test_answer_of_a_list_has_the_right_verdict(
    list_id: str, typed: str, answers: str, verdict: Verdict, expected: str
) -> None:
    single, bulk = [
        next(
            finding
            for finding in await check(typed, AnsweringWorld(list_id, answers.split()), bulk)
            if finding.subject == list_id
        )
        for bulk in (False, True)
    ]
    assert (single.verdict, single.code) == (bulk.verdict, bulk.code)
    assert (single.verdict, single.facts["reason"] or single.code) == (verdict, expected)
    assert set(single.facts["answers"]) == set(answers.split())
    if expected == UNRECOGNISED:
        assert single.facts["unrecognised"][0] in single.summary
        assert single.links
        card = report_card(Report(CheckRequest(parse_targets(typed)[0]), AT, (single,), 1, 1))
        assert not card.title.endswith("no problems found")


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("typed", TYPED.values(), ids=TYPED)
@pytest.mark.parametrize("answers", ["", "127.0.0.2", "127.0.0.1", "0.0.0.0", "127.255.255.254", "192.0.2.80"])
async def test_resolver_answering_all_alike_gives_no_verdict(answers: str, typed: str, bulk: bool) -> None:
    findings = await check(typed, AlikeWorld(answers.split()), bulk)
    assert {finding.verdict for finding in findings} == {UNKNOWN}
