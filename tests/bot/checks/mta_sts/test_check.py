"""MTA-STS of a domain: never needed for delivery, and an outage where an enforced policy leaves a mail server out."""

from __future__ import annotations

from typing import Any

import pytest

from bot.checks import mta_sts
from bot.checks.mta_sts import policy_url
from bot.models import Finding, Order, Target, Verdict
from bot.probe_results import WORDS, Page, Trouble, VisitFailed
from tests.bot.checks.mta_sts.test_policy import OF_THE_RFC
from tests.support.dns_world import World, Zone

DOMAIN = "example.com"
RECORD: dict[str, Any] = {"_mta-sts.example.com": {"TXT": ["v=STSv1; id=20160831085700Z;"]}}
SERVERS: dict[str, Any] = {DOMAIN: {"MX": ["10 mail.example.com", "20 mx1.example.net"]}}
STRAY: dict[str, Any] = {DOMAIN: {"MX": ["10 mail.example.com", "20 a.b.example.net", "30 mx.example.org"]}}
TESTING = OF_THE_RFC.replace("enforce", "testing")


class Web:
    """One page, or the trouble with it; `asked` remembers the URLs."""

    def __init__(self, answer: str | Trouble, kind: str = "text/plain") -> None:
        self._answer = answer
        self._kind = kind
        self.asked: list[str] = []

    async def __call__(self, url: str, /) -> Page:
        self.asked.append(url)
        if isinstance(self._answer, Trouble):
            raise VisitFailed(self._answer, "detail")
        return Page(url, self._kind, self._answer.encode())


async def look(zone: Zone, answer: str | Trouble = OF_THE_RFC, kind: str = "text/plain") -> list[Finding]:
    return await mta_sts.check(Order(Target(domain=DOMAIN)), World(zone), fetch=Web(answer, kind))


CASES: list[tuple[Zone, str | Trouble, str, Verdict]] = [
    (RECORD | SERVERS, OF_THE_RFC, "mta-sts.ok", Verdict.PASS),
    (RECORD | SERVERS, TESTING, "mta-sts.testing", Verdict.PASS),
    (RECORD | SERVERS, "version: STSv1\nmode: none\nmax_age: 1", "mta-sts.off", Verdict.PASS),
    (SERVERS, OF_THE_RFC, "mta-sts.missing", Verdict.PASS),
    ({DOMAIN: {"MX": ["0 ."]}}, OF_THE_RFC, "mta-sts.not-needed", Verdict.PASS),
    (RECORD | {DOMAIN: {"MX": ["0 ."]}}, OF_THE_RFC, "mta-sts.ok", Verdict.PASS),
    (SERVERS | {"_mta-sts.example.com": {"TXT": ["v=STSv1; id=1", "v=STSv1; id=2"]}}, OF_THE_RFC, "mta-sts.several", Verdict.WARN),
    (SERVERS | {"_mta-sts.example.com": {"TXT": ["v=STSv1; id=2-3"]}}, OF_THE_RFC, "mta-sts.bad-record", Verdict.WARN),
    (SERVERS | {"_mta-sts.example.com": {"TXT": ["v=spf1 -all"]}}, OF_THE_RFC, "mta-sts.missing", Verdict.PASS),
    (SERVERS | {"_mta-sts.example.com": {"TXT": "servfail"}}, OF_THE_RFC, "mta-sts.no-answer", Verdict.UNKNOWN),
    (RECORD | {DOMAIN: {"MX": "timeout"}}, OF_THE_RFC, "mta-sts.no-answer", Verdict.UNKNOWN),
    (RECORD | STRAY, OF_THE_RFC, "mta-sts.mx-refused", Verdict.FAIL),
    (RECORD | STRAY, TESTING, "mta-sts.mx-unlisted", Verdict.WARN),
    (RECORD | {DOMAIN: {"A": ["203.0.113.5"]}}, OF_THE_RFC, "mta-sts.mx-refused", Verdict.FAIL),
    (RECORD | STRAY, "version: STSv1\nmode: none\nmax_age: 1", "mta-sts.off", Verdict.PASS),
    (RECORD | SERVERS, "<html>", "mta-sts.bad-policy", Verdict.WARN),
    (RECORD | SERVERS, Trouble.REDIRECT, "mta-sts.redirect", Verdict.WARN),
    (RECORD | SERVERS, Trouble.STATUS, "mta-sts.no-policy", Verdict.WARN),
    (RECORD | SERVERS, Trouble.NO_ADDRESS, "mta-sts.no-policy", Verdict.WARN),
    (RECORD | SERVERS, Trouble.SPECIAL, "mta-sts.no-policy", Verdict.WARN),
    (RECORD | SERVERS, Trouble.TOO_LARGE, "mta-sts.no-policy", Verdict.WARN),
    (RECORD | SERVERS, Trouble.NO_TLS, "mta-sts.no-policy", Verdict.WARN),
    (RECORD | SERVERS, Trouble.EXPIRED, "mta-sts.bad-certificate", Verdict.WARN),
    (RECORD | SERVERS, Trouble.WRONG_NAME, "mta-sts.bad-certificate", Verdict.WARN),
    (RECORD | SERVERS, Trouble.SELF_SIGNED, "mta-sts.bad-certificate", Verdict.WARN),
    (RECORD | SERVERS, Trouble.TIMEOUT, "mta-sts.not-fetched", Verdict.UNKNOWN),
    (RECORD | SERVERS, Trouble.UNREACHABLE, "mta-sts.not-fetched", Verdict.UNKNOWN),
    (RECORD | SERVERS, Trouble.NO_ANSWER, "mta-sts.not-fetched", Verdict.UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "answer", "code", "verdict"), CASES)
