"""Texts of a domain's records in a real Redis: once per domain, small, and readable after any damage."""

from __future__ import annotations

import base64
import random
import zlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import structlog
from redis.asyncio import Redis

from bot.models import CheckRequest, Report
from bot.monitoring.domain_records import MAX_PACKED, RENEW_AFTER, accept_records, fit, pack, unpack
from bot.monitoring.interfaces import AlertMessage
from bot.monitoring.models import DomainRecords, value_digest
from bot.monitoring.poll import baseline
from bot.monitoring.poller import Poller
from bot.monitoring.poller_config import PollerConfig
from bot.monitoring.record_values import RecordValue
from bot.monitoring.repository import RedisRepository
from tests.bot.monitoring.test_poller import FakeRunner, PollWorld
from tests.bot.monitoring.test_record_changes import DMARC, DOMAIN, POLICY, SPF, Watched
from tests.support.incident_stories import T0
from tests.support.stored_watches import OTHER_CHANNEL, Clock, watch

KEY = f"mc1:records:{DOMAIN}"
HOUR = timedelta(hours=1)
STORED = DomainRecords(T0, {"spf": SPF, "dmarc": POLICY}, {}, {"spf": (SPF,), "dmarc": ("p=quarantine",)})
NOISE = random.Random(7)


def dkim_key(bits: int) -> str:
    return f"v=DKIM1; k=rsa; p={base64.b64encode(NOISE.randbytes(bits // 8 + 38)).decode()}"


class RecordRunner(FakeRunner):
    """Runs the real checks of records over a fake DNS, and none of a blocklist."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.world = Watched()

    async def run(self, request: CheckRequest, fresh: bool = False) -> Report:
        self.polled.append((str(request.target), fresh))
        return replace(await self.world.report(request.target), request=request, at=self.clock())


class RecordWorld(PollWorld):
    def __init__(self, redis: Redis) -> None:
        clock = Clock()
        self.records = RecordRunner(clock)
        super().__init__(redis, clock, self.records, PollerConfig())

    @property
    def zone(self) -> dict[str, Mapping[str, Any]]:
        return self.records.world.zone

    async def alerts(self, length: timedelta = HOUR) -> list[AlertMessage]:
        return [message for message in await self.advance(length, step=120) if isinstance(message, AlertMessage)]


@pytest.fixture
def world(redis: Redis) -> RecordWorld:
    return RecordWorld(redis)


def typical() -> DomainRecords:
    """What a domain with all records has: two 2048-bit keys, and an SPF record that changed once."""
    good = {
        "spf": "v=spf1 ip4:203.0.113.0/24 include:_spf.google.com include:spf.protection.outlook.com -all",
        "dmarc": "v=DMARC1; p=reject; rua=mailto:dmarc@acme-widgets.example,mailto:a1b2c3@rua.reports.example; adkim=s",
        "mx": "10 mx1.acme-widgets.example, 20 mx2.acme-widgets.example",
        "mta-sts": "v=STSv1; id=20261124T060000;",
        "tls-rpt": "v=TLSRPTv1; rua=mailto:tls@acme-widgets.example",
        "bimi": "v=BIMI1; l=https://acme-widgets.example/logo.svg; a=https://acme-widgets.example/vmc.pem",
        "ns": "ns1.dns-host.example, ns2.dns-host.example",
        "dkim.s1": dkim_key(2048),
        "dkim.s2": dkim_key(2048),
    }
    values = {key: (text,) for key, text in good.items() if not key.startswith("dkim")}
    values |= {f"dkim.s{n}": (f"RSA 2048 0c7e7f2{n}",) for n in (1, 2)} | {"spf": (good["spf"], "v=spf1 mx -all")}
    return DomainRecords(T0, good, {}, values)


async def stored_bytes(redis: Redis, records: DomainRecords) -> int:
    """What the server allocates, for the longer of this domain's name and the longest one there is."""
    longest = ".".join(["n" * 60] * 4)
    await RedisRepository(redis, lambda: T0).domain_records.write({DOMAIN: records, longest: records})
    return max([int(await redis.memory_usage(f"mc1:records:{name}")) for name in (DOMAIN, longest)])


async def test_records_of_a_typical_domain_are_stored_whole_within_2_kb(redis: Redis) -> None:
    records = typical()
    size = await stored_bytes(redis, fit(records))
    print(f"{size} bytes for a domain with every record and two 2048-bit keys")
    assert size <= 2048
    assert (await RedisRepository(redis, lambda: T0).domain_records.read([DOMAIN]))[DOMAIN] == records


@pytest.mark.parametrize("count", [4, 8, 20])
async def test_records_of_any_domain_stay_within_2_kb(redis: Redis, count: int) -> None:
    keys = {f"dkim.s{n}": dkim_key(2048 + 512 * (n % 5)) for n in range(count)}
    records = fit(replace(typical(), good=typical().good | keys))
    assert await stored_bytes(redis, records) <= 2048
    assert {"spf", "dmarc", "mx", "tls-rpt"} <= records.good.keys()
    dropped = [len(text) for key, text in keys.items() if key not in records.good]
    assert min(dropped) >= max(len(text) for text in records.good.values())


def test_packing_is_lossless_and_rejects_what_it_did_not_write() -> None:
    assert unpack(pack(STORED)) == STORED
    assert len(pack(typical())) <= MAX_PACKED
    for damaged in (b"", b"\xff\xfe", pack(STORED)[:-3], pack(STORED)[::-1], zlib.compress(b"[" * 99_999)):
        with pytest.raises((ValueError, TypeError, RecursionError)):
            unpack(damaged)


