"""The chat wing put together and kept running: HTTP side, platforms, workers, watches, and the prompt of a terminal.

`mailcheck demo`: the bot in a small invented world, with watches that hurry; nothing is asked of the internet.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
import uvicorn
from rich.console import Console
from starlette.routing import BaseRoute

from bot.app import MailWing, Rounds, mail_wing, measure, now, rounds
from bot.demo import DemoWorld, demo_world
from bot.models import LookupFailed, Verdict
from bot.monitoring.repository import Register
from bot.settings import HostPort, Settings, SpecialAddresses
from bot.storage.circuit_breaker import Circuit
from bot.storage.rate_limits import Allowance
from bot.task_queue import Jobs
from handlers.cli.repl import prompt
from handlers.commands import Commands
from handlers.commands.overview import Lately, Overviews
from handlers.commands.watch import Watching
from handlers.delivery import Delivery
from handlers.http_app import Vitals, site
from handlers.message import Card
from handlers.messages import TRUST, ListRow, lists_card
from handlers.messages.formatting import HELD
from handlers.platform_registry import Chat, Parts, chats, published
from handlers.ports import Ask, CannotServe, Part, Speaking
from handlers.slack.socket_mode import SlackRefuses

PER_USER = 10
PER_CHANNEL = 20

log = structlog.get_logger()


async def serve(wing: MailWing, part: Part, demo: DemoWorld | None = None) -> None:
    """Runs until SIGTERM or SIGINT, or the end of the prompt's input; then finishes what was begun. Raises CannotServe."""
    try:
        await _serve(wing, part, demo)
    except* (CannotServe, SlackRefuses) as several:
        first: BaseException = several
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise CannotServe(str(first)) from None


async def _serve(wing: MailWing, part: Part, demo: DemoWorld | None) -> None:
    assert wing.store is not None
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    listening = listen(wing.settings.http)
    async with Jobs(wing.store.url) as jobs:
        speaking: dict[str, Speaking] = {}
        watched = rounds(wing, wing.store)
        commands = verbs(wing, watched, speaking)
        parts = Parts(wing, wing.store, commands, jobs, speaking, overviews(wing, watched), demo)
        talking = chats(parts)
        hears, works = part is not Part.WORKER, part is not Part.WEB
        async with asyncio.TaskGroup() as group:
            working = _working(group, jobs, watched, speaking, stop) if works else []
            doors = [*(door for chat in talking for door in chat.doors), *published(parts)] if hears else []
            web = http_server(
                wing, doors, lambda: alive(working, watched.sweep.stands_still), partial(measured, wing, watched)
            )
            group.create_task(web.serve(sockets=[listening]))
            gc.freeze()  # what is loaded by now stays; to look through it for garbage would stop everything for 50 ms
            log.info("serving", part=str(part), http=f"http://{wing.settings.http}", chats=" ".join(speaking))
            if "web" in speaking and not sys.stdin.isatty():
                print(f"mailcheck is at http://{wing.settings.http}", flush=True)
            listeners = [group.create_task(chat.platform.run()) for chat in talking] if hears else []
            listeners += [group.create_task(_prompt(wing, commands, stop))] if hears and sys.stdin.isatty() else []
            await stop.wait()
            await _end(talking, listeners, working, web)


def _working(
    group: asyncio.TaskGroup, jobs: Jobs, watched: Rounds, speaking: dict[str, Speaking], stop: asyncio.Event
) -> list[asyncio.Task[None]]:
    """What answers, looks and tells without being asked."""
    delivery = Delivery(watched.register, watched.register, speaking)
    return [group.create_task(work) for work in (jobs.work(stop), watched.sweep.run(stop), delivery.run(stop))]


def alive(working: Sequence[asyncio.Task[None]], stands_still: Callable[[float], bool]) -> bool:
    """Whether what works unasked in this process does so; a process that only hears speaks for no other."""
    return not any(task.done() for task in working) and not stands_still(asyncio.get_running_loop().time())


async def _end(
    talking: Sequence[Chat],
    listeners: Sequence[asyncio.Task[None]],
    working: Sequence[asyncio.Task[None]],
    web: uvicorn.Server,
) -> None:
    """No more is heard; what was begun is finished; then the doors close."""
    for task in listeners:
        task.cancel()
    for chat in talking:
        await chat.drain()
    web.should_exit = True
    await asyncio.wait(working) if working else None
    for chat in talking:
        await chat.close()


async def _prompt(wing: MailWing, commands: Commands, stop: asyncio.Event) -> None:
    """A terminal in front of the bot takes the chat commands, too."""
    await prompt(commands, Console(highlight=False), sys.stdin, f"http://{wing.settings.http}")
    stop.set()


