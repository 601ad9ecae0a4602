import asyncio

import httpx
import pytest
from prometheus_client import CollectorRegistry

from bot.metrics import metrics
from bot.storage import StoreUnavailable
from handlers.http_app import Probe, Vitals, site
from handlers.service import alive


def probe(answer: bool | Exception | None) -> Probe:
    async def answered() -> bool:
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        return bool(answer)

    return answered


async def nothing() -> None:
    return


async def get(vitals: Vitals, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(site(vitals))
    async with httpx.AsyncClient(transport=transport, base_url="http://bot.example") as client:
        return await client.get(path)


@pytest.mark.parametrize(("alive", "status"), [(True, 200), (False, 503)])
async def test_alive_means_that_the_scheduler_ticks(alive: bool, status: int) -> None:
    assert (await get(Vitals(lambda: alive, {}, CollectorRegistry(), nothing), "/healthz")).status_code == status


@pytest.mark.parametrize(
    ("ended", "still", "lives"),
    [(False, False, True), (True, False, False), (False, True, False)],
    ids=["works", "a part ended", "the sweep stands still"],
)
async def test_a_worker_lives_while_all_its_parts_work_and_the_sweep_ticks(
    ended: bool, still: bool, lives: bool
) -> None:
    over = asyncio.Event()
    tasks = [asyncio.create_task(wait()) for wait in (over.wait, asyncio.Event().wait)]
    if ended:
        over.set()
        await tasks[0]
    assert alive(tasks, lambda _: still) is lives
    for task in tasks:
        task.cancel()


async def test_a_process_that_only_hears_speaks_for_no_other() -> None:
    assert alive([], lambda _: False)


@pytest.mark.parametrize("store", [False, ConnectionError("down"), None], ids=["no", "broken", "hung"])
async def test_ready_only_when_every_part_answers(store: bool | Exception | None) -> None:
    answer = await get(
        Vitals(lambda: True, {"store": probe(store), "dns": probe(True)}, CollectorRegistry(), nothing), "/readyz"
    )
    assert answer.status_code == 503
    assert answer.json() == {"ok": False, "store": False, "dns": True}


@pytest.mark.parametrize("store", ["answers", "away", "hung"])
async def test_metrics_are_prometheus_text_whatever_the_store_does(store: str) -> None:
    counted = metrics()

    async def measure() -> None:
        counted.held.set(3)
        if store == "away":
            raise StoreUnavailable("away")
        if store == "hung":
            raise TimeoutError

    answer = await get(Vitals(lambda: True, {}, counted.registry, measure), "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "mailcheck_lists_held 3.0" in answer.text