def record(value: str, text: str = "", is_good: bool = True) -> RecordValue:
    return RecordValue("spf", value, text or value, check="spf", is_good=is_good)


def test_only_values_that_a_watch_takes_as_normal_are_stored() -> None:
    config = {"spf": value_digest("v=spf1 -all")}
    assert accept_records(None, [record("v=spf1 +all")], [config], T0) is None
    stored = accept_records(None, [record("v=spf1 -all")], [{}, config], T0)
    assert stored == DomainRecords(T0, {"spf": "v=spf1 -all"}, {}, {"spf": ("v=spf1 -all",)})


def test_flawed_record_does_not_replace_the_last_good_one() -> None:
    good, flawed = record("v=spf1 -all"), record("v=spf1 ?all", is_good=False)
    stored = accept_records(None, [good], [{"spf": value_digest(good.value)}], T0)
    after = accept_records(stored, [flawed], [{"spf": value_digest(flawed.value)}], T0)
    assert after is not None
    assert (after.good, after.flawed) == ({"spf": good.text}, {})
    assert after.values["spf"] == (flawed.value, good.value)


def test_unchanged_records_are_written_again_before_they_expire() -> None:
    config = {"spf": value_digest("v=spf1 -all")}
    stored = accept_records(None, [record("v=spf1 -all")], [config], T0)
    for age, is_written in ((HOUR, False), (RENEW_AFTER, True), (-HOUR, True)):
        assert (accept_records(stored, [record("v=spf1 -all")], [config], T0 + age) is not None) is is_written


async def test_watches_of_a_domain_share_its_records(world: RecordWorld) -> None:
    """The second target is polled when the first has already taken the new value as normal."""
    await world.add(watch("192.0.2.25/32", DOMAIN), watch(None, DOMAIN, channel=OTHER_CHANNEL))
    assert await world.alerts() == []
    world.zone[DOMAIN] = {**world.zone[DOMAIN], "NS": ["ns9.dns.example"]}
    sent = await world.alerts(2 * HOUR)
    changes = [problem.last_observation for message in sent for problem in message.alert.new]
    assert [(o.previous_value, o.value) for o in changes] == [("ns1.dns.example", "ns9.dns.example")] * 2
    assert [key async for key in world.redis.scan_iter("mc1:records:*")] == [KEY]
    assert 0 < await world.redis.ttl(KEY) <= timedelta(days=60).total_seconds()


async def test_record_removed_right_after_the_first_poll_can_be_restored(world: RecordWorld) -> None:
    added = watch("192.0.2.25/32", DOMAIN)
    incident, reports = await baseline(added, world.runner, world.clock())
    assert await world.repository.add(added, incident, world.clock() + HOUR, reports)
    world.zone[DMARC] = {"TXT": []}
    (sent,) = await world.alerts(2 * HOUR)
    steps = {problem.last_observation.check: problem.last_observation.remediation for problem in sent.alert.new}
    assert steps["dmarc"] == f"Restore: `{POLICY}`"


async def test_dropped_record_leaves_the_step_of_its_check() -> None:
    world = Watched()
    await world.poll(timedelta(0))
    world.records = DomainRecords(T0)
    (sent,) = await world.change(DMARC, TXT=[])
    assert all("Restore" not in problem.last_observation.remediation for problem in sent.new)


DAMAGES = (b"", b"\xff\xfe\x80", b"}garbage{", pack(STORED)[:-4], zlib.compress(b"null"), zlib.compress(b"[1]"))


@pytest.mark.parametrize("damage", DAMAGES, ids=range(len(DAMAGES)))
async def test_unreadable_records_are_reported_once_and_replaced(world: RecordWorld, damage: bytes) -> None:
    await world.add(watch("192.0.2.25/32", DOMAIN))
    await world.redis.set(KEY, damage)
    with structlog.testing.capture_logs() as lines:
        assert await world.alerts(2 * HOUR) == []
    assert [line["key"] for line in lines if line["event"] == "stored value unreadable"] == [KEY]
    assert (await world.repository.domain_records.read([DOMAIN]))[DOMAIN].good["spf"] == SPF
    world.zone[DOMAIN] = {**world.zone[DOMAIN], "TXT": []}
    (sent,) = await world.alerts(2 * HOUR)
    assert sent.alert.new[0].last_observation.remediation == f"Restore: `{SPF}`"


async def test_key_of_another_type_is_replaced(world: RecordWorld) -> None:
    await world.add(watch("192.0.2.25/32", DOMAIN))
    await world.redis.hset(KEY, "a", "b")
    assert await world.alerts(2 * HOUR) == []
    assert (await world.repository.domain_records.read([DOMAIN]))[DOMAIN].good["dmarc"] == POLICY


async def test_worker_of_another_process_reads_the_same_records(world: RecordWorld) -> None:
    await world.add(watch("192.0.2.25/32", DOMAIN))
    await world.alerts()
    world.worker = Poller(RedisRepository(world.redis, world.clock), world.runner, world.clock, PollerConfig())
    world.zone[DOMAIN] = {**world.zone[DOMAIN], "TXT": []}
    (sent,) = await world.alerts(2 * HOUR)
    assert sent.alert.new[0].last_observation.previous_value == SPF