def verbs(wing: MailWing, watched: Rounds, speaking: dict[str, Speaking]) -> Commands:
    async def list_health() -> Card:
        return lists_card(await asked_lists(wing, watched))

    register: Register = watched.for_people
    watching = Watching(
        register,
        register,
        watched.first_look,
        wing.resolver,
        speaking,
        now,
        usual=wing.settings.watch_every,
        special_allowed=wing.checkup.special_allowed,
        granted=register.granted,
    )
    return Commands(wing.checkup, wing.lists_for, list_health, allowed(wing.settings, wing.circuit), watching)


async def asked_lists(wing: MailWing, watched: Rounds) -> list[ListRow]:
    """The health of every list, asked just now; one that no watch believes is bad whatever it answers."""
    found = [item async for item in wing.list_health()]
    held = await watched.for_people.quarantined()
    return [
        (item.name, Verdict.WARN, HELD, item.ms)
        if item.id in held
        else (item.name, TRUST[item.standing], item.reason, item.ms)
        for item in found
    ]


def overviews(wing: MailWing, watched: Rounds) -> Overviews:
    """What the page of the bot and Slack's App Home show."""
    return Overviews(
        watched.for_people,
        Lately(partial(asked_lists, wing, watched), time.monotonic),
        {blocklist.id: blocklist.name for blocklist in wing.catalogue.lists},
        wing.resolver_health,
        watched.budgets,
        now,
    )


def allowed(settings: Settings, circuit: Circuit | None) -> Callable[[Ask], Awaitable[str]]:
    """Who asks too often is told how long to wait; lists block those who ask them too much."""
    allowance = Allowance(circuit) if circuit else None
    alone = ("terminal",) if settings.web_password else ("terminal", "web")  # one person, on their own machine

    async def wait(ask: Ask) -> str:
        room = f"{ask.room.platform}:{ask.room.space}"
        if allowance is None or ask.room.platform in alone:
            return ""
        seconds = await allowance.wait(
            {f"{room}:user:{ask.user}": PER_USER, f"{room}:channel:{ask.room.channel}": PER_CHANNEL}
        )
        rule = f"{PER_USER} checks a minute for a person, {PER_CHANNEL} for a channel"
        return f"That is a lot at once ({rule}); please ask again in {seconds} s." if seconds else ""

    return wait


async def measured(wing: MailWing, watched: Rounds) -> None:
    await measure(watched.for_people, wing.metrics, now())


def http_server(
    wing: MailWing, doors: Sequence[BaseRoute], alive: Callable[[], bool], measure: Callable[[], Awaitable[None]]
) -> uvicorn.Server:
    async def store_answers() -> bool:
        return bool(wing.store and await wing.store.interactive.ping())

    async def dns_answers() -> bool:
        with suppress(LookupFailed):
            await wing.resolver(".", "NS")
            return True
        return False

    vitals = Vitals(alive, {"store": store_answers, "dns": dns_answers}, wing.metrics.registry, measure)
    config = uvicorn.Config(site(vitals, doors), log_config=None, lifespan="off", access_log=False)
    return uvicorn.Server(config)


def listen(address: HostPort) -> socket.socket:
    """Takes the address now, so that one that is in use is said in a sentence. Raises CannotServe."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else asyncio leaves Nagle's delay on
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address.host, address.port))
    except OSError as taken:
        listening.close()
        why = f"Cannot listen on {address} ({taken.strerror})"
        raise CannotServe(f"{why}; set MAILCHECK_HTTP to another address, such as 127.0.0.1:3001.") from None
    return listening


async def demo(listening: HostPort) -> None:
    """Serves until it is told to stop; its memory goes with it."""
    with TemporaryDirectory(prefix="mailcheck-demo-") as folder:
        async with demo_world() as world, mail_wing(hurried(world, Path(folder), listening), needs_store=True) as wing:
            await serve(wing, Part.ALL, world)


def hurried(world: DemoWorld, folder: Path, listening: HostPort) -> Settings:
    """No chat but the page, no store but its own, the invented world for DNS, and a listing that is told within seconds."""
    return Settings(
        redis_url=None,
        blocklists=None,
        spamhaus_dqs_key=None,
        abusix_key=None,
        slack_bot_token=None,
        slack_app_token=None,
        slack_signing_secret=None,
        teams_client_id=None,
        teams_client_secret=None,
        nameservers=(world.server,),
        special_addresses=SpecialAddresses.ALLOW,
        state_dir=folder,
        http=listening,
        watch_every=timedelta(seconds=3),
        confirm_after=timedelta(seconds=2),
        clear_after=timedelta(seconds=5),
        group_for=timedelta(seconds=1),
    )
