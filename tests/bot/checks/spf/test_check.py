"""The check of an order: what a person is told about an address and its HELO name, word for word."""

from __future__ import annotations

import re
from ipaddress import ip_address

import pytest

from bot.checks.spf import CODES, check
from bot.models import Answer, LookupFailed, Order, Role, Target, Verdict
from tests.bot.checks.spf.domains import ZONE, findings
from tests.support.dns_world import World


@pytest.mark.parametrize(
    ("ip", "domain", "verdict", "code", "says", "step"),
    [
        (
            "203.0.113.5",
            "example.com",
            Verdict.PASS,
            "spf.pass",
            "example.com lets 203.0.113.5 send its mail: “ip4:203.0.113.0/28” matches, reached over "
            "example.com → _spf.example.net → a.example.net; 2 of 10 lookups.",
            "",
        ),
        (
            "203.0.113.99",
            "example.com",
            Verdict.FAIL,
            "spf.fail",
            "example.com forbids 203.0.113.99 to send its mail, so receivers may reject it: “-all” matches; "
            "3 of 10 lookups.",
            "If 203.0.113.99 sends your mail, add ip4:203.0.113.99 after v=spf1 in the TXT record of example.com: "
            "no lookup more, 73 bytes.",
        ),
        (
            "2001:db8::99",
            "soft.example",
            Verdict.WARN,
            "spf.softfail",
            "soft.example does not list 2001:db8::99, so its mail may count as spam: “~all” matches; 2 of 10 lookups, "
            "2 of 2 dead names.",
            "If 2001:db8::99 sends your mail, add ip6:2001:db8::99 after v=spf1 in the TXT record of soft.example: "
            "no lookup more, 46 bytes.",
        ),
        (
            "203.0.113.99",
            "open-ended.example",
            Verdict.WARN,
            "spf.neutral",
            "open-ended.example says nothing about 203.0.113.99, so SPF does not help its mail: no term of its record "
            "matches; 0 of 10 lookups.",
            "If 203.0.113.99 sends your mail, add ip4:203.0.113.99 after v=spf1 in the TXT record of open-ended.example: "
            "no lookup more, 37 bytes.",
        ),
        (
            "203.0.113.99",
            "long.example",
            Verdict.FAIL,
            "spf.fail",
            "long.example forbids 203.0.113.99 to send its mail, so receivers may reject it: “-all” matches; "
            "0 of 10 lookups.",
            "If 203.0.113.99 sends your mail, add ip4:203.0.113.99 to the SPF record of long.example, but first move "
            "other terms into a record that it includes: 476 bytes are more than the 450 that are safe.",
        ),
        (
            "203.0.113.99",
            "none.example",
            Verdict.FAIL,
            "spf.missing-record",
            "none.example has no SPF record, so receivers cannot tell that 203.0.113.99 may send its mail.",
            "Publish a TXT record at none.example that lists every server that sends for it: "
            "v=spf1 ip4:203.0.113.99 ~all",
        ),
        (
            "203.0.113.99",
            "wrong-below.example",
            Verdict.FAIL,
            "spf.permanent-error",
            "Receivers stop at the SPF record of wrong-below.example with an error: “ipv4:192.0.2.1” is not a term that "
            "SPF knows; write ip4 instead of ipv4.",
            "Correct that part of the TXT record of wrong.example.",
        ),
        (
            "203.0.113.99",
            "big.example",
            Verdict.FAIL,
            "spf.permanent-error",
            "The SPF record of big.example can need 24 lookups; 10 are allowed, so receivers stop with an error for "
            "203.0.113.99.",
            "Remove the includes of services you no longer use, or write a and mx as ip4 and ip6, which cost nothing.",
        ),
        (
            "203.0.113.99",
            "loop.example",
            Verdict.FAIL,
            "spf.permanent-error",
            "The SPF records under loop.example include each other in a circle, so receivers stop with an error for "
            "203.0.113.99.",
            "Remove the include or redirect that leads back.",
        ),
        (
            "203.0.113.99",
            "dead.example",
            Verdict.FAIL,
            "spf.permanent-error",
            "Receivers stop at the SPF record of dead.example with an error: x1.example, x2.example and x3.example lead "
            "to nothing; SPF allows 2 such questions.",
            "Remove x1.example, x2.example and x3.example from the SPF record of dead.example and of what it includes.",
        ),
        (
            "2001:db8:5::1",
            "dual.example",
            Verdict.FAIL,
            "spf.permanent-error",
            "mx1.example.com, mx2.example.com and mx3.example.com have no IPv6 address and SPF allows 2 such names, so "
            "receivers stop with an error for mail from 2001:db8:5::1.",
            "If 2001:db8:5::1 sends your mail, add ip6:2001:db8:5::1 after v=spf1 in the TXT record of dual.example, in "
            "front of a and mx.",
        ),
        (
            "203.0.113.99",
            "slow-below.example",
            Verdict.UNKNOWN,
            "spf.temporary-error",
            "It is not known whether slow-below.example lets 203.0.113.99 send its mail: DNS gave no answer about "
            "slow.example TXT (timeout).",
            "Check again in a few minutes.",
        ),
    ],
)
async def test_a_person_is_told_what_is_true_of_an_address_and_what_to_do(
    ip: str, domain: str, verdict: Verdict, code: str, says: str, step: str
) -> None:
    found = (await findings(ip, domain))[0]
    assert (found.about, found.verdict, found.code, found.says, found.step) == (domain, verdict, code, says, step)


