"""SMTP probe cache: each server is probed once in ten minutes."""

from __future__ import annotations

import asyncio

import pytest

from bot.net.smtp_probe import MAX_CACHED_PROBES, MIN_UNREACHABLE, PROBE_TTL_S, SmtpProbeCache
from bot.probe_results import ProbeError, SmtpProbeResult


class FakeProbe:
    """Records its probes; they finish once `may_finish` is set."""

    def __init__(self) -> None:
        self.probed: list[str] = []
        self.may_finish = asyncio.Event()
        self.may_finish.set()

    async def __call__(self, name: str, /) -> SmtpProbeResult:
        self.probed.append(name)
        await self.may_finish.wait()
        return SmtpProbeResult(name, error=ProbeError.TIMEOUT)


async def test_server_is_probed_again_after_ten_minutes() -> None:
    now = 0.0
    probe = FakeProbe()
    cache = SmtpProbeCache(probe, clock=lambda: now)
    first = await cache("mx.example.com")
    now = PROBE_TTL_S - 1
    assert await cache("mx.example.com") is first
    await cache("mx.example.net")
    assert probe.probed == ["mx.example.com", "mx.example.net"]
    now = PROBE_TTL_S
    assert await cache("mx.example.com") is not first


async def test_concurrent_callers_share_probe_despite_cancellation() -> None:
    probe = FakeProbe()
    probe.may_finish.clear()
    cache = SmtpProbeCache(probe)
    cancelled, waiting = (asyncio.create_task(cache("mx.example.com")) for _ in range(2))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    probe.may_finish.set()
    assert (await waiting).name == "mx.example.com"
    assert cancelled.cancelled()
    assert probe.probed == ["mx.example.com"]


async def test_probe_cache_evicts_oldest_server() -> None:
    probe = FakeProbe()
    cache = SmtpProbeCache(probe)
    for number in range(MAX_CACHED_PROBES + 1):
        await cache(f"mx{number}.example.com")
    await cache("mx1.example.com")
    await cache("mx0.example.com")
    assert len(probe.probed) == MAX_CACHED_PROBES + 2


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([], None),
        ([ProbeError.UNREACHABLE] * (MIN_UNREACHABLE - 1), None),
        ([ProbeError.UNREACHABLE] * MIN_UNREACHABLE, False),
        ([*[ProbeError.UNREACHABLE] * MIN_UNREACHABLE, ProbeError.REFUSED], True),
        ([None], True),
        ([ProbeError.NO_ADDRESS, ProbeError.SPECIAL, ProbeError.NO_ANSWER, ProbeError.SPECIAL], None),
    ],
)
async def test_port_open_is_derived_from_recent_probes(errors: list[ProbeError | None], expected: bool | None) -> None:
    now = 0.0
    pending = iter(errors)

    async def probe(name: str, /) -> SmtpProbeResult:
        return SmtpProbeResult(name, error=next(pending))

    cache = SmtpProbeCache(probe, clock=lambda: now)
    for number in range(len(errors)):
        await cache(f"mx{number}.example.com")
    assert cache.port_open() is expected
    now = PROBE_TTL_S
    assert cache.port_open() is None
