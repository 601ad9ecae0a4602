"""Hostile records: every check ends after few queries, within its own time limit, with the right result."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

import pytest

from bot.checks.spf import check
from bot.checks.spf.check_host import check_host
from bot.checks.spf.dns_session import DEFAULT_LIMITS
from bot.models import Address, CheckRequest, DnsAnswer, LookupFailed, Target

IP = ip_address("203.0.113.5")
DOMAIN = "start.example"
LONG_SENDER = "x" * 240 + "@" + DOMAIN
Script = Callable[[str, str], list[str]]  # name and rdtype to records: zones generated on demand


def spf(record: str) -> Script:
    return lambda name, rdtype: [f"v=spf1 {record}"] if rdtype == "TXT" else []


def ten_by_ten_mx(name: str, rdtype: str) -> list[str]:
    if name == DOMAIN:
        return ["v=spf1 " + " ".join(f"mx:m{n}.example" for n in range(10)) + " -all"] if rdtype == "TXT" else []
    return [f"{n} h{n}.{name}" for n in range(10)] if rdtype == "MX" else ["192.0.2.1"]


def include_chain(name: str, rdtype: str) -> list[str]:
    """Every record includes the next ten of an endless chain."""
    number = int(name.partition(".")[0].removeprefix("c")) if name != DOMAIN else 0
    return spf(" ".join(f"include:c{n}.example" for n in range(number + 1, number + 11)))(name, rdtype)


def include_tree(name: str, rdtype: str) -> list[str]:
    """Every record includes ten new ones."""
    label = name.partition(".")[0] if name != DOMAIN else "t"
    return spf(" ".join(f"include:{label}{n}.example" for n in range(10)) + " -all")(name, rdtype)


def many_records(many_rdtype: str, term: str) -> Script:
    def script(name: str, rdtype: str) -> list[str]:
        if rdtype == "TXT":
            return [f"v=spf1 {term} -all"]
        if rdtype == many_rdtype:
            return [f"{'10 ' if rdtype == 'MX' else ''}h{n}.{DOMAIN}" for n in range(1000)]
        return ["192.0.2.1"]

    return script


def explanation_bomb(name: str, rdtype: str) -> list[str]:
    if rdtype != "TXT":
        return []
    return ["v=spf1 -all exp=why.example"] if name == DOMAIN else ["%{s}" * 16_000]


HOSTILE: dict[str, tuple[Script, str]] = {
    "10 mx of 10 hosts": (ten_by_ten_mx, "fail"),
    "20 includes": (spf(" ".join(f"include:i{n}.example" for n in range(20))), "permerror"),
    "include chain": (include_chain, "permerror"),
    "include tree": (include_tree, "permerror"),
    "includes itself": (spf(f"include:{DOMAIN} -all"), "permerror"),
    "redirects to itself": (spf(f"redirect={DOMAIN}"), "permerror"),
    "redirect loop of two": (lambda n, r: spf(f"redirect={DOMAIN if n != DOMAIN else 'b.example'}")(n, r), "permerror"),
    "macro bomb": (spf("exists:" + "%{s}" * 16_000 + ".example -all"), "fail"),
    "%{p} bomb": (spf(" ".join(["a:" + "%{p}." * 50 + "example"] * 10) + " -all"), "permerror"),
    "explanation bomb": (explanation_bomb, "fail"),
    "64 kB of networks": (spf("ip4:192.0.2.1 " * 4_600 + "-all"), "fail"),
    "64 kB of includes": (spf(" ".join(f"include:i{n}.example" for n in range(3_500))), "permerror"),
    "64 kB in one label": (spf("a:" + "x" * 65_000 + ".example -all"), "fail"),
    "64 kB of labels": (spf("a:" + "a." * 32_000 + "example -all"), "fail"),
    "3,000 broken macros": (spf("exists:%(x) " * 3_000 + "-all"), "permerror"),
    "1,000 records": (lambda n, r: ["v=spf1 -all"] * 1_000 if r == "TXT" else [], "permerror"),
    "1,000 mail servers": (many_records("MX", "mx"), "permerror"),
    "1,000 reverse names": (many_records("PTR", "ptr"), "fail"),
    "a dead name everywhere": (spf(" ".join(f"a:d{n}.example" for n in range(10))), "permerror"),
}


class Scripted:
    """A lookup that generates its answers and counts the queries."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.query_count = 0

    async def __call__(self, name: str, rdtype: str, /) -> DnsAnswer:
        self.query_count += 1
        return DnsAnswer(name, rdtype, tuple(self.script(name, rdtype)))


@pytest.mark.parametrize("attack", HOSTILE)
async def test_check_host_hostile_record_is_cheap_and_correct(attack: str) -> None:
    script, result = HOSTILE[attack]
    spf_result = await check_host(IP, LONG_SENDER, "mail.example", resolver := Scripted(script))
    assert spf_result.code == result
    assert resolver.query_count <= spf_result.queries <= DEFAULT_LIMITS.max_queries
    assert len(spf_result.explanation or "") + len(spf_result.mechanism or "") + len(str(spf_result.problem)) < 10_000


@pytest.mark.parametrize("ip", [IP, None])
@pytest.mark.parametrize("attack", HOSTILE)
async def test_spf_hostile_domain_stays_within_limits(attack: str, ip: Address | None) -> None:
    findings = await check(CheckRequest(Target(ip, DOMAIN)), resolver := Scripted(HOSTILE[attack][0]))
    assert resolver.query_count <= DEFAULT_LIMITS.max_queries
    for finding in findings:
        assert len(finding.summary) + len(finding.remediation) < 2_500
        assert finding.summary.isprintable()
    assert 1 <= len(findings) <= 60


async def test_spf_failing_resolver_is_queried_twice() -> None:
    query_count = 0

    async def failing_lookup(name: str, rdtype: str, /) -> DnsAnswer:
        nonlocal query_count
        query_count += 1
        raise LookupFailed("timeout", f"{name} {rdtype}")

    findings = await check(CheckRequest(Target(IP, DOMAIN), helo="mail.example"), failing_lookup)
    assert [finding.code for finding in findings] == ["spf.temporary-error", "spf.helo-no-answer"]
    assert query_count == 2
