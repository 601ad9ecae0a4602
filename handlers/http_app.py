"""The HTTP side: is it alive, is it ready, what does it count; chat platforms mount their own doors beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from bot.storage import StoreUnavailable

PROBE_WITHIN_S = 1.5

Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the outside may ask of a running bot; `alive` is False when the scheduler no longer ticks, and `measure` brings
    up to date what is not counted as it happens."""

    alive: Callable[[], bool]
    parts: Mapping[str, Probe]
    registry: CollectorRegistry
    measure: Callable[[], Awaitable[None]]


def site(vitals: Vitals, doors: Sequence[BaseRoute] = ()) -> Starlette:
    async def healthz(_: Request) -> Response:
        return _said({"alive": vitals.alive()})

    async def readyz(_: Request) -> Response:
        answers = await asyncio.gather(*(_answers(probe) for probe in vitals.parts.values()))
        return _said(dict(zip(vitals.parts, answers, strict=True)))

    async def metrics(_: Request) -> Response:
        with suppress(TimeoutError, StoreUnavailable):  # what was measured before is better than nothing
            async with asyncio.timeout(PROBE_WITHIN_S):
                await vitals.measure()
        return Response(generate_latest(vitals.registry), media_type=CONTENT_TYPE_LATEST)

    ours = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
    return Starlette(routes=[*ours, *doors])


def _said(parts: Mapping[str, bool]) -> Response:
    good = all(parts.values())
    return JSONResponse({"ok": good, **parts}, status_code=200 if good else 503)


async def _answers(probe: Probe) -> bool:
    try:
        async with asyncio.timeout(PROBE_WITHIN_S):
            return await probe()
    except Exception:  # whatever is wrong with it, a part that cannot answer is not ready
        return False
