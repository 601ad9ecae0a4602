"""`mailcheck serve` with MAILCHECK_METRICS and MAILCHECK_PUBLIC_HOSTS."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx

from tests.support.unused_port import unused_port
from tests.test_serve import get, running, start_up_error


async def test_metrics_listener_is_the_only_one_with_metrics(tmp_path: Path) -> None:
    metrics_address = f"127.0.0.1:{unused_port()}"
    more = {"MAILCHECK_METRICS": metrics_address, "MAILCHECK_PUBLIC_HOSTS": "bot.example.com"}
    async with running(tmp_path, **more) as (url, _):
        assert (await get(f"{url}/healthz")).status_code == 200
        async with httpx.AsyncClient(timeout=5) as client:
            assert (await client.get(f"{url}/metrics")).status_code == 404
            for path in ("healthz", "readyz", "metrics"):
                assert (await client.get(f"http://{metrics_address}/{path}")).status_code == 200
            assert (await client.get(f"http://{metrics_address}/c/mail")).status_code == 404
            for address, path in ((f"http://{metrics_address}", "metrics"), (url, "healthz"), (url, "c/mail")):
                foreign = await client.get(f"{address}/{path}", headers={"host": "evil.example"})
                assert foreign.status_code == 421
            named = {"host": "bot.example.com"}
            assert (await client.get(f"{url}/healthz", headers=named)).status_code == 200
            assert "on this machine only" in (await client.get(f"{url}/c/mail", headers=named)).text


async def test_metrics_address_in_use_is_reported(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        error = await start_up_error(tmp_path, MAILCHECK_METRICS=f"127.0.0.1:{taken.getsockname()[1]}")
    assert "set MAILCHECK_METRICS to another address" in error


async def test_metrics_address_equal_to_http_is_reported(tmp_path: Path) -> None:
    address = f"127.0.0.1:{unused_port()}"
    error = await start_up_error(tmp_path, MAILCHECK_HTTP=address, MAILCHECK_METRICS=address)
    assert "set MAILCHECK_METRICS to another address" in error
