"""Composition root of the handlers: runs HTTP, platforms, workers, monitoring and the REPL.

Also the set-up of `mailcheck demo`, whose DNS is an invented one on loopback.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, nullcontext, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
import uvicorn
from rich.console import Console
from starlette.routing import BaseRoute

from bot.app import Core, Monitoring, build_monitoring, open_core, update_gauges
from bot.demo import Demo, run_demo
from bot.models import LookupFailed, Verdict
from bot.monitoring.interfaces import Clock
from bot.monitoring.repository import RedisRepository
from bot.parser_process.process import ParserProcess
from bot.settings import HostPort, Settings, SpecialAddresses
from bot.storage import StoreUnavailable
from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.poll_store import PollStore
from bot.storage.redis_clock import RedisClock
from bot.task_queue import TaskQueue
from handlers import logging_config
from handlers.cli.repl import run_repl
from handlers.commands import VERBS, CommandRouter
from handlers.commands.overview import ListStatusCache, OverviewBuilder
from handlers.commands.pasted_text import PastedTextCommands
from handlers.commands.watch import WatchCommands
from handlers.delivery import DeliveryTimeouts, DeliveryWorker
from handlers.host_check import HostCheck
from handlers.http_app import HealthProbes, Probe, build_http_app
from handlers.http_server import Server
from handlers.message import Card
from handlers.messages import TRUST_VERDICTS, ListRow, lists_card
from handlers.messages.formatting import QUARANTINED
from handlers.platform_registry import PlatformDependencies, PlatformRuntime, build_platforms, status_routes
from handlers.ports import CannotServe, ChatRequest, MessagePoster, ServeRole
from handlers.settings import ServiceSettings
from handlers.slack.socket_mode import SlackConnectionRefused
from handlers.web.settings import WebSettings

PER_USER = 10
PER_CHANNEL = 20
HANDS_ON_PER_USER = 60  # commands that ask no DNS, such as mute and ack
LOG_FILE = "mailcheck.log"  # while the terminal is a prompt

log = structlog.get_logger()


async def serve(core: Core, settings: ServiceSettings, role: ServeRole, demo: Demo | None = None) -> None:
    """Serve until SIGTERM, SIGINT or the end of REPL input, then drain. Raises CannotServe."""
    try:
        await _serve(core, settings, role, demo)
    except* (CannotServe, SlackConnectionRefused) as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise CannotServe(str(first)) from None


async def _serve(core: Core, settings: ServiceSettings, role: ServeRole, demo: Demo | None) -> None:
    assert core.store is not None
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    address = settings.web.http
    listening_socket = listen(address)
    metrics_socket = listen_metrics(settings.web)
    monitoring = build_monitoring(core, core.store)
    task_queue = TaskQueue(core.store.url, report=monitoring.repository.unreadable.report)
    async with task_queue, aclosing(ParserProcess()) as parser:
        posters: dict[str, MessagePoster] = {}
        commands = build_commands(core, settings.web, monitoring, posters, PastedTextCommands(parser.parse))
        dependencies = PlatformDependencies(
            settings, core.store, core.breaker, commands, task_queue, posters, build_overview(core, monitoring), demo
        )
        platforms = build_platforms(dependencies)
        serves_chat, runs_workers = role is not ServeRole.WORKER, role is not ServeRole.WEB
        async with asyncio.TaskGroup() as group:
            workers = _start_workers(group, task_queue, monitoring, posters, core.clock, stop) if runs_workers else []
            if not runs_workers:
                group.create_task(core.clock.correct_regularly(stop))
            chat_routes = [route for platform in platforms for route in platform.routes]
            routes = [*chat_routes, *status_routes(dependencies)] if serves_chat else []
            probes = health_probes(
                core,
                lambda: alive(workers, monitoring.poller.is_stalled),
                partial(refresh_gauges, core, monitoring),
                {"polls": partial(is_watching, monitoring)} if runs_workers else {},
            )
            web = http_server(settings.web, routes, probes, metrics_socket)
            group.create_task(web.serve(sockets=[listening_socket]))
            VERBS.prepare()
            gc.freeze()  # loaded modules stay: scanning them would stop the loop for 50 ms
            log.info("serving", part=str(role), http=f"http://{address}", chats=" ".join(posters))
            if "web" in posters and not sys.stdin.isatty():
                print(f"mailcheck is at http://{address}", flush=True)
            listeners = [chat.platform.run() for chat in platforms] if serves_chat else []
            if serves_chat and sys.stdin.isatty():
                listeners.append(_run_repl(address, commands, settings.core.state_dir / LOG_FILE, stop))
            listening = [group.create_task(listener) for listener in listeners]
            await stop.wait()
            await _shut_down(platforms, listening, workers, web)


def _start_workers(
    group: asyncio.TaskGroup,
    task_queue: TaskQueue,
    monitoring: Monitoring,
    posters: dict[str, MessagePoster],
    clock: RedisClock,
    stop: asyncio.Event,
) -> list[asyncio.Task[None]]:
    """Background tasks: queue worker, poller, delivery."""
    delivery = DeliveryWorker(monitoring.repository, monitoring.repository, posters, DeliveryTimeouts(now=clock))
    tasks = (task_queue.work(stop), monitoring.poller.run(stop), delivery.run(stop))
    return [group.create_task(task) for task in tasks]


def alive(workers: Sequence[asyncio.Task[None]], is_stalled: Callable[[float], bool]) -> bool:
    """Whether the background tasks of this process run; always true in the web role."""
    return not any(task.done() for task in workers) and not is_stalled(asyncio.get_running_loop().time())


async def _shut_down(
    platforms: Sequence[PlatformRuntime],
    listeners: Sequence[asyncio.Task[None]],
    workers: Sequence[asyncio.Task[None]],
    web: uvicorn.Server,
) -> None:
    """Stop listening, finish pending work, then close the connections."""
    for task in listeners:
        task.cancel()
    for chat in platforms:
        await chat.drain()
    web.should_exit = True
    await asyncio.wait(workers) if workers else None
    for chat in platforms:
        await chat.close()


async def _run_repl(address: HostPort, commands: CommandRouter, log_file: Path, stop: asyncio.Event) -> None:
    """Run the REPL on the terminal; its end stops the bot. Log lines do not go between what is typed."""
    shares_terminal = sys.stderr.isatty()
    with logging_config.to_file(log_file) if shares_terminal else nullcontext():
        note = str(log_file) if shares_terminal else ""
        await run_repl(commands, Console(highlight=False), sys.stdin, f"http://{address}", note)
    stop.set()


def build_commands(
    core: Core,
    settings: WebSettings,
    monitoring: Monitoring,
    posters: dict[str, MessagePoster],
    pasted_text: PastedTextCommands,
) -> CommandRouter:
    async def list_health() -> Card:
        return lists_card(await query_lists(core, monitoring))

    register: RedisRepository = monitoring.interactive
    watch_commands = WatchCommands(
        register,
        register,
        monitoring.first_poll,
        core.resolver,
        posters,
        core.clock,
        default_interval=core.settings.watch_every,
        allow_special=core.check_runner.allow_special,
        effective_interval=register.effective_interval,
    )
    return CommandRouter(
        VERBS,
        core.check_runner,
        list_health,
        command_rate_limit(settings, monitoring.interactive.polls, core.breaker, core.clock),
        watch_commands,
        pasted_text=pasted_text,
    )


async def query_lists(core: Core, monitoring: Monitoring) -> list[ListRow]:
    """The status of every list, queried now; a quarantined list is bad whatever it answers."""
    statuses = [item async for item in core.list_status()]
    quarantined = await monitoring.interactive.quarantined_lists()
    return [
        (item.name, Verdict.WARN, QUARANTINED, item.ms)
        if item.id in quarantined
        else (item.name, TRUST_VERDICTS[item.trust], item.reason, item.ms)
        for item in statuses
    ]


def build_overview(core: Core, monitoring: Monitoring) -> OverviewBuilder:
    """Data for the dashboard and Slack's App Home."""
    return OverviewBuilder(
        monitoring.interactive,
        ListStatusCache(partial(query_lists, core, monitoring), time.monotonic),
        {blocklist.id: blocklist.name for blocklist in core.catalog.lists},
        core.resolver_health,
        monitoring.budgets,
        core.clock,
    )


