"""DNS client against a real server on loopback that lies, truncates and loses datagrams."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack

import pytest

from bot.models import DnsAnswer, LookupFailed
from bot.net.dns_client import DnsClient
from bot.net.dns_upstream import CaseHandling, UpstreamCounters
from bot.net.nameservers import Server
from tests.support.dns_replies import FORGED_ADDRESS, FORGERIES, PARKED
from tests.support.dns_server import DnsServer, serve
from tests.support.eventually import eventually

ZONE = {
    "t.example": {
        "A": ["192.0.2.9"],
        "AAAA": ["2001:db8::9"],
        "TXT": ["v=spf1 -all"],
        "MX": ["10 mx.t.example", "20 mx2.t.example"],
    },
    "null.example": {"MX": ["0 ."]},
    "long.example": {"TXT": ["v=spf1 " + "ip4:192.0.2.1 " * 60 + "-all", "umlaut ü", "bytes \udcff"]},
    "9.2.0.192.in-addr.arpa": {"PTR": ["Mail Host.t.example".replace(" ", "\\032")]},
    "www.example": {"CNAME": ["next.example"]},
    "next.example": {"CNAME": ["t.example"]},
    "astray.example": {"CNAME": ["nowhere.example"]},
    "a.deep.example": {"A": ["192.0.2.1"]},
    "many.example": {"A": [f"127.0.0.{last}" for last in range(2, 60)]},
}
ALIASES = {"www.example": ("next.example", "t.example"), "astray.example": ("nowhere.example",)}
SHORT_TIMEOUT_S = 0.3


def address_of(server: DnsServer) -> Server:
    return Server(server.host, server.port)


def counters(client: DnsClient) -> UpstreamCounters:
    return client.upstreams[0].counters


async def failure_reason(client: DnsClient, name: str, rdtype: str = "A", timeout_s: float = 3.0) -> str:
    with pytest.raises(LookupFailed) as error:
        await client.query(name, rdtype, timeout_s=timeout_s)
    return error.value.reason


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(
    ("name", "rdtype", "records", "exists"),
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
async def test_query_returns_records_or_denial(
    host: str, name: str, rdtype: str, records: list[str], exists: bool
) -> None:
    async with serve(ZONE, host=host) as server, DnsClient([address_of(server)]) as client:
        answer = await client.query(name, rdtype)
    aliases = () if rdtype == "CNAME" else ALIASES.get(name, ())
    assert answer == DnsAnswer(name, rdtype, tuple(records), exists=exists, ttl=300, aliases=aliases)


@pytest.mark.parametrize("rdtype", ["A", "TXT"])
@pytest.mark.parametrize(
    ("fault", "records", "exists"),
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
async def test_query_finds_answer_despite_fault(
    rdtype: str, fault: str, records: tuple[str, ...] | Mapping[str, tuple[str, ...]] | None, exists: bool
) -> None:
    truth = {"A": ("192.0.2.9",), "TXT": ("v=spf1 -all",)}[rdtype]
    expected = records[rdtype] if isinstance(records, Mapping) else truth if records is None else records
    async with serve(ZONE, faults={"t.example": fault}) as server, DnsClient([address_of(server)]) as client:
        answer = await client.query("t.example", rdtype)
    assert (answer.records, answer.exists) == (expected, exists)


FAILURE_REASONS = {
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


@pytest.mark.parametrize("rdtype", ["A", "TXT"])
async def test_failed_query_raises_reason(rdtype: str) -> None:
    zone = {f"{fault}.example": ZONE["t.example"] for fault in FAILURE_REASONS}
    faults = {f"{fault}.example": fault for fault in FAILURE_REASONS}
    async with serve(zone, faults=faults) as server, DnsClient([address_of(server)]) as client:
        reasons = [failure_reason(client, name, rdtype, timeout_s=SHORT_TIMEOUT_S) for name in zone]
        assert dict(zip(FAILURE_REASONS, await asyncio.gather(*reasons), strict=True)) == FAILURE_REASONS
        assert client.in_flight == 0


async def test_truncated_reply_without_tcp_fails() -> None:
    async with (
        serve(ZONE, faults={"example": "truncated"}, tcp=False) as server,
        DnsClient([address_of(server)]) as client,
    ):
        assert await failure_reason(client, "t.example", "TXT") == "truncated"


async def test_badvers_is_retried_without_edns() -> None:
    async with serve(ZONE, faults={"t.example": "badvers"}) as server, DnsClient([address_of(server)]) as client:
        assert (await client.query("t.example", "TXT")).records == ("v=spf1 -all",)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a..example",
        ".example",
        "a" * 64 + ".example",
        "a." * 126 + "ab",
        ".".join(["a" * 62] * 4 + ["aa"]),
        "ü.example",
        "a\\.." + "b" * 64,
    ],
)
async def test_invalid_name_is_malformed_without_query(name: str) -> None:
    async with serve(ZONE) as server, DnsClient([address_of(server)]) as client:
        assert await failure_reason(client, name) == "malformed"
        assert server.queries == []


async def test_cname_without_target_is_followed() -> None:
    async with (
        serve(ZONE, faults={"www.example": "stops-at-alias"}) as server,
        DnsClient([address_of(server)]) as client,
    ):
        answer = await client.query("www.example", "A")
        assert answer == DnsAnswer("www.example", "A", ("192.0.2.9",), ttl=300, aliases=ALIASES["www.example"])
        assert server.queries == [("www.example", "A"), ("next.example", "A")]


async def test_circular_cnames_are_a_loop() -> None:
    zone = {"one.example": {"CNAME": ["two.example"]}, "two.example": {"CNAME": ["one.example"]}}
    async with serve(zone, faults={"example": "stops-at-alias"}) as server, DnsClient([address_of(server)]) as client:
        assert await failure_reason(client, "one.example") == "loop"


async def test_0x20_case_is_not_in_answers() -> None:
    async with serve(ZONE) as server, DnsClient([address_of(server)]) as client:
        answers = [await client.query("t.example", "MX") for _ in range(5)]
    assert {answer.records for answer in answers} == {("10 mx.t.example", "20 mx2.t.example")}


async def test_client_rejects_a_thousand_forged_replies() -> None:
    forgeries = [f"{forgery}-first" for forgery in FORGERIES]
    faults = {f"{forgery}.example": forgery for forgery in forgeries}
    zone = {f"n{n}.{forgery}.example": {"A": [f"127.0.1.{n}"]} for forgery in forgeries for n in range(125)}
    async with serve(zone, faults=faults) as server, DnsClient([address_of(server)]) as client:
        await client.query("t.example", "A")  # the server is now known to preserve letter case
        answers = await asyncio.gather(*(client.query(name, "A") for name in zone))
        assert client.in_flight == 0
    assert len(answers) == 1000
    wrong = [answer for answer in answers if answer.records != tuple(zone[answer.name]["A"])]
    assert wrong == []
    assert not any(FORGED_ADDRESS in answer.records for answer in answers)


async def test_server_that_normalizes_case_gets_plain_queries() -> None:
    async with serve(ZONE, faults={"example": "case-lost"}) as server, DnsClient([address_of(server)]) as client:
        for _ in range(20):
            await client.query("t.example", "A")
        assert client.upstreams[0].case_handling is CaseHandling.NORMALIZES
        assert len(server.queries) == 20  # none of them sent twice


async def test_case_mismatch_is_retried_over_tcp() -> None:
    """Over UDP there is only the forged address."""
    async with serve(ZONE, faults={"t.example": "wrong-case"}) as server, DnsClient([address_of(server)]) as client:
        await client.query("nothing.example", "A")
        assert (await client.query("t.example", "A")).records == ("192.0.2.9",)
        assert server.queries.count(("t.example", "A")) == 2


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_client_survives_twenty_percent_packet_loss(seed: int) -> None:
    async with serve(ZONE, loss=0.2, seed=seed) as server, DnsClient([address_of(server)]) as client:
        answers = await asyncio.gather(*(client.query(f"n{n}.example", "A", timeout_s=10.0) for n in range(300)))
        retried = counters(client).retried
    assert len(answers) == 300
    assert not any(answer.exists for answer in answers)
    assert 40 <= retried <= 300, f"seed {seed}"  # 75 on average; more where the machine is slow, but no storm


async def test_cancelled_queries_leave_nothing_behind() -> None:
    async with serve(ZONE, faults={"example": "silence"}) as server, DnsClient([address_of(server)]) as client:
        tasks = [asyncio.create_task(client.query(f"n{n}.example", "A", bulk=n % 2 == 0)) for n in range(2000)]
        await eventually(lambda: client.in_flight == 2000)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert client.in_flight == 0
        server.faults.clear()
        assert (await client.query("t.example", "A")).records == ("192.0.2.9",)


async def test_cancelled_tcp_query_leaves_nothing_behind() -> None:
    async with serve(ZONE, faults={"example": "truncated-silent"}) as server, DnsClient([address_of(server)]) as client:
        task = asyncio.create_task(client.query("t.example", "TXT"))
        await eventually(lambda: len(server.queries) == 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert client.in_flight == 0


@pytest.mark.parametrize("fault", ["servfail", "refused", "silence", "truncated-cut"])
async def test_query_fails_over_to_second_server(fault: str) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(serve(ZONE, faults={"example": fault}))
        second = await stack.enter_async_context(serve(ZONE))
        client = await stack.enter_async_context(DnsClient([address_of(first), address_of(second)]))
        assert (await client.query("t.example", "A")).records == ("192.0.2.9",)
        assert second.queries == [("t.example", "A")]


async def test_late_answer_of_first_server_is_used() -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(serve(ZONE, faults={"example": "late-900"}))
        second = await stack.enter_async_context(serve(ZONE, faults={"example": "silence"}))
        client = await stack.enter_async_context(DnsClient([address_of(first), address_of(second)]))
        assert (await client.query("t.example", "A")).records == ("192.0.2.9",)
        assert second.queries


async def test_error_of_first_server_is_reported() -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(serve(ZONE, faults={"example": "servfail"}))
        second = await stack.enter_async_context(serve(ZONE, faults={"example": "refused"}))
        client = await stack.enter_async_context(DnsClient([address_of(first), address_of(second)]))
        assert await failure_reason(client, "t.example") == "servfail"


async def test_unresponsive_server_is_tried_last() -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(serve(ZONE, faults={".": "silence", "example": "silence"}))
        second = await stack.enter_async_context(serve(ZONE))
        client = await stack.enter_async_context(DnsClient([address_of(first), address_of(second)]))
        deadline = asyncio.get_running_loop().time() + 1.2
        while asyncio.get_running_loop().time() < deadline:
            await client.query("t.example", "A")
        first.queries.clear()
        for _ in range(20):
            await client.query("t.example", "A")
        assert ("t.example", "A") not in first.queries


async def test_interactive_query_overtakes_bulk_queries() -> None:
    async with serve(ZONE, delay_ms=5) as server, DnsClient([address_of(server)], max_bulk_in_flight=10) as client:
        tasks = [asyncio.create_task(client.query(f"n{n}.example", "A", bulk=True)) for n in range(200)]
        await eventually(lambda: bool(server.queries))
        await client.query("t.example", "A")
        assert sum(task.done() for task in tasks) < 40
        await asyncio.gather(*tasks)


async def test_queries_in_flight_are_limited_x() -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve(ZONE, faults={"example": "silence"}))
        client = await stack.enter_async_context(
            DnsClient([address_of(server)], max_in_flight=50, max_bulk_in_flight=20)
        )
        groups = [(50, 2 * SHORT_TIMEOUT_S, False), (50, SHORT_TIMEOUT_S, False), (20, SHORT_TIMEOUT_S, True)]
        tasks = [
            asyncio.create_task(client.query(f"n{n}.example", "A", timeout_s=timeout_s, bulk=bulk))
            for count, timeout_s, bulk in groups
            for n in range(count)
        ]
        await eventually(lambda: len(server.queries) == 50)
        assert counters(client).sent == 50
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, LookupFailed) for result in results)
        assert counters(client).sent == 70  # the second fifty timed out in the queue


async def test_missing_route_fails_at_once() -> None:
    async with DnsClient([Server("fe80::1")]) as client, asyncio.timeout(10):  # link-local without a zone
        assert await failure_reason(client, "t.example", timeout_s=60) == "timeout"


async def test_close_releases_sockets_and_tasks() -> None:
    async with serve(ZONE, faults={"silent.example": "silence", "held.example": "truncated-silent"}) as server:
        open_files = len(os.listdir("/dev/fd"))
        client = DnsClient([address_of(server)])
        await client.start()
        await asyncio.gather(*(client.query(f"n{n}.example", "A") for n in range(50)))
        tasks = [asyncio.create_task(client.query(f"{name}.example", "TXT")) for name in ("silent", "held")]
        await eventually(lambda: ("held.example", "TXT") in server.queries[:-1])
        await client.close()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, LookupFailed) for result in results)
        assert client.in_flight == 0
        await eventually(lambda: len(os.listdir("/dev/fd")) <= open_files)
        with pytest.raises(RuntimeError):
            await client.query("t.example", "A")
