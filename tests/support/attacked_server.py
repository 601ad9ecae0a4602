"""The bot's HTTP server in its own process, with a limit on open files.

`python -m tests.support.attacked_server FILES [--limit N] [--plain]` prints its two ports.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import time

import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.metrics import build_metrics
from bot.settings import HostPort
from handlers.host_check import HostCheck
from handlers.http_app import HealthProbes, build_http_app
from handlers.http_server import Server
from handlers.logging_config import configure
from handlers.service import listen
from handlers.web.app import WebChat
from tests.handlers.web.conftest import ScriptedCommands

LARGE = b"x" * 200_000
LOOPBACK = HostPort("127.0.0.1", 0)


async def large(_: Request) -> Response:
    return Response(LARGE)


async def cpu(_: Request) -> Response:
    """CPU seconds of this process."""
    return PlainTextResponse(str(time.process_time()))


async def is_ready() -> bool:
    return True


async def no_gauges() -> None:
    return


async def serve(limit: int | None, plain: bool) -> None:
    """`plain`: uvicorn without our deadlines and limits."""
    probes = HealthProbes(lambda: True, {"store": is_ready}, build_metrics().registry, no_gauges)
    listening_socket, metrics_socket = listen(LOOPBACK), listen(LOOPBACK)
    commands = ScriptedCommands()
    commands.released.set()
    pages = WebChat(commands).routes(LOOPBACK)
    routes = [Route("/large", large), Route("/cpu", cpu), *pages]
    app = HostCheck(build_http_app(probes, routes), LOOPBACK)
    print(listening_socket.getsockname()[1], metrics_socket.getsockname()[1], flush=True)
    if plain:
        config = uvicorn.Config(app, log_config=None, lifespan="off", access_log=False)
        await uvicorn.Server(config).serve(sockets=[listening_socket])
    else:
        extra_listeners = [(metrics_socket, HostCheck(build_http_app(probes), LOOPBACK))]
        await Server(app, extra_listeners, limit=limit).serve(sockets=[listening_socket])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("files", type=int)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--plain", action="store_true")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (options.files, options.files))
    configure()
    asyncio.run(serve(options.limit, options.plain))


if __name__ == "__main__":
    main()