async def test_the_exact_record_to_publish_is_in_the_facts() -> None:
    (found,) = await findings("203.0.113.99", "example.com")
    assert found.facts["add"] == "ip4:203.0.113.99"
    assert found.facts["add_to"] == "example.com"
    assert found.facts["new_record"] == "v=spf1 ip4:203.0.113.99 ip4:192.0.2.0/24 include:_spf.example.net mx -all"
    assert found.facts["fits"] is True
    assert found.facts["path"] == ["example.com", "_spf.example.net", "a.example.net"]
    world = {**ZONE, "example.com": {**ZONE["example.com"], "TXT": [found.facts["new_record"]]}}
    (after,) = await check(Order(Target(ip_address("203.0.113.99"), "example.com")), World(world))
    assert (after.code, after.facts["lookups"]) == ("spf.pass", 0)


@pytest.mark.parametrize(
    ("domain", "code"), [("example.com", "spf.client-not-listed"), ("soft.example", "spf.client-not-listed")]
)
async def test_a_client_need_not_be_listed(domain: str, code: str) -> None:
    found = (await findings("203.0.113.99", domain, Role.CLIENT))[0]
    assert (found.verdict, found.code) == (Verdict.PASS, code)
    assert found.says == (
        f"{domain} does not list 203.0.113.99, and need not: a client hands its mail to a server with a password, and "
        "receivers see that server."
    )


@pytest.mark.parametrize(
    ("domain", "verdict", "code"),
    [
        ("wrong.example", Verdict.FAIL, "spf.permanent-error"),
        ("none.example", Verdict.WARN, "spf.missing-record"),
        ("slow.example", Verdict.UNKNOWN, "spf.temporary-error"),
    ],
)
async def test_a_broken_domain_is_broken_for_clients_too(domain: str, verdict: Verdict, code: str) -> None:
    (found,) = await findings("203.0.113.99", domain, Role.CLIENT)
    assert (found.verdict, found.code) == (verdict, code)


async def test_what_is_wrong_beside_a_passing_address_is_only_a_warning() -> None:
    passing, beside = await findings("192.0.2.1", "big.example")
    assert (passing.code, beside.code, beside.verdict) == ("spf.pass", "spf.too-many-lookups", Verdict.WARN)


async def test_nothing_is_said_twice() -> None:
    for domain in ZONE:
        codes = [finding.code for finding in await findings("203.0.113.99", domain)]
        assert len(codes) == len(set(codes)), domain
        if "spf.permanent-error" in codes:
            assert not {"spf.syntax-error", "spf.multiple-records"} & set(codes)


@pytest.mark.parametrize(
    ("ip", "helo", "verdict", "code", "says"),
    [
        (
            "192.0.2.1",
            "helo.example",
            "pass",
            "helo-pass",
            "The SPF record of the HELO name helo.example lists 192.0.2.1.",
        ),
        (
            "192.0.2.2",
            "helo.example",
            "fail",
            "helo-fail",
            "The SPF record of the HELO name helo.example forbids 192.0.2.2 to use it, so mail may be refused: “-all” matches.",
        ),
        (
            "192.0.2.2",
            "helo-soft.example",
            "warn",
            "helo-softfail",
            "The SPF record of the HELO name helo-soft.example does not list 192.0.2.2, so its bounces may count as spam: “~all” matches.",
        ),
        (
            "192.0.2.2",
            "neutral.example",
            "pass",
            "helo-neutral",
            "The SPF record of the HELO name neutral.example says nothing about 192.0.2.2.",
        ),
        (
            "192.0.2.2",
            "mx1.example.com",
            "pass",
            "helo-no-record",
            "The HELO name mx1.example.com has no SPF record of its own, which is allowed.",
        ),
        (
            "192.0.2.2",
            "two.example",
            "fail",
            "helo-error",
            "Receivers stop at the SPF record of the HELO name two.example: two.example has 2 SPF records; one is allowed.",
        ),
        (
            "192.0.2.2",
            "slow.example",
            "unknown",
            "helo-no-answer",
            "SPF of the HELO name slow.example could not be checked: DNS gave no answer about slow.example TXT (timeout).",
        ),
    ],
)
async def test_the_helo_name_is_checked_beside_the_domain(
    ip: str, helo: str, verdict: str, code: str, says: str
) -> None:
    found = await findings(ip, "example.com", helo=helo)
    assert found[0].about == "example.com"
    assert (found[-1].about, str(found[-1].verdict), found[-1].code) == (helo, verdict, f"spf.{code}")
    assert found[-1].says == says


async def test_an_address_alone_has_no_spf() -> None:
    world = World(ZONE)
    assert await check(Order(Target(ip_address("192.0.2.1"))), world) == []
    assert world.asked == []
    assert [finding.about for finding in await findings("192.0.2.1", None, helo="helo.example")] == ["helo.example"]


async def spent(name: str, kind: str, /) -> Answer:
    raise LookupFailed("budget", f"{name} {kind}")


async def test_our_own_limit_is_told_as_such() -> None:
    (found,) = await check(Order(Target(ip_address("192.0.2.1"), "example.com")), spent)
    assert (found.verdict, found.code) == (Verdict.UNKNOWN, "spf.not-finished")


async def test_every_code_comes_up_and_is_written_down() -> None:
    asked = [
        await findings(ip, domain) for domain in [*ZONE, "nowhere.example"] for ip in (None, "203.0.113.5", "192.0.2.1")
    ]
    asked += [await findings("192.0.2.1", "example.com", helo=helo) for helo in [*ZONE, "neutral.example"]]
    asked += [await findings("203.0.113.99", domain, Role.CLIENT) for domain in ZONE]
    asked += [await check(Order(Target(ip_address("192.0.2.1"), "example.com")), spent)]
    assert {finding.code for found in asked for finding in found} == set(CODES)
    assert all(re.fullmatch(r"spf(\.[a-z0-9]+(-[a-z0-9]+)*)", code) for code in CODES)