async def test_a_domain_is_judged(zone: Zone, answer: str | Trouble, code: str, verdict: Verdict) -> None:
    first, *_ = await look(zone, answer)
    assert (first.check, first.about, first.code, first.verdict) == ("mta-sts", DOMAIN, code, verdict)
    assert "{" not in first.says + first.step
    assert first.step or first.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("answer", "kind", "codes"),
    [
        (OF_THE_RFC, "text/html", ["mta-sts.ok", "mta-sts.wrong-type"]),
        (OF_THE_RFC, "", ["mta-sts.ok", "mta-sts.wrong-type"]),
        (OF_THE_RFC.replace("604800", "3600"), "text/plain", ["mta-sts.ok", "mta-sts.short-age"]),
        (TESTING.replace("604800", "86400"), "text/plain", ["mta-sts.testing"]),
    ],
)
async def test_what_is_odd_about_a_policy_stands_behind_what_it_does(answer: str, kind: str, codes: list[str]) -> None:
    assert [finding.code for finding in await look(RECORD | SERVERS, answer, kind)] == codes


async def test_every_mail_server_must_fit_and_those_that_do_not_are_named() -> None:
    (finding,) = await look(RECORD | STRAY)
    assert finding.facts["not_named"] == ["a.b.example.net", "mx.example.org"]
    assert "a.b.example.net, mx.example.org" in finding.says
    assert "mx: a.b.example.net" in finding.step


async def test_the_policy_is_fetched_once_and_only_where_a_record_announces_it() -> None:
    web = Web(OF_THE_RFC)
    order = Order(Target(domain=DOMAIN))
    await mta_sts.check(order, World(SERVERS), fetch=web)
    assert web.asked == []
    await mta_sts.check(order, World(RECORD | SERVERS), fetch=web)
    assert web.asked == [policy_url(DOMAIN)] == ["https://mta-sts.example.com/.well-known/mta-sts.txt"]


async def test_without_a_domain_nothing_is_asked() -> None:
    world, web = World({}), Web(OF_THE_RFC)
    assert await mta_sts.check(Order(Target.of("203.0.113.5")), world, fetch=web) == []
    assert (world.asked, web.asked) == ([], [])


async def test_words_of_strangers_do_not_get_into_a_sentence_as_they_are() -> None:
    evil = "<!channel> *bold* `code`"
    findings = await look(RECORD | SERVERS, f"{evil}\n", "text/<!here>")
    findings += await look(SERVERS | {"_mta-sts.example.com": {"TXT": [f"v=STSv1; {evil}"]}})
    for finding in findings:
        assert not set("<>*`") & set(finding.says + finding.step)


def test_every_code_has_a_sentence_and_every_trouble_has_words() -> None:
    assert mta_sts.OUTCOMES.keys() == mta_sts.CODES.keys()
    assert WORDS.keys() == set(Trouble)
