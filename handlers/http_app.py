"""HTTP application: health probes, metrics, and the routes of the platforms."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from bot.storage import StoreUnavailable

PROBE_TIMEOUT_S = 1.5

log = structlog.get_logger()

Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class HealthProbes:
    """Sources of /healthz, /readyz and /metrics.

    `alive` is False once the scheduler stops ticking; `update_gauges` updates the gauges.
    """

    alive: Callable[[], bool]
    dependencies: Mapping[str, Probe]
    registry: CollectorRegistry
    update_gauges: Callable[[], Awaitable[None]]


def build_http_app(probes: HealthProbes, routes: Sequence[BaseRoute] = (), with_metrics: bool = True) -> Starlette:
    """The probes and `routes`; without /metrics if it has its own listener."""

    async def healthz(_: Request) -> Response:
        return _status_response({"alive": probes.alive()})

    async def readyz(_: Request) -> Response:
        answers = await asyncio.gather(*(_is_ready(probe) for probe in probes.dependencies.values()))
        return _status_response(dict(zip(probes.dependencies, answers, strict=True)))

    async def metrics(_: Request) -> Response:
        try:  # the previous values are better than none
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await probes.update_gauges()
        except (TimeoutError, StoreUnavailable) as error:
            log.warning("gauges not updated", error=str(error))
        except Exception:
            log.exception("gauges not updated")
        return Response(generate_latest(probes.registry), media_type=CONTENT_TYPE_LATEST)

    own_routes = [Route("/healthz", healthz), Route("/readyz", readyz)]
    if with_metrics:
        own_routes.append(Route("/metrics", metrics))
    return Starlette(routes=[*own_routes, *routes])


def _status_response(parts: Mapping[str, bool]) -> Response:
    ok = all(parts.values())
    return JSONResponse({"ok": ok, **parts}, status_code=200 if ok else 503)


async def _is_ready(probe: Probe) -> bool:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            return await probe()
    except Exception:  # a part that cannot answer is not ready, whatever the error
        return False
