"""DNS client that sends the queries below some zones to name servers of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from bot.models import TIMED_OUT, DnsAnswer, LookupResult, OnAnswer
from bot.net.dns_resolver import Querier


class RoutedClient:
    """A `Querier`: `routes` are the clients of zones by lower-case apex, `default` serves the rest."""

    def __init__(self, default: Querier, routes: Mapping[str, Querier]) -> None:
        self._default = default
        self._routes = routes

    async def query(self, name: str, rdtype: str, *, timeout_s: float = 3.0, bulk: bool = False) -> DnsAnswer:
        return await self._client(name).query(name, rdtype, timeout_s=timeout_s, bulk=bulk)

    async def query_many(
        self, label: str, apexes: Sequence[str], /, *, bulk: bool = True, on_answer: OnAnswer | None = None
    ) -> list[LookupResult]:
        positions: dict[Querier, list[int]] = {}
        for position, apex in enumerate(apexes):
            positions.setdefault(self._client(apex), []).append(position)
        results: list[LookupResult] = [TIMED_OUT] * len(apexes)

        async def query(client: Querier, own: Sequence[int]) -> None:
            def report(index: int, result: LookupResult) -> None:
                if on_answer:
                    on_answer(own[index], result)

            answers = await client.query_many(
                label, [apexes[position] for position in own], bulk=bulk, on_answer=report
            )
            for position, answer in zip(own, answers, strict=True):
                results[position] = answer

        await asyncio.gather(*(query(client, own) for client, own in positions.items()))
        return results

    def _client(self, name: str) -> Querier:
        name = name.lower().rstrip(".")
        while name:
            if client := self._routes.get(name):
                return client
            _, _, name = name.partition(".")
        return self._default
