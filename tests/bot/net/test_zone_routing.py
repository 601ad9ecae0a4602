"""Queries below a zone with a name server of its own go there, all others to the resolver."""

from __future__ import annotations

from collections.abc import Sequence

from bot.models import DnsAnswer, LookupResult, OnAnswer
from bot.net.zone_routing import RoutedClient


class RecordingClient:
    """Answers with its own address, and records the names."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.names: list[str] = []

    async def query(self, name: str, rdtype: str, *, timeout_s: float = 3.0, bulk: bool = False) -> DnsAnswer:
        self.names.append(name)
        return DnsAnswer(name, rdtype, (self.address,))

    async def query_many(
        self, label: str, apexes: Sequence[str], /, *, bulk: bool = True, on_answer: OnAnswer | None = None
    ) -> list[LookupResult]:
        results: list[LookupResult] = [await self.query(f"{label}.{apex}", "A") for apex in apexes]
        for position, result in enumerate(results):
            if on_answer:
                on_answer(position, result)
        return results


RESOLVER, OWN, KEYED = (RecordingClient(f"192.0.2.{n}") for n in (1, 2, 3))
ROUTED = RoutedClient(RESOLVER, {"bl.example.com": OWN, "k3y.bl.example.com": KEYED})


async def test_single_queries_follow_the_longest_zone() -> None:
    for name, client in (
        ("example.com", RESOLVER),
        ("bl.example.com", OWN),
        ("2.0.0.127.BL.example.com.", OWN),
        ("xbl.example.com", RESOLVER),
        ("2.0.0.127.k3y.bl.example.com", KEYED),
    ):
        assert (await ROUTED.query(name, "A")).records == (client.address,)


async def test_batch_results_are_in_the_order_of_the_zones() -> None:
    arrived: dict[int, LookupResult] = {}
    apexes = ["zen.example", "bl.example.com", "dbl.example", "K3y.bl.example.com"]
    results = await ROUTED.query_many("7.2.0.192", apexes, on_answer=arrived.__setitem__)
    assert [result.records[0] for result in results] == ["192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3"]
    assert [arrived[position] for position in range(4)] == results
