import asyncio

import httpx
import pytest
from prometheus_client import CollectorRegistry

from bot.metrics import build_metrics
from bot.storage import StoreUnavailable
from handlers.http_app import HealthProbes, Probe, build_http_app
from handlers.service import alive


def probe(result: bool | Exception | None) -> Probe:
    """A probe with that result; None hangs."""

    async def run_probe() -> bool:
        if result is None:
            await asyncio.Event().wait()
        if isinstance(result, Exception):
            raise result
        return bool(result)

    return run_probe


async def no_gauges() -> None:
    return


async def get(probes: HealthProbes, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(build_http_app(probes))
    async with httpx.AsyncClient(transport=transport, base_url="http://bot.example") as client:
        return await client.get(path)


@pytest.mark.parametrize(("ticks", "status"), [(True, 200), (False, 503)])
async def test_healthz_fails_when_scheduler_stalls(ticks: bool, status: int) -> None:
    probes = HealthProbes(lambda: ticks, {}, CollectorRegistry(), no_gauges)
    assert (await get(probes, "/healthz")).status_code == status


@pytest.mark.parametrize(
    ("task_ended", "stalled", "expected"),
    [(False, False, True), (True, False, False), (False, True, False)],
    ids=["running", "a task ended", "the poller stalled"],
)
async def test_worker_is_alive_while_tasks_run_and_poller_ticks(
    task_ended: bool, stalled: bool, expected: bool
) -> None:
    end = asyncio.Event()
    tasks = [asyncio.create_task(wait()) for wait in (end.wait, asyncio.Event().wait)]
    if task_ended:
        end.set()
        await tasks[0]
    assert alive(tasks, lambda _: stalled) is expected
    for task in tasks:
        task.cancel()


async def test_web_role_without_worker_tasks_is_alive() -> None:
    assert alive([], lambda _: False)


@pytest.mark.parametrize("store", [False, ConnectionError("down"), None], ids=["no", "broken", "hung"])
async def test_readyz_with_unready_dependency_is_503(store: bool | Exception | None) -> None:
    dependencies = {"store": probe(store), "dns": probe(True)}
    probes = HealthProbes(lambda: True, dependencies, CollectorRegistry(), no_gauges)
    response = await get(probes, "/readyz")
    assert response.status_code == 503
    assert response.json() == {"ok": False, "store": False, "dns": True}


@pytest.mark.parametrize("store", ["available", "unavailable", "hung"])
async def test_metrics_are_served_whatever_the_store_does(store: str) -> None:
    registry = build_metrics()

    async def update_gauges() -> None:
        registry.lists_quarantined.set(3)
        if store == "unavailable":
            raise StoreUnavailable("down")
        if store == "hung":
            raise TimeoutError

    probes = HealthProbes(lambda: True, {}, registry.registry, update_gauges)
    response = await get(probes, "/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    assert "mailcheck_lists_held 3.0" in response.text
