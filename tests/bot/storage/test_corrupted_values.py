"""Every key, field and member of a real store is corrupted in turn: other channels get their alerts.

`MAILCHECK_ALL_CORRUPTIONS=1` corrupts every field and member; without it, a sample of each kind of key.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from redis.asyncio import Redis

from bot.app import update_gauges
from bot.checks.dnsbl.catalog_file import load as load_catalog
from bot.checks.dnsbl.zones import usable_zones
from bot.metrics import build_metrics
from bot.monitoring.models import Channel, Watch
from bot.monitoring.poll import baseline
from bot.monitoring.poll_health import PollMonitor
from bot.monitoring.poller import Poller
from bot.monitoring.poller_config import PollerConfig
from bot.monitoring.query_budget import QueryBudget
from bot.monitoring.repository import RedisRepository
from bot.storage.redis_client import open_client
from bot.storage.unreadable import UnreadableValues
from bot.storage.watch_store import NOTIFY_SCHEDULE, POLL_SCHEDULE, RECHECK_SCHEDULE
from handlers.cli.export import all_watches
from handlers.commands.overview import ListStatusCache, OverviewBuilder
from handlers.delivery import DeliveryTimeouts, DeliveryWorker
from handlers.http_app import HealthProbes, build_http_app
from handlers.message import Card
from handlers.messages import ListRow
from handlers.ports import MessageNotFound
from tests.bot.monitoring.test_poller import FakeRunner
from tests.support.fake_channel import FakeChannel
from tests.support.redis_server import RedisServer
from tests.support.stored_watches import Clock, watch

SAVED = json.loads((Path(__file__).parents[2] / "fixtures/store_26e3500.json").read_text(encoding="utf-8"))
SAVED_AT = datetime.fromisoformat(SAVED["at"])
ALL = bool(os.environ.get("MAILCHECK_ALL_CORRUPTIONS"))
OTHER = Channel("slack", "T0OTHER", "C0OTHER")
SHARED_TARGET = "mta 192.0.2.40"  # its own keys are those of both channels
ADDRESSES = ("203.0.113.77/32", "192.0.2.40/32")  # the second shares its target with a saved watch
WRONG_TYPES = {"string": "hash", "hash": "list", "list": "string", "set": "string", "zset": "hash", "stream": "string"}
SAMPLE_SIZE = 3  # of a kind of key
SCORES = (float("inf"), float("-inf"), 1e300, 5e-324, -1.0)

Stored = dict[str, Any]


def plain(value: Any) -> bytes | str:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else str(value)


def spoiled_texts(text: str) -> dict[str, bytes | str]:
    """The text with each kind of damage."""
    head, space, document = text.partition(" ") if text[:1] not in "{=" else ("", "", text)
    spoiled: dict[str, bytes | str] = {
        "bad UTF-8": text.encode()[:-2] + b"\xff\xfe" + text.encode()[-2:],
        "bytes": b"\xff\xfe\x80",
        "garbage": "}garbage{",
        "truncated": text[: len(text) // 2],
        "empty": "",
        "null": f"{head}{space}null",
        "list": f"{head}{space}[1]",
        "huge number": "9" * 400,
        "deep": f"{head}{space}{'[' * 5000}",
    }
    try:
        values = json.loads(document.partition("\n")[2] or document)
    except ValueError:
        return spoiled
    prefix = text[: len(text) - len(document.partition("\n")[2] or document)]
    if isinstance(values, dict):
        spoiled |= {
            f"{name}: {label}": prefix + json.dumps(values | {name: value})
            for name in values
            for label, value in (("future", "from-a-newer-version"), ("null", None), ("huge", 10**300), ("list", [[]]))
        }
        spoiled["unknown field"] = prefix + json.dumps(values | {"a-newer-field": {"a": 1}})
    return spoiled


@dataclass(frozen=True)
class Corruption:
    """Commands that spoil one key; `label` says which and how."""

    label: str
    commands: Sequence[Sequence[Any]]


def retyped(key: str, kind: str) -> Corruption:
    write = {"hash": ("HSET", key, "a", "b"), "list": ("RPUSH", key, "a"), "string": ("SET", key, "a")}
    return Corruption(f"{key}: wrong type", [("DEL", key), write[WRONG_TYPES[kind]]])


def corruptions(key: str, kind: str, content: Any) -> Iterator[Corruption]:
    """Every corruption of a key: its type, and each field or member."""
    yield retyped(key, kind)
    yield from {"set": of_set, "zset": of_sorted_set, "stream": of_stream}.get(kind, of_texts)(key, content)


def of_texts(key: str, content: Any) -> Iterator[Corruption]:
    """Of a string, the values of a hash, or the items of a list."""
    if isinstance(content, dict) and "base64" not in content:
        parts = [(("HSET", key, name), value) for name, value in content.items()]
        yield Corruption(f"{key}: bad name", [("HSET", key, b"\xff", b"\xff")])
    elif isinstance(content, list):
        parts = [(("LSET", key, index), value) for index, value in enumerate(content)]
    else:
        parts = [(("SET", key), content)]
    for command, value in parts:
        for label, text in spoiled_texts(str(plain(value))).items():
            yield Corruption(f"{' '.join(map(str, command[1:]))}: {label}", [(*command, text)])


def of_set(key: str, members: Sequence[str]) -> Iterator[Corruption]:
    for member in members:
        for text in (b"\xff", "", "garbage", member.encode() + b"\xff"):
            yield Corruption(f"{key}: {text!r}", [("SREM", key, member), ("SADD", key, text)])


def of_sorted_set(key: str, scores: dict[str, float]) -> Iterator[Corruption]:
    for member in scores:
        for score in SCORES:
            yield Corruption(f"{key} {member}: {score}", [("ZADD", key, score, member)])
    for name in (b"\xff\xfe", "", "garbage", "a/b", "mta \x00"):
        yield Corruption(f"{key}: {name!r}", [("ZADD", key, 0, name)])


def of_stream(key: str, _: Any) -> Iterator[Corruption]:
    for name, value in ((b"\xff", b"\xff"), ("note", "garbage"), ("note", b"\xff"), ("note", "null")):
        yield Corruption(f"{key}: {name!r} {value!r}", [("XADD", key, "*", name, value)])


def stored_keys() -> Iterator[tuple[str, str, Any]]:
    """Key, type and content of every key of the saved store that is ours, not the task queue's."""
    for key, value in SAVED["keys"].items():
        if key.startswith("mc1:"):
            (kind,) = set(value) - {"ttl"}
            yield key, kind, value[kind]


