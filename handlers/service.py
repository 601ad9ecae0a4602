"""The chat wing put together and kept running: HTTP side, platforms, workers, and the prompt of a terminal."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog
import uvicorn
from rich.console import Console
from starlette.routing import BaseRoute

from bot.assembly import MailWing
from bot.jobs import Jobs
from bot.model import LookupFailed
from bot.settings import HostPort, SlackMode
from bot.store.client import Store
from bot.store.limits import Allowance, Sightings
from handlers.card import Card
from handlers.commands import Commands
from handlers.http import Vitals, site
from handlers.messages import TRUST, lists_card
from handlers.platform import Ask, CannotServe, Part
from handlers.slack.app import Credentials, Slack
from handlers.slack.patience import Seen
from handlers.slack.socket_mode import SlackRefuses
from handlers.terminal.prompt import prompt

ENQUEUE_WITHIN_S = 0.2
PER_USER = 10
PER_CHANNEL = 20

log = structlog.get_logger()


async def serve(wing: MailWing, part: Part) -> None:
    """Runs until SIGTERM or SIGINT, or the end of the prompt's input; then finishes what was begun. Raises CannotServe."""
    try:
        await _serve(wing, part)
    except* CannotServe as several:
        raise several.exceptions[0] from None


async def _serve(wing: MailWing, part: Part) -> None:
    assert wing.store is not None
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    listening = listen(wing.settings.http)
    async with Jobs(wing.store.url) as jobs:
        commands = verbs(wing)
        slack = slack_of(wing, wing.store, commands, jobs)
        working = part is not Part.WEB
        doors = slack.routes() if slack and part is not Part.WORKER else []
        async with asyncio.TaskGroup() as group:
            workers = group.create_task(jobs.work(stop)) if working else None
            web = http_server(wing, doors, alive=lambda: workers is None or not workers.done())
            group.create_task(web.serve(sockets=[listening]))
            log.info(
                "serving", part=str(part), http=f"http://{wing.settings.http}", slack=str(wing.settings.slack_mode)
            )
            talking = group.create_task(talk(commands, slack, part, stop))
            await stop.wait()
            talking.cancel()
            web.should_exit = True
            if slack:
                await slack.drain()


async def talk(commands: Commands, slack: Slack | None, part: Part, stop: asyncio.Event) -> None:
    """Hears people until cancelled: in Slack, or where no chat is set up, at the prompt of a terminal."""
    if slack:
        if part is not Part.WORKER:
            try:
                await slack.run()
            except SlackRefuses as why:
                raise CannotServe(str(why)) from None
    elif sys.stdin.isatty():
        await prompt(commands, Console(highlight=False), sys.stdin)
        stop.set()


def verbs(wing: MailWing) -> Commands:
    async def list_health() -> Card:
        found = [item async for item in wing.list_health()]
        return lists_card([(item.name, TRUST[item.standing], item.reason, item.ms) for item in found])

    return Commands(wing.checkup, wing.lists_for, list_health, allowed(wing))


def allowed(wing: MailWing) -> Callable[[Ask], Awaitable[str]]:
    """Who asks too often is told how long to wait; lists block those who ask them too much."""
    allowance = Allowance(wing.circuit) if wing.circuit else None

    async def wait(ask: Ask) -> str:
        room = f"{ask.room.platform}:{ask.room.space}"
        if allowance is None or ask.room.platform == "terminal":
            return ""
        seconds = await allowance.wait(
            {f"{room}:user:{ask.user}": PER_USER, f"{room}:channel:{ask.room.channel}": PER_CHANNEL}
        )
        rule = f"{PER_USER} checks a minute for a person, {PER_CHANNEL} for a channel"
        return f"That is a lot at once ({rule}); please ask again in {seconds} s." if seconds else ""

    return wait


def slack_of(wing: MailWing, store: Store, commands: Commands, jobs: Jobs) -> Slack | None:
    settings = wing.settings
    if settings.slack_mode is SlackMode.NONE or settings.slack_bot_token is None:
        return None

    async def enqueue(job: dict[str, str]) -> None:
        await jobs.submit("answer_slack", job, key=job["id"], within=ENQUEUE_WITHIN_S)

    slack = Slack(
        Credentials(
            settings.slack_bot_token.get_secret_value(),
            settings.slack_app_token.get_secret_value() if settings.slack_app_token else "",
            settings.slack_signing_secret.get_secret_value() if settings.slack_signing_secret else "",
            settings.slack_api_url,
        ),
        commands,
        enqueue,
        Seen(Sightings(store.interactive)),
    )

    async def answer_slack(ask_id: str) -> None:
        if job := await jobs.asked(ask_id):
            await slack.deliver(job)

    jobs.register(answer_slack)
    return slack


def http_server(wing: MailWing, doors: Sequence[BaseRoute], alive: Callable[[], bool]) -> uvicorn.Server:
    async def store_answers() -> bool:
        return bool(wing.store and await wing.store.interactive.ping())

    async def dns_answers() -> bool:
        with suppress(LookupFailed):
            await wing.resolver(".", "NS")
            return True
        return False

    vitals = Vitals(alive, {"store": store_answers, "dns": dns_answers}, wing.metrics.registry)
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
