"""Records written to hurt whoever reads them: every check ends soon, after few questions, with the right word."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import ip_address

import pytest

from bot.checks.spf import check
from bot.checks.spf.check_host import check_host
from bot.checks.spf.dns_session import OURS
from bot.models import Address, Answer, LookupFailed, Order, Target

IP = ip_address("203.0.113.5")
DOMAIN = "start.example"
LONG_SENDER = "x" * 240 + "@" + DOMAIN
Script = Callable[[str, str], list[str]]  # a name and a kind to records: worlds that are made up as they are asked


def spf(record: str) -> Script:
    return lambda name, kind: [f"v=spf1 {record}"] if kind == "TXT" else []


def ten_by_ten_mx(name: str, kind: str) -> list[str]:
    if name == DOMAIN:
        return ["v=spf1 " + " ".join(f"mx:m{n}.example" for n in range(10)) + " -all"] if kind == "TXT" else []
    return [f"{n} h{n}.{name}" for n in range(10)] if kind == "MX" else ["192.0.2.1"]


def include_chain(name: str, kind: str) -> list[str]:
    """Every record includes the next ten of an endless row."""
    number = int(name.partition(".")[0].removeprefix("c")) if name != DOMAIN else 0
    return spf(" ".join(f"include:c{n}.example" for n in range(number + 1, number + 11)))(name, kind)


def include_tree(name: str, kind: str) -> list[str]:
    """Every record includes ten that nobody has seen before."""
    label = name.partition(".")[0] if name != DOMAIN else "t"
    return spf(" ".join(f"include:{label}{n}.example" for n in range(10)) + " -all")(name, kind)


def crowd(kind_of_crowd: str, term: str) -> Script:
    def script(name: str, kind: str) -> list[str]:
        if kind == "TXT":
            return [f"v=spf1 {term} -all"]
        if kind == kind_of_crowd:
            return [f"{'10 ' if kind == 'MX' else ''}h{n}.{DOMAIN}" for n in range(1000)]
        return ["192.0.2.1"]

    return script


def explanation_bomb(name: str, kind: str) -> list[str]:
    if kind != "TXT":
        return []
    return ["v=spf1 -all exp=why.example"] if name == DOMAIN else ["%{s}" * 16_000]


HOSTILE: dict[str, tuple[Script, str]] = {
    "10 mx of 10 hosts": (ten_by_ten_mx, "fail"),
    "20 includes": (spf(" ".join(f"include:i{n}.example" for n in range(20))), "permerror"),
    "include chain": (include_chain, "permerror"),
    "include tree": (include_tree, "permerror"),
    "includes itself": (spf(f"include:{DOMAIN} -all"), "permerror"),
    "redirects to itself": (spf(f"redirect={DOMAIN}"), "permerror"),
    "redirect loop of two": (lambda n, k: spf(f"redirect={DOMAIN if n != DOMAIN else 'b.example'}")(n, k), "permerror"),
    "macro bomb": (spf("exists:" + "%{s}" * 16_000 + ".example -all"), "fail"),
    "%{p} bomb": (spf(" ".join(["a:" + "%{p}." * 50 + "example"] * 10) + " -all"), "permerror"),
    "explanation bomb": (explanation_bomb, "fail"),
    "64 kB of networks": (spf("ip4:192.0.2.1 " * 4_600 + "-all"), "fail"),
    "64 kB of includes": (spf(" ".join(f"include:i{n}.example" for n in range(3_500))), "permerror"),
    "64 kB in one label": (spf("a:" + "x" * 65_000 + ".example -all"), "fail"),
    "64 kB of labels": (spf("a:" + "a." * 32_000 + "example -all"), "fail"),
    "3,000 broken macros": (spf("exists:%(x) " * 3_000 + "-all"), "permerror"),
    "1,000 records": (lambda n, k: ["v=spf1 -all"] * 1_000 if k == "TXT" else [], "permerror"),
    "1,000 mail servers": (crowd("MX", "mx"), "permerror"),
    "1,000 reverse names": (crowd("PTR", "ptr"), "fail"),
    "a dead name everywhere": (spf(" ".join(f"a:d{n}.example" for n in range(10))), "permerror"),
}


class Scripted:
    """A resolver that makes its answers up, and counts them."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked = 0

    async def __call__(self, name: str, kind: str, /) -> Answer:
        self.asked += 1
        return Answer(name, kind, tuple(self.script(name, kind)))


@pytest.mark.parametrize("attack", HOSTILE)
async def test_a_hostile_record_gets_the_right_word_for_little(attack: str) -> None:
    script, result = HOSTILE[attack]
    started = time.monotonic()
    evaluation = await check_host(IP, LONG_SENDER, "mail.example", resolver := Scripted(script))
    took = time.monotonic() - started
    print(f"\n{attack:24} {evaluation.result:10} {resolver.asked:4} questions {took * 1000:7.1f} ms")
    assert evaluation.result == result
    assert resolver.asked <= evaluation.queries <= OURS.queries
    assert took < OURS.seconds
    assert len(evaluation.explanation or "") + len(evaluation.mechanism or "") + len(evaluation.problem) < 10_000


@pytest.mark.parametrize("ip", [IP, None])
@pytest.mark.parametrize("attack", HOSTILE)
async def test_the_whole_check_of_a_hostile_domain_stays_within_one_budget(attack: str, ip: Address | None) -> None:
    started = time.monotonic()
    findings = await check(Order(Target(ip, DOMAIN)), resolver := Scripted(HOSTILE[attack][0]))
    assert resolver.asked <= OURS.queries
    assert time.monotonic() - started < OURS.seconds
    for finding in findings:
        assert len(finding.says) + len(finding.step) < 2_500
        assert finding.says.isprintable()
    assert 1 <= len(findings) <= 60


async def test_a_resolver_that_fails_on_everything_is_not_asked_for_ever() -> None:
    asked = 0

    async def dead(name: str, kind: str, /) -> Answer:
        nonlocal asked
        asked += 1
        raise LookupFailed("timeout", f"{name} {kind}")

    findings = await check(Order(Target(IP, DOMAIN), helo="mail.example"), dead)
    assert [finding.code for finding in findings] == ["spf.temporary-error", "spf.helo-no-answer"]
    assert asked == 2