def kind_of(key: str) -> str:
    return key.split(":")[1]


def sample(items: Sequence[Corruption]) -> Sequence[Corruption]:
    """Some of the corruptions of a kind of key, spread evenly, the wrong type among them."""
    return items if ALL else items[:: max(1, len(items) // SAMPLE_SIZE)]


CASES: dict[str, list[Corruption]] = {}
for _key, _kind, _content in stored_keys():
    CASES.setdefault(kind_of(_key), []).extend(corruptions(_key, _kind, _content))


@dataclass
class World:
    """A poller and a delivery worker over a store, with the lines that they logged."""

    redis: Redis
    clock: Clock = field(default_factory=lambda: Clock(SAVED_AT))
    raw: list[tuple[bytes, bytes, int]] = field(default_factory=list)

    async def fill(self) -> None:
        """Load the saved store and add the watches of another channel."""
        for key, value in SAVED["keys"].items():
            (kind,) = set(value) - {"ttl"}
            await self.redis.execute_command(*load_command(key, kind, value[kind]))
            if "ttl" in value:
                await self.redis.pexpire(key, int(value["ttl"] * 1000))
        repository = RedisRepository(self.redis, self.clock)
        for other in self.others():
            incident, _ = await baseline(other, FakeRunner(self.clock), self.clock())
            assert await repository.add(other, incident, self.clock() + timedelta(seconds=5))
        keys = [key async for key in self.redis.scan_iter(count=1000)]
        async with open_raw(self.redis) as raw:
            self.raw = [(key.encode(), await raw.dump(key), max(0, await raw.pttl(key))) for key in keys]

    def others(self) -> list[Watch]:
        return [watch(address, channel=OTHER) for address in ADDRESSES]

    async def restore(self) -> None:
        async with open_raw(self.redis) as raw, raw.pipeline(transaction=False) as pipeline:
            pipeline.flushdb()
            for key, value, ttl in self.raw:
                pipeline.restore(key, ttl, value)
            await pipeline.execute()

    async def problems_after(self, corruption: Corruption) -> list[str]:
        """What other channels miss after a corruption; empty if nothing."""
        await self.restore()
        async with self.redis.pipeline(transaction=False) as pipeline:
            for command in corruption.commands:
                pipeline.execute_command(*command)
            await pipeline.execute()
        clock = Clock(SAVED_AT)
        unreadable = UnreadableValues(self.redis)
        repository = LongRunningRepository(self.redis, clock, unreadable)
        try:
            with structlog.testing.capture_logs() as lines:
                posted = await self.run(repository, clock)
        except Exception as error:
            return [f"{corruption.label}: {error!r}"]
        is_own = SHARED_TARGET in corruption.label and not corruption.label.startswith("mc1:subject:")
        expected = ADDRESSES[:1] if is_own else ADDRESSES
        problems = [f"not alerted of {address}" for address in expected if address[:-3] not in posted]
        logged = [(line.get("key"), line.get("field")) for line in lines if line["event"] == "stored value unreadable"]
        problems += [f"logged twice: {item}" for item in set(logged) if logged.count(item) > 1]
        faults = ("failed", "not updated", "unavailable")
        problems += [
            str(line) for line in lines if line.get("exc_info") or any(fault in line["event"] for fault in faults)
        ]
        return [f"{corruption.label}: {problem}" for problem in problems]

    async def run(self, repository: RedisRepository, clock: Clock) -> str:
        """Poll until listings are confirmed and delivered; returns the text of what the other channel got."""
        runner = FakeRunner(clock)
        poller = Poller(repository, runner, clock, PollerConfig())
        platform = Platform(clock)
        worker = DeliveryWorker(repository, repository, {"slack": platform}, DeliveryTimeouts(now=clock, sleep=no_wait))
        runner.overrides = {address[:-3]: {"a": "listed", "b": "listed"} for address in ADDRESSES}
        for seconds in (310, 310, 100, 100):
            clock.add(seconds)
            for schedule in (POLL_SCHEDULE, RECHECK_SCHEDULE, NOTIFY_SCHEDULE):
                for _ in range(20):
                    if not await poller.run_round(schedule):
                        break
        await poller.plan()
        clock.add(30)
        for channel in await repository.ready_channels():
            if channel in (OTHER, Channel("slack", "T0ORANGE", "C0OPS")):
                for _ in range(30):
                    if not await worker.deliver_next(channel):
                        break
        await read_pages(repository, clock)
        assert len(await repository.list_watches(OTHER)) == len(ADDRESSES)
        exported = [stored.watch.channel async for stored, _ in all_watches(repository)]
        assert exported.count(OTHER) == len(ADDRESSES)
        await repository.purge_expired()
        return " ".join(str(message.card) for message in platform.posted if message.channel == OTHER)


async def read_pages(repository: RedisRepository, clock: Clock) -> None:
    """The probes, the metrics and the dashboard, as they are served."""
    metrics, monitor = build_metrics(), PollMonitor(repository, clock, clock())

    async def is_watching() -> bool:
        return (await monitor.read()).is_watching

    probes = HealthProbes(
        lambda: True, {"polls": is_watching}, metrics.registry, partial(update_gauges, monitor, metrics)
    )
    transport = httpx.ASGITransport(build_http_app(probes))
    async with httpx.AsyncClient(transport=transport, base_url="http://bot.example") as client:
        assert "mailcheck_rooms_waiting" in (await client.get("/metrics")).text
        assert (await client.get("/readyz")).json() == {"ok": True, "polls": True}
    budget = QueryBudget(repository.polls, usable_zones(load_catalog(), {}), clock)
    lists = ListStatusCache(no_lists, lambda: clock().timestamp())
    overview = await OverviewBuilder(repository, lists, {}, lambda: [], budget.usage, clock).build_all()
    assert all(address[:-3] in str(overview) for address in ADDRESSES)


async def no_lists() -> Sequence[ListRow]:
    return ()


def load_command(key: str, kind: str, content: Any) -> list[Any]:
    if kind == "string":
        return ["SET", key, plain(content)]
    if kind == "hash":
        return ["HSET", key, *(plain(item) for pair in content.items() for item in pair)]
    if kind == "zset":
        return ["ZADD", key, *(item for name, score in content.items() for item in (score, name))]
    if kind == "stream":
        id, fields = content[-1]
        return ["XADD", key, id, *(plain(item) for pair in fields for item in pair)]
    return [{"list": "RPUSH", "set": "SADD"}[kind], key, *map(plain, content)]


class LongRunningRepository(RedisRepository):
    """Repository whose server started long before the tests' virtual time."""

    async def store_started_at(self) -> datetime:
        return SAVED_AT - timedelta(days=30)


class Platform(FakeChannel):
    """A platform where the messages of the saved store are deleted."""

    async def update(self, channel: Channel, message: str, card: Card) -> None:
        if message not in {item.id for item in self.posted if item.channel == channel}:
            raise MessageNotFound("deleted")
        await super().update(channel, message, card)


async def no_wait(_: float) -> None: ...


def open_raw(redis: Redis) -> Redis:
    path = redis.connection_pool.connection_kwargs["path"]
    return Redis(unix_socket_path=path)


@pytest.fixture(scope="module")
def unsynced_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that writes nothing to the disk: each case loads the whole store anew."""
    server = RedisServer(tmp_path_factory.mktemp("unsynced"), appendonly="no")
    yield server.url
    server.stop()


@pytest.fixture
async def world(unsynced_url: str) -> AsyncIterator[World]:
    async with open_client(unsynced_url, 5.0) as redis:
        await redis.flushall()
        filled = World(redis)
        await filled.fill()
        yield filled


async def test_undamaged_store_alerts_the_other_channel(world: World) -> None:
    assert await world.problems_after(Corruption("none", [("PING",)])) == []


@pytest.mark.parametrize("kind", sorted(CASES))
async def test_corrupted_key_stops_no_other_channel(world: World, kind: str) -> None:
    problems = [problem for case in sample(CASES[kind]) for problem in await world.problems_after(case)]
    assert problems == []