def command_rate_limit(
    settings: WebSettings, polls: PollStore, breaker: CircuitBreaker, clock: Clock
) -> Callable[[ChatRequest], Awaitable[str]]:
    """Rate limit of commands: returns a sentence for users over it, else an empty string."""
    single_user = ("terminal",) if settings.web_password else ("terminal", "web")  # one user, on their own machine

    async def wait(request: ChatRequest) -> str:
        if request.channel.platform in single_user:
            return ""
        workspace, now = f"commands:{request.channel.platform}:{request.channel.workspace}", clock().timestamp()
        hands_on = VERBS[request.command.verb].hands_on
        limits = (
            {f"{workspace}:hands-on:{request.user}": HANDS_ON_PER_USER}
            if hands_on
            else {
                f"{workspace}:user:{request.user}": PER_USER,
                f"{workspace}:channel:{request.channel.id}": PER_CHANNEL,
            }
        )
        try:
            waits_s = await breaker.call(
                lambda: asyncio.gather(*(polls.take_token(key, now, limit) for key, limit in limits.items()))
            )
        except StoreUnavailable:
            return ""
        checks = f"{PER_USER} checks a minute for a person, {PER_CHANNEL} for a channel"
        rule = f"{HANDS_ON_PER_USER} commands a minute for a person" if hands_on else checks
        return f"That is a lot at once ({rule}); please ask again in {max(waits_s):.0f} s." if any(waits_s) else ""

    return wait


