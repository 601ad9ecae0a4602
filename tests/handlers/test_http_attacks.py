"""Probes and page of a server with 1,024 files while 1,100 clients hold connections open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.support.attacks import ATTACKS, AttackedServer, attacked_server, held_open, probe_latency

CONNECTIONS = 1_100
FILES = 1_024
PROBE_WITHIN_S = 2.0
LOG_LIMIT = 500_000  # octets

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AttackedServer]:
    async with attacked_server(tmp_path_factory.mktemp("attacked"), str(FILES)) as running:
        yield running


@pytest.mark.parametrize("attack", ATTACKS)
async def test_probes_with_held_connections_answer_in_time(attack: str, server: AttackedServer) -> None:
    async with held_open(server.port, ATTACKS[attack], CONNECTIONS):
        for port in (server.port, server.probe_port):
            assert await probe_latency(port, PROBE_WITHIN_S) < PROBE_WITHIN_S
    assert server.log.stat().st_size < LOG_LIMIT


async def test_page_with_held_connections_is_served(server: AttackedServer) -> None:
    client = httpx.AsyncClient(timeout=10)
    async with held_open(server.port, ATTACKS["half a head"], CONNECTIONS), client:
        assert (await client.get(f"{server.url}/c/mail")).status_code == 200


async def test_probes_during_hostile_forms_answer_in_time(server: AttackedServer) -> None:
    form = {"content-type": "multipart/form-data; boundary=b", "origin": server.url}
    async with httpx.AsyncClient(timeout=20) as client:
        assert (await client.get(f"{server.url}/c/mail")).status_code == 200
        bomb = b"--b\r\n\r\n" * 20_000
        sent = [client.post(f"{server.url}/c/mail", content=bomb, headers=form) for _ in range(40)]
        bombs = asyncio.gather(*sent)
        await asyncio.sleep(0.01)
        assert await probe_latency(server.port, PROBE_WITHIN_S) < PROBE_WITHIN_S
        assert {answer.status_code for answer in await bombs} == {400}


async def test_server_out_of_files_pauses_and_recovers(tmp_path: Path) -> None:
    """The connection limit is above the file limit, so `accept` fails."""
    async with attacked_server(tmp_path, "96", "--limit", "5000") as server:
        async with held_open(server.port, ATTACKS["half a head"], 300):
            began = await _cpu(server)
            await asyncio.sleep(1)
            assert await probe_latency(server.port, PROBE_WITHIN_S) < PROBE_WITHIN_S
            assert await _cpu(server) - began < 0.5
        log = server.log.read_text()
    assert "accept failed" in log
    assert len(log) < 20_000


async def _cpu(server: AttackedServer) -> float:
    async with httpx.AsyncClient(timeout=5) as client:
        return float((await client.get(f"{server.url}/cpu")).text)
