"""What an evaluation tells beside its result: the way it took, what it used up, and why it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import pytest

from bot.checks.spf.check_host import check_host
from bot.checks.spf.dns_session import OURS, Limits
from bot.checks.spf.result import Cause, Evaluation, Result, to_json
from bot.models import Answer, Lookup, LookupFailed
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


async def asked(
    ip: str, domain: str = "example.com", lookup: Lookup | None = None, limits: Limits = OURS
) -> Evaluation:
    return await check_host(ip_address(ip), f"someone@{domain}", "mail.example.com", lookup or World(ZONE), limits)


@pytest.mark.parametrize(
    ("ip", "result", "mechanism", "chain", "lookups"),
    [
        ("192.0.2.25", "pass", "mx", ["example.com"], 2),
        ("203.0.113.5", "pass", "ip4:203.0.113.0/28", ["example.com", "_spf.example.net", "_a.example.net"], 4),
        ("::ffff:203.0.113.5", "pass", "ip4:203.0.113.0/28", ["example.com", "_spf.example.net", "_a.example.net"], 4),
        ("203.0.113.99", "neutral", "?include:open.example", ["example.com"], 5),
        ("198.51.100.7", "fail", "-all", ["example.com"], 5),
    ],
)
async def test_the_matching_term_and_the_way_to_it_are_told(
    ip: str, result: str, mechanism: str, chain: list[str], lookups: int
) -> None:
    evaluation = await asked(ip)
    assert (evaluation.result, evaluation.mechanism, list(evaluation.chain)) == (result, mechanism, chain)
    assert evaluation.matched_in == chain[-1]
    assert (evaluation.lookups, evaluation.voids) == (lookups, 1)
    assert evaluation.void_questions == (("dead.example", "A"),)


async def test_the_json_is_the_one_of_the_contract() -> None:
    assert to_json(await asked("198.51.100.7")) == {
        "result": "fail",
        "explanation": "198.51.100.7 is not ours, says example.com",
        "mechanism": "-all",
        "lookups": 5,
        "voids": 1,
        "queries": 8,
        "path": ["example.com", "_spf.example.net", "_a.example.net", "open.example"],
    }


async def test_the_same_question_is_asked_once_and_the_same_record_counted_twice() -> None:
    world = World(ZONE)
    evaluation = await asked("192.0.2.1", "twice.example", world)
    assert evaluation.lookups == 2
    assert evaluation.path == ("twice.example", "open.example", "open.example")
    assert world.asked == [("twice.example", "TXT"), ("open.example", "TXT")]


async def test_no_record_is_no_error() -> None:
    evaluation = await asked("192.0.2.1", "nothing.example")
    assert (evaluation.result, evaluation.problem, evaluation.path) == (Result.NONE, "", ())


@pytest.mark.parametrize("domain", ["com", "a..example", "[192.0.2.1]", "x" * 64 + ".example", ""])
async def test_a_malformed_domain_has_no_record_and_is_not_asked_about(domain: str) -> None:
    world = World(ZONE)
    assert (await asked("192.0.2.1", domain, world)).result is Result.NONE
    assert world.asked == []


@pytest.mark.parametrize(
    ("record", "cause", "problem"),
    [
        ("moo", Cause.SYNTAX, "“moo” is not a term that SPF knows."),
        (
            "include:no.example",
            Cause.NO_RECORD,
            "The record of bad.example includes “no.example”, which has no SPF record.",
        ),
        (
            "redirect=no.example",
            Cause.NO_RECORD,
            "The record of bad.example hands over to “no.example”, which has no SPF record.",
        ),
        (
            "a:1.example a:2.example a:3.example",
            Cause.VOIDS,
            "1.example, 2.example and 3.example lead to nothing; SPF allows 2 such questions.",
        ),
        ("mx", Cause.MAIL_SERVERS, "bad.example has 11 MX records; SPF looks at no more than 10."),
        ("include:bad.example", Cause.LOOKUPS, "The record needs more than 10 terms that ask DNS."),
    ],
)
async def test_a_permanent_error_has_a_cause_and_a_sentence(record: str, cause: Cause, problem: str) -> None:
    servers = [f"10 mx{number}.example" for number in range(11)]
    evaluation = await asked(
        "192.0.2.1", "bad.example", World({"bad.example": {"TXT": [f"v=spf1 {record}"], "MX": servers}})
    )
    assert (evaluation.result, evaluation.cause, evaluation.problem) == (Result.PERMERROR, cause, problem)


async def test_two_records_are_an_error_even_when_they_agree() -> None:
    evaluation = await asked(
        "192.0.2.1", "two.example", World({"two.example": {"TXT": ["v=spf1 -all", "v=spf1 -all"]}})
    )
    assert (evaluation.result, evaluation.problem) == (
        Result.PERMERROR,
        "two.example has 2 SPF records; one is allowed.",
    )


@pytest.mark.parametrize("reason", ["timeout", "servfail", "refused", "malformed"])
@pytest.mark.parametrize(
    "record",
    ["a:dark.example", "mx:dark.example", "exists:dark.example", "include:dark.example", "redirect=dark.example"],
)
async def test_no_answer_is_a_temporary_error(record: str, reason: str) -> None:
    world = World({"a.example": {"TXT": [f"v=spf1 {record}"]}, "dark.example": {"*": reason}})
    evaluation = await asked("192.0.2.1", "a.example", world)
    assert evaluation.result is Result.TEMPERROR
    assert evaluation.problem.startswith("DNS gave no answer about dark.example ")
    assert evaluation.problem.endswith(f" ({reason}).")


async def test_no_answer_about_a_reverse_name_only_means_that_ptr_does_not_match() -> None:
    world = World({"a.example": {"TXT": ["v=spf1 ptr ?all"]}, "1.2.0.192.in-addr.arpa": {"PTR": "timeout"}})
    assert (await asked("192.0.2.1", "a.example", world)).mechanism == "?all"


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
async def test_the_macro_p_prefers_names_of_the_domain(names: list[str], chosen: str) -> None:
    zone: dict[str, Any] = {name: {"A": ["192.0.2.1"]} for name in ("other.example", "mx.a.example")}
    zone["1.2.0.192.in-addr.arpa"] = {"PTR": names}
    zone["a.example"] = {"A": ["192.0.2.1"], "TXT": ["v=spf1 -all exp=why.example"]}
    zone["why.example"] = {"TXT": ["%{p}"]}
    assert (await asked("192.0.2.1", "a.example", World(zone))).explanation == chosen


class Silence:
    """A resolver that never answers about some names."""

    def __init__(self, *names: str) -> None:
        self.names = names

    async def __call__(self, name: str, kind: str, /) -> Answer:
        if name in self.names:
            await asyncio.Event().wait()
        return World(ZONE).answer(name, kind)


async def test_our_time_limit_is_no_result_of_spf() -> None:
    evaluation = await asked("203.0.113.5", lookup=Silence("_spf.example.net"), limits=Limits(seconds=0.05))
    assert evaluation.result is Result.UNKNOWN
    assert evaluation.problem == "The check stopped by itself because DNS was too slow."
    assert evaluation.path == ("example.com",)


async def test_our_query_limit_is_no_result_of_spf() -> None:
    evaluation = await asked("198.51.100.7", limits=Limits(queries=4, ahead=0))
    assert (evaluation.result, evaluation.queries) == (Result.UNKNOWN, 4)
    assert evaluation.problem == "The check stopped by itself after 4 DNS questions."


async def test_the_budget_of_the_whole_check_is_no_result_of_spf() -> None:
    async def spent(name: str, kind: str, /) -> Answer:
        raise LookupFailed("budget", f"{name} {kind}")

    assert (await asked("192.0.2.1", lookup=spent)).result is Result.UNKNOWN


@pytest.mark.parametrize("why", ["timeout", "servfail", ["one", "two"], ["%{x}"], ["naïve"], []])
async def test_a_fail_stands_without_its_explanation(why: Any) -> None:
    zone = {"a.example": {"TXT": ["v=spf1 -all exp=why.example"]}, "why.example": {"TXT": why}}
    evaluation = await asked("192.0.2.1", "a.example", World(zone))
    assert (evaluation.result, evaluation.explanation, evaluation.voids) == (Result.FAIL, None, 0)


async def test_a_fail_stands_when_its_explanation_is_too_slow() -> None:
    evaluation = await asked("198.51.100.7", lookup=Silence("why.example.com"), limits=Limits(seconds=0.05))
    assert (evaluation.result, evaluation.explanation) == (Result.FAIL, None)


async def test_a_mistake_of_the_resolver_is_not_hidden() -> None:
    async def broken(name: str, kind: str, /) -> Answer:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await asked("192.0.2.1", lookup=broken)


async def test_cancelling_an_evaluation_leaves_no_question_behind() -> None:
    task = asyncio.create_task(asked("203.0.113.5", lookup=Silence("example.com")))
    before = asyncio.all_tasks() - {task}
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before
