"""Rounds of a sweep against a real server that lies, loses and stays silent: as true as single questions, and nobody waits for the dead."""

from __future__ import annotations

import asyncio

import pytest

from bot.models import Answer, LookupFailed
from bot.net.dns_client import Transport
from bot.net.dns_query import MISSES, NOT_THERE
from bot.net.dns_upstream import Case
from bot.net.nameservers import Server
from bot.net.rate_limit import Pace
from tests.support.dns_replies import FORGERIES, LIE
from tests.support.dns_server import DnsServer, serve
from tests.support.eventually import eventually

LABEL = "5.113.0.203"
WORDS = [
    *(
        "nxdomain",
        "nodata",
        "parked",
        "duplicate",
        "shuffled",
        "late-100",
        "drop-1",
        "drop-2",
        "truncated",
        "case-lost",
    ),
    *("servfail", "refused", "formerr", "notimp", "nxdomain-with-answer", "cname-loop", "referral", "silence", "lie"),
    *("truncated-refused", "truncated-cut"),
    *FORGERIES,
    *(f"{forgery}-first" for forgery in FORGERIES),
]
PATIENCE_S = 0.6


def of(server: DnsServer) -> Server:
    return Server(server.host, server.port)


def told(outcome: Answer | LookupFailed) -> tuple[object, ...]:
    return (outcome.reason,) if isinstance(outcome, LookupFailed) else (outcome.records, outcome.exists)


async def alone(transport: Transport, name: str) -> Answer | LookupFailed:
    try:
        return await transport.query(name, "A", deadline_s=PATIENCE_S)
    except LookupFailed as failed:
        return failed


@pytest.mark.parametrize("listed", [True, False])
async def test_a_round_says_what_single_questions_say(listed: bool) -> None:
    apexes = [f"{word}.example" for word in WORDS]
    zone = {f"{LABEL}.{apex}": {"A": ["127.0.0.2", "127.0.0.9"]} for apex in apexes if listed}
    async with serve(zone, faults={apex: apex.removesuffix(".example") for apex in apexes}) as server:
        async with Transport([of(server)]) as transport:
            await transport.query("t.example", "A")
            outcomes = await transport.ask_all(LABEL, apexes, patience_s=PATIENCE_S)
            assert transport.in_flight == 0
        async with Transport([of(server)]) as transport:
            await transport.query("t.example", "A")
            single = await asyncio.gather(*(alone(transport, f"{LABEL}.{apex}") for apex in apexes))
    rows = zip(WORDS, map(told, outcomes), map(told, single), strict=True)
    assert [(word, in_round) for word, in_round, by_itself in rows if in_round != by_itself] == []


async def test_a_cut_denial_is_none_also_after_a_thousand_whole_ones() -> None:
    async with serve({}, faults={"0.zone.example": "cut"}) as server, Transport([of(server)]) as transport:
        for n in range(1, 1001):
            assert told((await transport.ask_all(str(n), ["zone.example"]))[0]) == ((), False)
        assert told((await transport.ask_all("0", ["zone.example"], patience_s=0.3))[0]) == ("timeout",)
        assert transport.upstreams[0].counters.garbled


async def test_ten_thousand_forged_packets_deceive_no_sweep() -> None:
    words = [f"{word}-first" for word in FORGERIES]
    apexes = [f"{word}.example" for word in words]
    faults = dict(zip(apexes, words, strict=True))
    zone = {f"{n}.{apex}": {"A": [f"127.0.{n % 250}.2"]} for apex in apexes for n in range(0, 1250, 2)}
    async with serve(zone, faults=faults) as server, Transport([of(server)]) as transport:
        await transport.query("t.example", "A")  # by now the server is known to send the letter case back
        for first in range(0, 1250, 50):
            rounds = await asyncio.gather(*(transport.ask_all(str(n), apexes) for n in range(first, first + 50)))
            for n, outcomes in zip(range(first, first + 50), rounds, strict=True):
                want = () if n % 2 else (f"127.0.{n % 250}.2",)
                assert [outcome.records for outcome in outcomes if isinstance(outcome, Answer)] == [want] * len(apexes)
                assert LIE not in want
        seen = transport.upstreams[0].counters
        assert min(seen.unexpected, seen.mismatched, seen.miscased) >= 500
        assert transport.in_flight == 0


