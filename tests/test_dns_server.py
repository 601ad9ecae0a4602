from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from bot.models import DnsAnswer
from bot.net.dns_client import DnsClient
from bot.net.nameservers import Server
from tests.support.dns_server import serve
from tests.support.dns_world import World

ROOT = Path(__file__).parent.parent
WORLD = World(
    {
        "example.com": {"TXT": ["v=spf1 -all"], "MX": "timeout"},
        "www.example.com": {"CNAME": ["example.com"]},
        "a.deep.example.net": {"A": ["192.0.2.1"]},
        "wild.example": {"*": ["192.0.2.2"]},
    }
)


@pytest.mark.parametrize(
    ("name", "rdtype"),
    [
        ("example.com", "TXT"),
        ("example.com", "A"),
        ("www.example.com", "TXT"),
        ("deep.example.net", "A"),
        ("wild.example", "A"),
        ("nothing.example", "A"),
    ],
)
async def test_server_answers_like_the_dict(name: str, rdtype: str) -> None:
    async with serve(WORLD) as server, DnsClient([Server(server.host, server.port)]) as client:
        assert await client.query(name, rdtype) == WORLD.answer(name, rdtype)


async def test_delay_applies_to_every_answer() -> None:
    async with serve(WORLD, delay_ms=50) as server, DnsClient([Server(server.host, server.port)]) as client:
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        await asyncio.gather(*(client.query(f"n{n}.example", "A") for n in range(100)))
        assert 0.05 <= loop.time() - started_at < 100 * 0.05 / 2  # they wait side by side


async def test_server_runs_as_a_program(tmp_path: Path) -> None:
    zone = tmp_path / "zone.json"
    zone.write_text(json.dumps({"example.com": {"A": ["192.0.2.1"]}}))
    command = (
        sys.executable,
        "-m",
        "tests.support.dns_server",
        str(zone),
        "--ttl",
        "20",
        "--fault",
        "dead.example=servfail",
    )
    program = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
    assert program.stdout
    host, port = (await program.stdout.readline()).decode().strip().rsplit(":", 1)
    async with DnsClient([Server(host, int(port))]) as client:
        assert await client.query("example.com", "A") == DnsAnswer("example.com", "A", ("192.0.2.1",), ttl=20)
    program.terminate()
    assert await program.wait() == 0
