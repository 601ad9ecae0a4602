"""Batches against a real server that lies, loses datagrams and times out."""

from __future__ import annotations

import asyncio

import pytest

from bot.models import DnsAnswer, LookupFailed
from bot.net.dns_client import DnsClient
from bot.net.dns_query import MAX_CONSECUTIVE_TIMEOUTS, NXDOMAIN_ANSWER, RateLimit
from bot.net.dns_upstream import CaseHandling
from bot.net.nameservers import Server
from tests.support.dns_replies import FORGERIES
from tests.support.dns_server import DnsServer, serve
from tests.support.eventually import eventually

LABEL = "5.113.0.203"
FAULTS = [
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
TIMEOUT_S = 0.6


def address_of(server: DnsServer) -> Server:
    return Server(server.host, server.port)


def summary(result: DnsAnswer | LookupFailed) -> tuple[object, ...]:
    return (result.reason,) if isinstance(result, LookupFailed) else (result.records, result.exists)


async def query_alone(client: DnsClient, name: str) -> DnsAnswer | LookupFailed:
    try:
        return await client.query(name, "A", timeout_s=TIMEOUT_S)
    except LookupFailed as error:
        return error


@pytest.mark.parametrize("listed", [True, False])
async def test_batch_matches_single_queries(listed: bool) -> None:
    apexes = [f"{fault}.example" for fault in FAULTS]
    zone = {f"{LABEL}.{apex}": {"A": ["127.0.0.2", "127.0.0.9"]} for apex in apexes if listed}
    async with serve(zone, faults={apex: apex.removesuffix(".example") for apex in apexes}) as server:
        async with DnsClient([address_of(server)]) as client:
            await client.query("t.example", "A")
            results = await client.query_many(LABEL, apexes, timeout_s=TIMEOUT_S)
            assert client.in_flight == 0
        async with DnsClient([address_of(server)]) as client:
            await client.query("t.example", "A")
            single = await asyncio.gather(*(query_alone(client, f"{LABEL}.{apex}") for apex in apexes))
    rows = zip(FAULTS, map(summary, results), map(summary, single), strict=True)
    assert [(fault, batch_result) for fault, batch_result, single_result in rows if batch_result != single_result] == []


async def test_truncated_denial_is_rejected_after_complete_ones() -> None:
    async with serve({}, faults={"0.zone.example": "cut"}) as server, DnsClient([address_of(server)]) as client:
        for n in range(1, 1001):
            assert summary((await client.query_many(str(n), ["zone.example"]))[0]) == ((), False)
        assert summary((await client.query_many("0", ["zone.example"], timeout_s=0.3))[0]) == ("timeout",)


async def test_bulk_rejects_two_thousand_forged_replies() -> None:
    forgeries = [f"{forgery}-first" for forgery in FORGERIES]
    apexes = [f"{forgery}.example" for forgery in forgeries]
    faults = dict(zip(apexes, forgeries, strict=True))
    zone = {f"{n}.{apex}": {"A": [f"127.0.{n % 250}.2"]} for apex in apexes for n in range(0, 250, 2)}
    async with serve(zone, faults=faults) as server, DnsClient([address_of(server)]) as client:
        await client.query("t.example", "A")  # the server is now known to preserve letter case
        for first in range(0, 250, 50):
            batches = await asyncio.gather(*(client.query_many(str(n), apexes) for n in range(first, first + 50)))
            for n, results in zip(range(first, first + 50), batches, strict=True):
                expected = () if n % 2 else (f"127.0.{n % 250}.2",)
                assert [result.records for result in results if isinstance(result, DnsAnswer)] == [expected] * len(
                    apexes
                )
        assert client.in_flight == 0


async def test_cancelled_bulk_queries_leave_nothing_behind() -> None:
    async with serve({}, faults={"dead.example": "silence"}) as server, DnsClient([address_of(server)]) as client:
        apexes = ["dead.example", *(f"z{n}.example" for n in range(9))]
        batches = [asyncio.create_task(client.query_many(str(n), apexes, timeout_s=1.0)) for n in range(500)]
        await eventually(lambda: len(server.queries) > 500)
        for task in batches[::2]:
            task.cancel()
        results = await asyncio.gather(*batches, return_exceptions=True)
        assert sum(isinstance(result, asyncio.CancelledError) for result in results) == 250
        await eventually(lambda: client.in_flight == 0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_unresponsive_zone_is_suspended_until_it_answers() -> None:
    apexes = ["dead.example", "good.example"]
    async with serve({}, faults={"dead.example": "silence"}) as server, DnsClient([address_of(server)]) as client:
        await asyncio.gather(
            *(client.query_many(str(n), apexes, timeout_s=0.3) for n in range(MAX_CONSECUTIVE_TIMEOUTS))
        )
        for n in range(200):
            dead, good = await client.query_many(f"{n}.1", apexes, timeout_s=0.3)
            assert (summary(dead), summary(good)) == (("timeout",), ((), False))
        probe_count = len({name for name, _ in server.queries if name.endswith(".1.dead.example")})
        assert probe_count < 20  # one a second
        server.faults.clear()

        async def answers() -> bool:
            return summary((await client.query_many("2", apexes))[0]) == ((), False)

        async with asyncio.timeout(5):
            while not await answers():
                await client.query("t.example", "A")


async def test_zone_suspended_while_queued_blocks_no_other_zone() -> None:
    """One zone takes a place, so that the other still waits for one when its queries are overdue at once."""
    limit = MAX_CONSECUTIVE_TIMEOUTS + 1
    async with (
        serve({}, faults={"slow.example": "silence", "silent.example": "silence"}) as server,
        DnsClient([address_of(server)], max_bulk_in_flight=limit) as client,
    ):
        slow = asyncio.create_task(client.query_many("1", ["slow.example"], timeout_s=60.0))
        silent = [
            asyncio.create_task(client.query_many(str(n), ["silent.example"], timeout_s=2.0)) for n in range(limit)
        ]
        other = asyncio.create_task(client.query_many("1", ["other.example"], timeout_s=60.0))
        await eventually(lambda: len(server.queries) >= limit)
        for task in silent[:-1]:
            task.cancel()
        async with asyncio.timeout(30):
            results = await asyncio.gather(silent[-1], other)
        assert [summary(result) for (result,) in results] == [("timeout",), ((), False)]
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)


async def test_unresponsive_zone_delays_no_other_zone() -> None:
    apexes = [f"z{n}.example" for n in range(50)]
    async with serve({}, faults={"z7.example": "silence"}) as server, DnsClient([address_of(server)]) as client:
        batches = [asyncio.create_task(client.query_many(str(n), apexes, timeout_s=600)) for n in range(64)]
        expected = {f"{n}.{apex}" for n in range(64) for apex in apexes if apex != "z7.example"}
        await eventually(lambda: expected <= {name for name, _ in server.queries})
        assert not any(task.done() for task in batches)
        for task in batches:
            task.cancel()
        await asyncio.gather(*batches, return_exceptions=True)


async def test_bulk_queries_respect_rate_limits() -> None:
    rate_limits = {"slow.example": RateLimit(per_second=20), "small.example": RateLimit(per_day=10)}
    async with serve({}) as server, DnsClient([address_of(server)], rate_limits=rate_limits) as client:
        started = asyncio.get_running_loop().time()
        batches = [client.query_many(str(n), ["slow.example", "small.example", "free.example"]) for n in range(36)]
        results = await asyncio.gather(*batches)
        elapsed_s = asyncio.get_running_loop().time() - started
    assert elapsed_s > 0.9  # 18 at once, then 18 a second: 90 % of the limit
    assert [summary(result) for result in [row[1] for row in results]].count(("day-limit",)) == 27
    assert {summary(row[0]) for row in results} == {((), False)}


async def test_interactive_query_overtakes_bulk_batches() -> None:
    async with serve({}, delay_ms=5) as server, DnsClient([address_of(server)], max_bulk_in_flight=10) as client:
        batches = [asyncio.create_task(client.query_many(str(n), ["a.example", "b.example"])) for n in range(200)]
        await eventually(lambda: bool(server.queries))
        await client.query("t.example", "A")
        assert sum(task.done() for task in batches) < 40
        await asyncio.gather(*batches)


@pytest.mark.parametrize("seed", [1, 2])
async def test_bulk_survives_ten_percent_packet_loss(seed: int) -> None:
    apexes = [f"z{n}.example" for n in range(20)]
    async with serve({}, loss=0.1, seed=seed) as server, DnsClient([address_of(server)]) as client:
        batches = await asyncio.gather(*(client.query_many(str(n), apexes, timeout_s=10.0) for n in range(50)))
    assert {summary(result) for row in batches for result in row} == {((), False)}, f"seed {seed}"


async def test_bulk_fails_over_to_second_server() -> None:
    faults = {"example": "silence"}
    async with (
        serve({}, faults=faults) as first,
        serve({}) as second,
        DnsClient([address_of(first), address_of(second)]) as client,
    ):
        (result,) = await client.query_many("1", ["z.example"])
        assert summary(result) == ((), False)


async def test_bulk_detects_server_that_normalizes_case() -> None:
    async with serve({}, faults={"example": "case-lost"}) as server, DnsClient([address_of(server)]) as client:
        for n in range(20):
            assert summary((await client.query_many(str(n), ["zone.example"]))[0]) == ((), False)
        assert client.upstreams[0].case_handling is CaseHandling.NORMALIZES


async def test_close_fails_open_bulk_queries() -> None:
    async with serve({}, faults={"dead.example": "silence"}) as server:
        client = DnsClient([address_of(server)], max_bulk_in_flight=4)
        await client.start()
        batches = [asyncio.create_task(client.query_many(str(n), ["dead.example"])) for n in range(20)]
        await eventually(lambda: bool(server.queries))
        await client.close()
        assert {summary(row[0]) for row in await asyncio.gather(*batches)} == {("timeout",)}
        assert client.in_flight == 0


async def test_batch_of_invalid_names_is_malformed() -> None:
    long = ".".join(["a" * 60] * 4)
    async with serve({}) as server, DnsClient([address_of(server)]) as client:
        assert [summary(row) for row in await client.query_many("a" * 64, ["z.example"])] == [("malformed",)]
        assert [summary(row) for row in await client.query_many(long, ["a-rather-long-zone.example"])] == [
            ("malformed",)
        ]
        assert await client.query_many("1", []) == []


async def test_only_interactive_denials_carry_a_ttl() -> None:
    async with serve({}) as server, DnsClient([address_of(server)]) as client:
        for _ in range(2):
            (answer,) = await client.query_many("1", ["zone.example"], bulk=False)
            assert isinstance(answer, DnsAnswer)
            assert (answer.name, answer.ttl > 0) == ("1.zone.example", True)
        bulk_results = [(await client.query_many(str(n), ["zone.example"]))[0] for n in range(3)]
        assert bulk_results[1:] == [NXDOMAIN_ANSWER, NXDOMAIN_ANSWER]


async def test_interactive_batch_reports_each_answer() -> None:
    apexes = [f"z{n}.example" for n in range(30)]
    zone = {f"1.{apex}": {"A": ["127.0.0.2"]} for apex in apexes[::2]}
    positions: list[int] = []
    async with serve(zone, faults={"z7.example": "silence"}) as server, DnsClient([address_of(server)]) as client:

        async def run_batch(timeout_s: float) -> None:
            await client.query_many(
                "1", apexes, bulk=False, timeout_s=timeout_s, on_answer=lambda position, _: positions.append(position)
            )

        task = asyncio.create_task(run_batch(60.0))
        await eventually(lambda: len(positions) == 29)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert sorted(positions) == [n for n in range(30) if n != 7]
        positions.clear()
        for _ in range(MAX_CONSECUTIVE_TIMEOUTS + 2):  # interactive queries are sent to unresponsive zones too
            server.queries.clear()
            await run_batch(0.1)
            assert ("1.z7.example", "A") in server.queries