async def refresh_gauges(core: Core, monitoring: Monitoring) -> None:
    await update_gauges(monitoring.poll_monitor, core.metrics)


async def is_watching(monitoring: Monitoring) -> bool:
    """Whether polls finish in time. Raises StoreUnavailable."""
    return (await monitoring.poll_monitor.read()).is_watching


def health_probes(
    core: Core, alive: Callable[[], bool], update_gauges: Callable[[], Awaitable[None]], readiness: Mapping[str, Probe]
) -> HealthProbes:
    async def store_answers() -> bool:
        return bool(core.store and await core.store.interactive.ping())

    async def dns_answers() -> bool:
        with suppress(LookupFailed):
            await core.resolver(".", "NS")
            return True
        return False

    dependencies = {"store": store_answers, "dns": dns_answers, **readiness}
    return HealthProbes(alive, dependencies, core.metrics.registry, update_gauges)


def http_server(
    settings: WebSettings,
    routes: Sequence[BaseRoute],
    probes: HealthProbes,
    metrics_socket: socket.socket | None = None,
) -> uvicorn.Server:
    app = build_http_app(probes, routes, with_metrics=metrics_socket is None)
    extra_listeners = []
    if metrics_socket and settings.metrics:
        metrics_app = HostCheck(build_http_app(probes), settings.metrics, settings.public_hosts)
        extra_listeners.append((metrics_socket, metrics_app))
    return Server(HostCheck(app, settings.http, settings.public_hosts), extra_listeners)


def listen_metrics(settings: WebSettings) -> socket.socket | None:
    """The socket of MAILCHECK_METRICS, if set. Raises CannotServe."""
    return listen(settings.metrics, "MAILCHECK_METRICS") if settings.metrics else None


def listen(address: HostPort, variable: str = "MAILCHECK_HTTP") -> socket.socket:
    """Bind the listen address early. Raises CannotServe with a sentence if it is in use."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening_socket = socket.socket(
        family, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # asyncio sets TCP_NODELAY only for IPPROTO_TCP
    listening_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening_socket.bind((address.host, address.port))
        listening_socket.listen()  # with SO_REUSEADDR, bind alone does not find conflicts
    except OSError as error:
        listening_socket.close()
        reason = f"Cannot listen on {address} ({error.strerror})"
        raise CannotServe(f"{reason}; set {variable} to another address, such as 127.0.0.1:3001.") from None
    return listening_socket


async def run_demo_bot(web: WebSettings) -> None:
    """Serve the demo until stopped; its state is deleted at the end."""
    with TemporaryDirectory(prefix="mailcheck-demo-") as folder:
        async with run_demo() as world:
            settings = ServiceSettings(demo_settings(world, Path(folder)), web)  # the web chat only
            async with open_core(settings.core, needs_store=True) as core:
                await serve(core, settings, ServeRole.ALL, world)


def demo_settings(demo: Demo, folder: Path) -> Settings:
    """Settings of the demo: embedded store, demo DNS, alerts within seconds."""
    return Settings(
        redis_url=None,
        blocklists=None,
        spamhaus_dqs_key=None,
        abusix_key=None,
        list_keys={},
        nameservers=(demo.server,),
        special_addresses=SpecialAddresses.ALLOW,
        state_dir=folder,
        watch_every=timedelta(seconds=3),
        confirm_after=timedelta(seconds=2),
        clear_after=timedelta(seconds=5),
        group_for=timedelta(seconds=1),
    )