async def test_half_of_a_sweep_cancelled_leaves_nothing_behind() -> None:
    async with serve({}, faults={"dead.example": "silence"}) as server, Transport([of(server)]) as transport:
        apexes = ["dead.example", *(f"z{n}.example" for n in range(9))]
        rounds = [asyncio.create_task(transport.ask_all(str(n), apexes, patience_s=1.0)) for n in range(500)]
        await eventually(lambda: len(server.asked) > 500)
        for task in rounds[::2]:
            task.cancel()
        outcomes = await asyncio.gather(*rounds, return_exceptions=True)
        assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) == 250
        await eventually(lambda: transport.in_flight == 0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_silent_zone_is_left_alone_until_it_speaks_again() -> None:
    loop = asyncio.get_running_loop()
    apexes = ["dead.example", "good.example"]
    async with serve({}, faults={"dead.example": "silence"}) as server, Transport([of(server)]) as transport:
        await asyncio.gather(*(transport.ask_all(str(n), apexes, patience_s=0.3) for n in range(MISSES)))
        started = loop.time()
        for n in range(200):
            dead, good = await transport.ask_all(f"{n}.1", apexes, patience_s=0.3)
            assert (told(dead), told(good)) == (("timeout",), ((), False))
        assert loop.time() - started < 1.0
        asked = len({name for name, _ in server.asked if name.endswith(".1.dead.example")})
        assert asked <= 2  # questions of our own, to find out whether it is back
        server.faults.clear()

        async def answers() -> bool:
            return told((await transport.ask_all("2", apexes))[0]) == ((), False)

        async with asyncio.timeout(5):
            while not await answers():
                await transport.query("t.example", "A")


async def test_a_dead_list_among_fifty_delays_no_other_question_of_a_sweep() -> None:
    apexes = [f"z{n}.example" for n in range(50)]
    async with serve({}, faults={"z7.example": "silence"}) as server, Transport([of(server)]) as transport:
        rounds = [asyncio.create_task(transport.ask_all(str(n), apexes)) for n in range(64)]
        others = {f"{n}.{apex}" for n in range(64) for apex in apexes if apex != "z7.example"}
        async with asyncio.timeout(1.5):  # before the first question to the dead one is given up
            await eventually(lambda: others <= {name for name, _ in server.asked})
        assert not any(task.done() for task in rounds)
        outcomes = await asyncio.gather(*rounds)
    assert {told(row[7]) for row in outcomes} == {("timeout",)}
    assert {told(outcome) for row in outcomes for outcome in row[:7] + row[8:]} == {((), False)}


async def test_a_sweep_keeps_to_what_an_operator_allows() -> None:
    paces = {"slow.example": Pace(per_second=20), "small.example": Pace(per_day=10)}
    async with serve({}) as server, Transport([of(server)], paces=paces) as transport:
        started = asyncio.get_running_loop().time()
        rounds = [transport.ask_all(str(n), ["slow.example", "small.example", "free.example"]) for n in range(36)]
        outcomes = await asyncio.gather(*rounds)
        took = asyncio.get_running_loop().time() - started
    assert 0.9 < took < 3  # 18 at once, and 18 a second from there on: nine tenths of the limit
    assert [told(outcome) for outcome in [row[1] for row in outcomes]].count(("day-limit",)) == 27
    assert {told(row[0]) for row in outcomes} == {((), False)}


async def test_a_person_overtakes_the_rounds_of_a_sweep() -> None:
    async with serve({}, delay_ms=5) as server, Transport([of(server)], bulk_in_flight=10) as transport:
        sweep = [asyncio.create_task(transport.ask_all(str(n), ["a.example", "b.example"])) for n in range(200)]
        await eventually(lambda: bool(server.asked))
        await transport.query("t.example", "A")
        assert sum(task.done() for task in sweep) < 40
        await asyncio.gather(*sweep)


@pytest.mark.parametrize("seed", [1, 2])
async def test_one_datagram_in_ten_may_be_lost_by_a_sweep(seed: int) -> None:
    apexes = [f"z{n}.example" for n in range(20)]
    async with serve({}, loss=0.1, seed=seed) as server, Transport([of(server)]) as transport:
        rounds = await asyncio.gather(*(transport.ask_all(str(n), apexes, patience_s=10.0) for n in range(50)))
    assert {told(outcome) for row in rounds for outcome in row} == {((), False)}, f"seed {seed}"


async def test_the_second_server_answers_a_sweep_where_the_first_does_not() -> None:
    faults = {"example": "silence"}
    async with serve({}, faults=faults) as first, serve({}) as second, Transport([of(first), of(second)]) as transport:
        (outcome,) = await transport.ask_all("1", ["z.example"])
        assert told(outcome) == ((), False)


async def test_a_server_that_changes_case_is_found_out_by_a_sweep() -> None:
    async with serve({}, faults={"example": "case-lost"}) as server, Transport([of(server)]) as transport:
        for n in range(20):
            assert told((await transport.ask_all(str(n), ["zone.example"]))[0]) == ((), False)
        assert transport._upstreams[0].case is Case.CHANGED


async def test_closing_tells_everyone_in_the_middle_of_a_sweep() -> None:
    async with serve({}, faults={"dead.example": "silence"}) as server:
        transport = Transport([of(server)], bulk_in_flight=4)
        await transport.start()
        rounds = [asyncio.create_task(transport.ask_all(str(n), ["dead.example"])) for n in range(20)]
        await eventually(lambda: bool(server.asked))
        await transport.close()
        assert {told(row[0]) for row in await asyncio.gather(*rounds)} == {("timeout",)}
        assert transport.in_flight == 0


async def test_a_name_that_dns_cannot_carry_is_not_asked() -> None:
    long = ".".join(["a" * 60] * 4)
    async with serve({}) as server, Transport([of(server)]) as transport:
        assert [told(row) for row in await transport.ask_all("a" * 64, ["z.example"])] == [("malformed",)]
        assert [told(row) for row in await transport.ask_all(long, ["a-rather-long-zone.example"])] == [("malformed",)]
        assert await transport.ask_all("1", []) == []


async def test_people_learn_for_how_long_a_denial_holds_and_a_sweep_need_not() -> None:
    async with serve({}) as server, Transport([of(server)]) as transport:
        for _ in range(2):
            (answer,) = await transport.ask_all("1", ["zone.example"], bulk=False)
            assert isinstance(answer, Answer)
            assert (answer.name, answer.ttl > 0) == ("1.zone.example", True)
        sweep = [(await transport.ask_all(str(n), ["zone.example"]))[0] for n in range(3)]
        assert sweep[1:] == [NOT_THERE, NOT_THERE]


async def test_people_ask_in_rounds_too_and_hear_each_answer_as_it_comes() -> None:
    apexes = [f"z{n}.example" for n in range(30)]
    zone = {f"1.{apex}": {"A": ["127.0.0.2"]} for apex in apexes[::2]}
    heard: list[int] = []
    async with serve(zone, faults={"z7.example": "silence"}) as server, Transport([of(server)]) as transport:

        async def ask(patience_s: float) -> None:
            await transport.ask_all(
                "1", apexes, bulk=False, patience_s=patience_s, heard=lambda place, _: heard.append(place)
            )

        asking = asyncio.create_task(ask(60.0))
        await eventually(lambda: len(heard) == 29)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert sorted(heard) == [n for n in range(30) if n != 7]
        heard.clear()
        for _ in range(MISSES + 2):  # a person's question is asked however silent a list has been
            server.asked.clear()
            await ask(0.1)
            assert ("1.z7.example", "A") in server.asked
