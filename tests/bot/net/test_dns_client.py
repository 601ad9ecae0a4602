"""The transport against a real server on loopback that lies, cuts, loses and stays silent."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack

import pytest

from bot.models import Answer, LookupFailed
from bot.net.dns_client import Transport
from bot.net.dns_upstream import Counters
from bot.net.nameservers import Server
from tests.support.dns_replies import FORGERIES, LIE, PARKED
from tests.support.dns_server import DnsServer, serve
from tests.support.eventually import eventually

ZONE = {
    "t.example": {"A": ["192.0.2.9"], "AAAA": ["2001:db8::9"], "TXT": ["v=spf1 -all"], "MX": ["10 mx.t.example", "20 mx2.t.example"]},
    "null.example": {"MX": ["0 ."]},
    "long.example": {"TXT": ["v=spf1 " + "ip4:192.0.2.1 " * 60 + "-all", "umlaut ü", "bytes \udcff"]},
    "9.2.0.192.in-addr.arpa": {"PTR": ["Mail Host.t.example".replace(" ", "\\032")]},
    "www.example": {"CNAME": ["next.example"]},
    "next.example": {"CNAME": ["t.example"]},
    "astray.example": {"CNAME": ["nowhere.example"]},
    "a.deep.example": {"A": ["192.0.2.1"]},
    "many.example": {"A": [f"127.0.0.{last}" for last in range(2, 60)]},
}  # fmt: skip
GIVE_UP_S = 0.3


def of(server: DnsServer) -> Server:
    return Server(server.host, server.port)


def counters(transport: Transport) -> Counters:
    return transport.upstreams[0].counters


async def reason(transport: Transport, name: str, kind: str = "A", deadline_s: float = 3.0) -> str:
    with pytest.raises(LookupFailed) as failed:
        await transport.query(name, kind, deadline_s=deadline_s)
    return failed.value.reason


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(
    ("name", "kind", "records", "exists"),
    [
        ("t.example", "A", ["192.0.2.9"], True),
        ("T.Example.", "AAAA", ["2001:db8::9"], True),
        ("t.example", "MX", ["10 mx.t.example", "20 mx2.t.example"], True),
        ("null.example", "MX", ["0 ."], True),
        ("long.example", "TXT", [ZONE["long.example"]["TXT"][0], "umlaut ü", "bytes \ufffd"], True),
        ("9.2.0.192.in-addr.arpa", "PTR", ["Mail\\032Host.t.example"], True),
        ("www.example", "A", ["192.0.2.9"], True),
        ("www.example", "AAAA", ["2001:db8::9"], True),
        ("www.example", "CNAME", ["next.example"], True),
        ("www.example", "PTR", [], True),
        ("astray.example", "A", [], False),
        ("nothing.example", "A", [], False),
        ("nothing.example", "TXT", [], False),
        ("deep.example", "A", [], True),
        ("null.example", "TXT", [], True),
        ("many.example", "A", ZONE["many.example"]["A"], True),
    ],
)
async def test_what_is_there_and_what_is_not(host: str, name: str, kind: str, records: list[str], exists: bool) -> None:
    async with serve(ZONE, host=host) as server, Transport([of(server)]) as transport:
        answer = await transport.query(name, kind)
    assert answer == Answer(name, kind, tuple(records), exists=exists, ttl=300)


@pytest.mark.parametrize("kind", ["A", "TXT"])
@pytest.mark.parametrize(
    ("word", "records", "exists"),
    [
        ("nxdomain", (), False),
        ("nodata", (), True),
        ("parked", {"A": (PARKED,), "TXT": ()}, True),
        ("duplicate", None, True),
        ("shuffled", None, True),
        ("late-100", None, True),
        ("drop-1", None, True),
        ("drop-2", None, True),
        ("truncated", None, True),
        ("case-lost", None, True),
        ("formerr-with-edns", None, True),
        *((f"{forgery}-first", None, True) for forgery in FORGERIES),
    ],
)
async def test_the_true_answer_is_found(
    kind: str, word: str, records: tuple[str, ...] | Mapping[str, tuple[str, ...]] | None, exists: bool
) -> None:
    truth = {"A": ("192.0.2.9",), "TXT": ("v=spf1 -all",)}[kind]
    want = records[kind] if isinstance(records, Mapping) else truth if records is None else records
    async with serve(ZONE, faults={"t.example": word}) as server, Transport([of(server)]) as transport:
        answer = await transport.query("t.example", kind)
    assert (answer.records, answer.exists) == (want, exists)


NO_ANSWER = {
    "servfail": "servfail",
    "refused": "refused",
    "formerr": "formerr",
    "notimp": "notimp",
    "nxdomain-with-answer": "malformed",
    "cname-loop": "loop",
    "referral": "refused",
    "truncated-refused": "truncated",
    "truncated-cut": "truncated",
    "truncated-silent": "truncated",
    "silence": "timeout",
    "late-1000": "timeout",
    **{forgery: "timeout" for forgery in FORGERIES if forgery != "wrong-case"},
}


@pytest.mark.parametrize("kind", ["A", "TXT"])
async def test_no_answer_is_never_an_empty_one(kind: str) -> None:
    zone = {f"{word}.example": ZONE["t.example"] for word in NO_ANSWER}
    faults = {f"{word}.example": word for word in NO_ANSWER}
    async with serve(zone, faults=faults) as server, Transport([of(server)]) as transport:
        asking = [reason(transport, name, kind, deadline_s=GIVE_UP_S) for name in zone]
        assert dict(zip(NO_ANSWER, await asyncio.gather(*asking), strict=True)) == NO_ANSWER
        assert transport.in_flight == 0


async def test_a_truncated_answer_without_a_tcp_server_is_no_answer() -> None:
    async with serve(ZONE, faults={"example": "truncated"}, tcp=False) as server, Transport([of(server)]) as transport:
        assert await reason(transport, "t.example", "TXT") == "truncated"


async def test_an_unknown_edns_version_is_asked_without_edns() -> None:
    async with serve(ZONE, faults={"t.example": "badvers"}) as server, Transport([of(server)]) as transport:
        assert (await transport.query("t.example", "TXT")).records == ("v=spf1 -all",)


@pytest.mark.parametrize(
    "name", ["", "a..example", ".example", "a" * 64 + ".example", "a." * 126 + "ab", "ü.example", "a\\.." + "b" * 64]
)
async def test_a_name_that_dns_cannot_carry_is_not_asked(name: str) -> None:
    async with serve(ZONE) as server, Transport([of(server)]) as transport:
        assert await reason(transport, name) == "malformed"
        assert server.asked == []


async def test_an_alias_without_its_target_is_asked_for_again() -> None:
    async with serve(ZONE, faults={"www.example": "stops-at-alias"}) as server, Transport([of(server)]) as transport:
        answer = await transport.query("www.example", "A")
        assert answer == Answer("www.example", "A", ("192.0.2.9",), ttl=300)
        assert server.asked == [("www.example", "A"), ("next.example", "A")]


async def test_aliases_that_lead_back_are_a_loop() -> None:
    zone = {"one.example": {"CNAME": ["two.example"]}, "two.example": {"CNAME": ["one.example"]}}
    async with serve(zone, faults={"example": "stops-at-alias"}) as server, Transport([of(server)]) as transport:
        assert await reason(transport, "one.example") == "loop"


async def test_the_thrown_letter_case_does_not_show() -> None:
    async with serve(ZONE) as server, Transport([of(server)]) as transport:
        answers = [await transport.query("t.example", "MX") for _ in range(5)]
    assert {answer.records for answer in answers} == {("10 mx.t.example", "20 mx2.t.example")}


async def test_a_thousand_forged_packets_deceive_nobody() -> None:
    forgeries = [f"{word}-first" for word in FORGERIES]
    faults = {f"{word}.example": word for word in forgeries}
    zone = {f"n{n}.{word}.example": {"A": [f"127.0.1.{n}"]} for word in forgeries for n in range(125)}
    async with serve(zone, faults=faults) as server, Transport([of(server)]) as transport:
        await transport.query("t.example", "A")  # by now the server is known to send the letter case back
        answers = await asyncio.gather(*(transport.query(name, "A") for name in zone))
        seen = counters(transport)
        assert transport.in_flight == 0
    assert len(answers) == 1000
    wrong = [answer for answer in answers if answer.records != tuple(zone[answer.name]["A"])]
    assert wrong == []
    assert not any(LIE in answer.records for answer in answers)
    assert min(seen.unexpected, seen.mismatched, seen.miscased, seen.garbled) >= 100


async def test_a_server_that_changes_case_is_asked_in_plain_case() -> None:
    async with serve(ZONE, faults={"example": "case-lost"}) as server, Transport([of(server)]) as transport:
        for _ in range(20):
            await transport.query("t.example", "A")
        assert counters(transport).miscased == 1


async def test_a_wrong_case_from_a_server_that_kept_it_is_asked_again_over_tcp() -> None:
    async with serve(ZONE, faults={"t.example": "wrong-case"}) as server, Transport([of(server)]) as transport:
        await transport.query("nothing.example", "A")
        assert (await transport.query("t.example", "A")).records == ("192.0.2.9",)
        assert counters(transport).streams == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_one_datagram_in_five_may_be_lost(seed: int) -> None:
    async with serve(ZONE, loss=0.2, seed=seed) as server, Transport([of(server)]) as transport:
        answers = await asyncio.gather(*(transport.query(f"n{n}.example", "A", deadline_s=10.0) for n in range(300)))
        resent = counters(transport).resent
    assert len(answers) == 300
    assert not any(answer.exists for answer in answers)
    assert 40 <= resent <= 150, f"seed {seed}"  # 75 on average


async def test_two_thousand_cancelled_questions_leave_nothing_behind() -> None:
    async with serve(ZONE, faults={"example": "silence"}) as server, Transport([of(server)]) as transport:
        asking = [asyncio.create_task(transport.query(f"n{n}.example", "A", bulk=n % 2 == 0)) for n in range(2000)]
        await eventually(lambda: transport.in_flight == 2000)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert transport.in_flight == 0
        server.faults.clear()
        assert (await transport.query("t.example", "A")).records == ("192.0.2.9",)


async def test_a_cancelled_tcp_question_leaves_nothing_behind() -> None:
    async with serve(ZONE, faults={"example": "truncated-silent"}) as server, Transport([of(server)]) as transport:
        asking = asyncio.create_task(transport.query("t.example", "TXT"))
        await eventually(lambda: len(server.asked) == 2)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert transport.in_flight == 0


@pytest.mark.parametrize("word", ["servfail", "refused", "silence", "truncated-cut"])
async def test_the_second_server_answers_where_the_first_does_not(word: str) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(serve(ZONE, faults={"example": word}))
        second = await stack.enter_async_context(serve(ZONE))
        transport = await stack.enter_async_context(Transport([of(first), of(second)]))
        assert (await transport.query("t.example", "A")).records == ("192.0.2.9",)
        assert second.asked == [("t.example", "A")]


async def test_a_late_answer_of_the_first_server_still_counts() -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(serve(ZONE, faults={"example": "late-900"}))
        second = await stack.enter_async_context(serve(ZONE, faults={"example": "silence"}))
        transport = await stack.enter_async_context(Transport([of(first), of(second)]))
        assert (await transport.query("t.example", "A")).records == ("192.0.2.9",)
        assert second.asked


async def test_the_first_servers_word_is_the_reason() -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(serve(ZONE, faults={"example": "servfail"}))
        second = await stack.enter_async_context(serve(ZONE, faults={"example": "refused"}))
        transport = await stack.enter_async_context(Transport([of(first), of(second)]))
        assert await reason(transport, "t.example") == "servfail"


async def test_a_server_that_has_been_silent_is_asked_last_until_it_speaks() -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(serve(ZONE, faults={".": "silence", "example": "silence"}))
        second = await stack.enter_async_context(serve(ZONE))
        transport = await stack.enter_async_context(Transport([of(first), of(second)]))
        until = asyncio.get_running_loop().time() + 1.2
        while asyncio.get_running_loop().time() < until:
            await transport.query("t.example", "A")
        first.asked.clear()
        for _ in range(20):
            await transport.query("t.example", "A")
        assert ("t.example", "A") not in first.asked


async def test_a_person_overtakes_a_sweep() -> None:
    async with serve(ZONE, delay_ms=5) as server, Transport([of(server)], bulk_in_flight=10) as transport:
        sweep = [asyncio.create_task(transport.query(f"n{n}.example", "A", bulk=True)) for n in range(200)]
        await eventually(lambda: bool(server.asked))
        await transport.query("t.example", "A")
        assert sum(task.done() for task in sweep) < 40
        await asyncio.gather(*sweep)


async def test_no_more_are_in_flight_than_allowed() -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve(ZONE, faults={"example": "silence"}))
        transport = await stack.enter_async_context(Transport([of(server)], in_flight=50, bulk_in_flight=20))
        sets = [(50, 2 * GIVE_UP_S, False), (50, GIVE_UP_S, False), (20, GIVE_UP_S, True)]
        asking = [
            asyncio.create_task(transport.query(f"n{n}.example", "A", deadline_s=deadline_s, bulk=bulk))
            for count, deadline_s, bulk in sets
            for n in range(count)
        ]
        await eventually(lambda: len(server.asked) == 50)
        assert counters(transport).sent == 50
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(outcome, LookupFailed) for outcome in outcomes)
        assert counters(transport).sent == 70  # the second fifty gave up in the queue and were never sent


async def test_a_host_without_a_way_to_the_server_is_told_at_once() -> None:
    async with Transport([Server("fe80::1")]) as transport, asyncio.timeout(1):  # link-local, but on which link?
        assert await reason(transport, "t.example", deadline_s=60) == "timeout"


async def test_after_closing_no_socket_and_no_task_is_left() -> None:
    async with serve(ZONE, faults={"silent.example": "silence", "held.example": "truncated-silent"}) as server:
        before = len(os.listdir("/dev/fd"))
        transport = Transport([of(server)])
        await transport.start()
        await asyncio.gather(*(transport.query(f"n{n}.example", "A") for n in range(50)))
        waiting = [asyncio.create_task(transport.query(f"{name}.example", "TXT")) for name in ("silent", "held")]
        await eventually(lambda: ("held.example", "TXT") in server.asked[:-1])
        await transport.close()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(outcome, LookupFailed) for outcome in outcomes)
        assert transport.in_flight == 0
        await eventually(lambda: len(os.listdir("/dev/fd")) <= before)
        with pytest.raises(RuntimeError):
            await transport.query("t.example", "A")
