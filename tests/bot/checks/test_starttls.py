"""What the mail servers showed about TLS, judged: what could not be seen is never "no encryption"."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest

from bot.checks import starttls
from bot.checks.starttls import MOST_PROBED, SOON, judge
from bot.models import Answer, Finding, Heard, Order, SweepLookup, Target, Verdict
from bot.net.smtp_probe import Sparing
from bot.probe_results import Certificate, SmtpFacts, Trouble
from tests.support.dns_world import World, Zone

DOMAIN = "example.com"
TODAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
MX: Zone = {DOMAIN: {"MX": ["10 mx1.example.com", "20 mx2.example.com"]}}


def certificate(days: float = 60) -> Certificate:
    return Certificate(("mx1.example.com",), TODAY + timedelta(days=days))


def visit(name: str = "mx1.example.com", **facts: Any) -> SmtpFacts:
    """A good mail server but for these facts."""
    good = {"offers_tls": True, "tls_version": "TLSv1.3", "certificate": certificate()}
    return SmtpFacts(name, ip_address("203.0.113.5"), **{**good, **facts})


def ended(trouble: Trouble, **facts: Any) -> SmtpFacts:
    return SmtpFacts("mx1.example.com", trouble=trouble, **facts)


JUDGED: list[tuple[SmtpFacts, list[str], Verdict]] = [
    (visit(), ["starttls.ok"], Verdict.PASS),
    (visit(certificate=certificate(SOON.days + 1)), ["starttls.ok"], Verdict.PASS),
    (visit(certificate=certificate(SOON.days - 1)), ["starttls.expires-soon"], Verdict.WARN),
    (visit(early_octets=7), ["starttls.early-data"], Verdict.WARN),
    (SmtpFacts("mx1.example.com", offers_tls=False), ["starttls.missing"], Verdict.WARN),
    (visit(trouble=Trouble.WRONG_NAME), ["starttls.wrong-name"], Verdict.WARN),
    (ended(Trouble.TLS_REFUSED, offers_tls=True), ["starttls.refused"], Verdict.WARN),
    (ended(Trouble.NO_TLS, offers_tls=True), ["starttls.broken"], Verdict.WARN),
    (ended(Trouble.NO_TLS, offers_tls=True, early_octets=3), ["starttls.broken", "starttls.early-data"], Verdict.WARN),
    (ended(Trouble.EXPIRED, offers_tls=True), ["starttls.expired"], Verdict.WARN),
    (ended(Trouble.NOT_YET_VALID, offers_tls=True), ["starttls.expired"], Verdict.WARN),
    (ended(Trouble.SELF_SIGNED, offers_tls=True), ["starttls.untrusted"], Verdict.WARN),
    (ended(Trouble.UNTRUSTED, offers_tls=True), ["starttls.untrusted"], Verdict.WARN),
    *((ended(trouble), ["starttls.no-answer"], Verdict.UNKNOWN) for trouble in (
        Trouble.TIMEOUT, Trouble.HUNG_UP, Trouble.REFUSED, Trouble.GARBLED, Trouble.TOO_LARGE, Trouble.UNREACHABLE,
        Trouble.NO_ADDRESS, Trouble.NO_ANSWER, Trouble.SPECIAL,
    )),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "codes", "verdict"), JUDGED)
def test_a_mail_server_is_judged(facts: SmtpFacts, codes: list[str], verdict: Verdict) -> None:
    findings = judge(DOMAIN, [facts], TODAY)
    assert [finding.code for finding in findings] == codes
    assert max(finding.verdict for finding in findings) is verdict
    for finding in findings:
        assert (finding.check, finding.about) == ("starttls", DOMAIN)
        assert "{" not in finding.says + finding.step
        assert bool(finding.step) == (finding.verdict is not Verdict.PASS)


@pytest.mark.parametrize("trouble", [Trouble.TIMEOUT, Trouble.HUNG_UP, Trouble.REFUSED, Trouble.UNREACHABLE])
def test_a_server_that_could_not_be_asked_is_not_one_without_encryption(trouble: Trouble) -> None:
    (finding,) = judge(DOMAIN, [ended(trouble)], TODAY)
    assert finding.verdict is Verdict.UNKNOWN


def test_servers_alike_share_a_finding_and_others_have_their_own() -> None:
    second = visit("mx2.example.com", tls_version="TLSv1.2")
    slow, shut = (
        SmtpFacts("mx3.example.com", trouble=Trouble.TIMEOUT),
        SmtpFacts("mx4.example.com", trouble=Trouble.HUNG_UP),
    )
    good, *unknown = judge(DOMAIN, [visit(), second, slow, shut], TODAY)
    assert "TLS 1.2 and TLS 1.3" in good.says
    assert "mx1.example.com, mx2.example.com" in good.says
    assert [finding.code for finding in unknown] == ["starttls.no-answer"] * 2
    assert "in time" in unknown[0].says
    assert "hung up" in unknown[1].says


def test_the_day_of_expiry_is_told() -> None:
    (finding,) = judge(DOMAIN, [visit(certificate=certificate(3))], TODAY)
    assert "4 March 2026" in finding.says
    assert finding.facts["servers"][0]["certificate_expires"] == "2026-03-04T12:00:00+00:00"


def test_the_facts_hold_what_the_server_said() -> None:
    facts = visit(greeting="<hello>", capabilities=("SIZE", "REQUIRETLS"), requires_tls=True)
    (finding,) = judge(DOMAIN, [facts], TODAY)
    told = finding.facts["servers"][0]
    assert (told["greeting"], told["capabilities"], told["requires_tls"]) == ("<hello>", ["SIZE", "REQUIRETLS"], True)
    assert "<" not in finding.says


class Probing:
    """Answers for every mail server the same; `asked` remembers the names."""

    def __init__(self, **facts: Any) -> None:
        self._facts = facts
        self.asked: list[str] = []

    async def __call__(self, name: str, /) -> SmtpFacts:
        self.asked.append(name)
        return SmtpFacts(name, **self._facts)


async def look(zone: Zone, probe: Probing | None, port_open: bool | None = None) -> list[Finding]:
    order = Order(Target(domain=DOMAIN))
    return await starttls.check(order, World(zone), probe=probe, port_open=lambda: port_open, clock=lambda: TODAY)


async def test_every_mail_server_is_asked_and_no_more_than_four() -> None:
    probe = Probing(offers_tls=False)
    await look(MX, probe)
    assert probe.asked == ["mx1.example.com", "mx2.example.com"]
    probe = Probing(offers_tls=False)
    await look({DOMAIN: {"MX": [f"{rank} mx{rank}.example.net" for rank in range(9)]}}, probe)
    assert len(probe.asked) == MOST_PROBED


@pytest.mark.parametrize("port_open", [None, True])
async def test_without_a_probe_nothing_is_asked(port_open: bool | None) -> None:
    world = World(MX)
    (finding,) = await starttls.check(Order(Target(domain=DOMAIN)), world, port_open=lambda: port_open)
    assert (finding.code, finding.verdict, world.asked) == ("starttls.not-checked", Verdict.PASS, [])


async def test_where_port_25_is_shut_nobody_is_asked() -> None:
    probe = Probing(offers_tls=False)
    (finding,) = await look(MX, probe, port_open=False)
    assert (finding.code, probe.asked) == ("starttls.not-checked", [])
    assert "25" in finding.says


@pytest.mark.parametrize(("port_open", "code"), [(None, "starttls.not-checked"), (True, "starttls.no-answer")])
async def test_no_server_reached_is_a_shut_port_unless_it_is_known_to_be_open(
    port_open: bool | None, code: str
) -> None:
    (finding,) = await look(MX, Probing(trouble=Trouble.UNREACHABLE), port_open)
    assert finding.code == code


@pytest.mark.parametrize(
    ("zone", "code"),
    [
        ({DOMAIN: {"MX": ["0 ."]}}, "starttls.no-mail"),
        ({}, "starttls.no-mail"),
        ({DOMAIN: {"MX": "servfail"}}, "starttls.no-answer"),
    ],
)
async def test_without_a_mail_server_nobody_is_asked(zone: Zone, code: str) -> None:
    probe = Probing(offers_tls=False)
    (finding,) = await look(zone, probe)
    assert (finding.code, probe.asked) == (code, [])


async def test_a_domain_without_mx_records_is_its_own_mail_server() -> None:
    probe = Probing(offers_tls=True, tls_version="TLSv1.3")
    await look({DOMAIN: {"A": ["203.0.113.5"]}}, probe)
    assert probe.asked == [DOMAIN]


@pytest.mark.parametrize("trouble", [*(facts.trouble for facts, _, verdict in JUDGED if verdict is Verdict.UNKNOWN)])
async def test_a_report_that_does_not_wait_is_no_worse_for_what_it_could_not_see(trouble: Trouble) -> None:
    order, probe = Order(Target(domain=DOMAIN)), Probing(trouble=trouble)
    (finding,) = await starttls.check(order, World(MX), probe=probe, port_open=lambda: True, patience_s=9)
    assert (finding.code, finding.verdict) == ("starttls.not-checked", Verdict.PASS)
    assert "{" not in finding.says


async def test_a_slow_server_is_left_and_what_it_says_later_is_there_for_the_next_report() -> None:
    go = asyncio.Event()

    async def slow(name: str, /) -> SmtpFacts:
        if name == "mx2.example.com":
            await go.wait()
        return visit(name)

    probe, order = Sparing(slow), Order(Target(domain=DOMAIN))
    (first,) = await starttls.check(order, World(MX), probe=probe, patience_s=0.01, clock=lambda: TODAY)
    go.set()
    (second,) = await starttls.check(order, World(MX), probe=probe, patience_s=9, clock=lambda: TODAY)
    told = [[server["name"] for server in finding.facts["servers"]] for finding in (first, second)]
    assert told == [["mx1.example.com"], ["mx1.example.com", "mx2.example.com"]]


async def test_a_sweep_that_does_not_wait_visits_nobody() -> None:
    class Sweep(World, SweepLookup):
        """Asks one by one, but is a sweep's."""

        async def ask_all(self, label: str, apexes: Sequence[str], /, *, heard: Heard | None = None) -> list[Answer]:
            raise NotImplementedError

    probe = Probing(offers_tls=False)
    (finding,) = await starttls.check(Order(Target(domain=DOMAIN)), Sweep(MX), probe=probe, patience_s=9)
    assert (finding.code, probe.asked) == ("starttls.not-checked", [])


def test_every_code_has_a_sentence() -> None:
    assert starttls.OUTCOMES.keys() == starttls.CODES.keys()
