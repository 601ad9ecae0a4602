"""check_host: the path of a result, the limits used up, and the reason of an error."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import pytest

from bot.checks.spf.check_host import check_host
from bot.checks.spf.dns_session import DEFAULT_LIMITS, Limits
from bot.checks.spf.phrases import PROBLEMS
from bot.checks.spf.result import PermErrorCause, ResultCode, SpfResult, to_json
from bot.models import DnsAnswer, Lookup, LookupFailed
from tests.support.dns_world import World

ZONE: Mapping[str, Mapping[str, Any]] = {
    "example.com": {
        "TXT": ["v=spf1 a:dead.example mx include:_spf.example.net ?include:open.example -all exp=why.example.com"],
        "MX": ["10 mx.example.com"],
    },
    "mx.example.com": {"A": ["192.0.2.25"]},
    "_spf.example.net": {"TXT": ["v=spf1 redirect=_a.example.net"]},
    "_a.example.net": {"TXT": ["v=spf1 ip4:203.0.113.0/28 ip6:2001:db8::/64 -ip4:198.51.100.0/24 ~all"]},
    "open.example": {"TXT": ["v=spf1 ip4:203.0.113.99 ip4:203.0.113.98 -all"]},
    "why.example.com": {"TXT": ["%{i} is not ours, says %{d}"]},
    "twice.example": {"TXT": ["v=spf1 include:open.example include:open.example -all"]},
}


def sentence_of(result: SpfResult) -> str:
    assert result.problem is not None
    return result.problem.phrase(PROBLEMS)


async def evaluate(
    ip: str, domain: str = "example.com", lookup: Lookup | None = None, limits: Limits = DEFAULT_LIMITS
) -> SpfResult:
    return await check_host(ip_address(ip), f"someone@{domain}", "mail.example.com", lookup or World(ZONE), limits)


@pytest.mark.parametrize(
    ("ip", "code", "mechanism", "chain", "lookups"),
    [
        ("192.0.2.25", "pass", "mx", ["example.com"], 2),
        ("203.0.113.5", "pass", "ip4:203.0.113.0/28", ["example.com", "_spf.example.net", "_a.example.net"], 4),
        ("::ffff:203.0.113.5", "pass", "ip4:203.0.113.0/28", ["example.com", "_spf.example.net", "_a.example.net"], 4),
        ("203.0.113.99", "neutral", "?include:open.example", ["example.com"], 5),
        ("198.51.100.7", "fail", "-all", ["example.com"], 5),
    ],
)
async def test_check_host_returns_matching_term_and_chain(
    ip: str, code: str, mechanism: str, chain: list[str], lookups: int
) -> None:
    result = await evaluate(ip)
    assert (result.code, result.mechanism, list(result.chain)) == (code, mechanism, chain)
    assert result.matched_in == chain[-1]
    assert (result.lookups, result.void_lookups) == (lookups, 1)
    assert result.void_queries == (("dead.example", "A"),)


async def test_to_json_matches_documented_keys() -> None:
    assert to_json(await evaluate("198.51.100.7")) == {
        "result": "fail",
        "explanation": "198.51.100.7 is not ours, says example.com",
        "mechanism": "-all",
        "lookups": 5,
        "voids": 1,
        "queries": 8,
        "path": ["example.com", "_spf.example.net", "_a.example.net", "open.example"],
    }


async def test_check_host_repeated_include_is_queried_once_counted_twice() -> None:
    world = World(ZONE)
    result = await evaluate("192.0.2.1", "twice.example", world)
    assert result.lookups == 2
    assert result.path == ("twice.example", "open.example", "open.example")
    assert world.queries == [("twice.example", "TXT"), ("open.example", "TXT")]


async def test_check_host_no_record_is_none() -> None:
    result = await evaluate("192.0.2.1", "nothing.example")
    assert (result.code, result.problem, result.path) == (ResultCode.NONE, None, ())


@pytest.mark.parametrize("domain", ["com", "a..example", "[192.0.2.1]", "x" * 64 + ".example", ""])
async def test_check_host_malformed_domain_is_none_without_query(domain: str) -> None:
    world = World(ZONE)
    assert (await evaluate("192.0.2.1", domain, world)).code is ResultCode.NONE
    assert world.queries == []


@pytest.mark.parametrize(
    ("record", "cause", "problem"),
    [
        ("moo", PermErrorCause.SYNTAX, "“moo” is not a term of SPF."),
        (
            "include:no.example",
            PermErrorCause.MISSING_RECORD,
            "The record of bad.example includes “no.example”, which has no SPF record.",
        ),
        (
            "redirect=no.example",
            PermErrorCause.MISSING_RECORD,
            "The record of bad.example redirects to “no.example”, which has no SPF record.",
        ),
        (
            "a:1.example a:2.example a:3.example",
            PermErrorCause.VOID_LOOKUPS,
            "1.example, 2.example and 3.example have no DNS records; the limit is 2 void lookups.",
        ),
        ("mx", PermErrorCause.MX_HOSTS, "bad.example has 11 MX records; the limit is 10."),
        ("include:bad.example", PermErrorCause.LOOKUPS, "The record needs more than 10 DNS lookups."),
    ],
)
async def test_check_host_permerror_has_cause_and_sentence(record: str, cause: PermErrorCause, problem: str) -> None:
    servers = [f"10 mx{number}.example" for number in range(11)]
    result = await evaluate(
        "192.0.2.1", "bad.example", World({"bad.example": {"TXT": [f"v=spf1 {record}"], "MX": servers}})
    )
    assert (result.code, result.cause, sentence_of(result)) == (ResultCode.PERMERROR, cause, problem)


async def test_check_host_two_identical_records_are_permerror() -> None:
    result = await evaluate("192.0.2.1", "two.example", World({"two.example": {"TXT": ["v=spf1 -all", "v=spf1 -all"]}}))
    assert (result.code, sentence_of(result)) == (
        ResultCode.PERMERROR,
        "two.example has 2 SPF records; one is allowed.",
    )


@pytest.mark.parametrize("reason", ["timeout", "servfail", "refused", "malformed"])
@pytest.mark.parametrize(
    "record",
    ["a:dark.example", "mx:dark.example", "exists:dark.example", "include:dark.example", "redirect=dark.example"],
)
async def test_check_host_dns_error_is_temperror(record: str, reason: str) -> None:
    world = World({"a.example": {"TXT": [f"v=spf1 {record}"]}, "dark.example": {"*": reason}})
    result = await evaluate("192.0.2.1", "a.example", world)
    assert result.code is ResultCode.TEMPERROR
    assert sentence_of(result).startswith("DNS gave no answer about dark.example ")
    assert sentence_of(result).endswith(f" ({reason}).")


async def test_check_host_ptr_dns_error_does_not_match() -> None:
    world = World({"a.example": {"TXT": ["v=spf1 ptr ?all"]}, "1.2.0.192.in-addr.arpa": {"PTR": "timeout"}})
    assert (await evaluate("192.0.2.1", "a.example", world)).mechanism == "?all"


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["other.example", "mx.a.example", "a.example"], "a.example"),
        (["other.example", "mx.a.example"], "mx.a.example"),
        (["other.example"], "other.example"),
        (["forged.example"], "unknown"),
        ([], "unknown"),
    ],
)
async def test_check_host_macro_p_prefers_names_of_the_domain(names: list[str], chosen: str) -> None:
    zone: dict[str, Any] = {name: {"A": ["192.0.2.1"]} for name in ("other.example", "mx.a.example")}
    zone["1.2.0.192.in-addr.arpa"] = {"PTR": names}
    zone["a.example"] = {"A": ["192.0.2.1"], "TXT": ["v=spf1 -all exp=why.example"]}
    zone["why.example"] = {"TXT": ["%{p}"]}
    assert (await evaluate("192.0.2.1", "a.example", World(zone))).explanation == chosen


class SilentLookup:
    """A lookup that never answers for some names."""

    def __init__(self, *names: str) -> None:
        self.names = names

    async def __call__(self, name: str, rdtype: str, /) -> DnsAnswer:
        if name in self.names:
            await asyncio.Event().wait()
        return World(ZONE).answer(name, rdtype)


async def test_check_host_time_limit_is_unknown() -> None:
    result = await evaluate("203.0.113.5", lookup=SilentLookup("_spf.example.net"), limits=Limits(timeout_s=0.05))
    assert result.code is ResultCode.UNKNOWN
    assert sentence_of(result) == "The check stopped because DNS was too slow."
    assert result.path == ("example.com",)


async def test_check_host_query_limit_is_unknown() -> None:
    result = await evaluate("198.51.100.7", limits=Limits(max_queries=4, max_prefetched=0))
    assert (result.code, result.queries) == (ResultCode.UNKNOWN, 4)
    assert sentence_of(result) == "The check stopped after 4 DNS queries."


async def test_check_host_lookup_budget_exhausted_is_unknown() -> None:
    async def budget_exhausted(name: str, rdtype: str, /) -> DnsAnswer:
        raise LookupFailed("budget", f"{name} {rdtype}")

    assert (await evaluate("192.0.2.1", lookup=budget_exhausted)).code is ResultCode.UNKNOWN


@pytest.mark.parametrize("explanation", ["timeout", "servfail", ["one", "two"], ["%{x}"], ["naïve"], []])
async def test_check_host_fail_without_explanation_stays_fail(explanation: Any) -> None:
    zone = {"a.example": {"TXT": ["v=spf1 -all exp=why.example"]}, "why.example": {"TXT": explanation}}
    result = await evaluate("192.0.2.1", "a.example", World(zone))
    assert (result.code, result.explanation, result.void_lookups) == (ResultCode.FAIL, None, 0)


async def test_check_host_fail_with_slow_explanation_stays_fail() -> None:
    result = await evaluate("198.51.100.7", lookup=SilentLookup("why.example.com"), limits=Limits(timeout_s=0.05))
    assert (result.code, result.explanation) == (ResultCode.FAIL, None)


async def test_check_host_lookup_exception_propagates() -> None:
    async def broken(name: str, rdtype: str, /) -> DnsAnswer:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await evaluate("192.0.2.1", lookup=broken)


async def test_check_host_cancelled_leaves_no_task() -> None:
    task = asyncio.create_task(evaluate("203.0.113.5", lookup=SilentLookup("example.com")))
    before = asyncio.all_tasks() - {task}
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before
