"""Repetitions sent to a running bot by every way in, and the latency of its probe meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import chain, cycle

import httpx

from handlers.commands import VERBS
from tests.support.adversarial_text import Repetition, build, general_repetitions
from tests.support.slack_payloads import direct_message, event_callback, form_body, json_body, mention, slash_command
from tests.support.slack_product import Product
from tests.support.web_page import csrf_token, submit_command, until_shown

SIZES = (16_000, 64_000)  # the larger fits a request of Slack, which has 64 KiB
COMMANDS = ("", *(row.name for row in VERBS.rows))
PASTES = [row.name for row in VERBS.rows if row.pastes]
CONCURRENT = 4
PROBE, PROBE_WITHIN_S, PROBE_INTERVAL_S = "/healthz", 0.5, 0.01
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Attack:
    """A command with a repetition as its arguments."""

    command: str
    repetition: Repetition
    size: int

    @property
    def text(self) -> str:
        return build(self.repetition, self.size)

    @property
    def typed(self) -> str:
        return f"{self.command} {self.text}"


def every_attack() -> list[Attack]:
    return [Attack(verb, unit, size) for size in SIZES for verb in COMMANDS for unit in general_repetitions()]


def some_attacks() -> list[Attack]:
    """Each repetition once, in the larger size; every second command takes pasted text."""
    commands = cycle(chain.from_iterable(zip(COMMANDS, cycle(PASTES), strict=False)))
    return [Attack(command, unit, SIZES[-1]) for command, unit in zip(commands, general_repetitions(), strict=False)]


@dataclass
class Slowest:
    """Seconds of the slowest response of each kind, and what was requested."""

    seconds: dict[str, tuple[float, str]] = field(default_factory=dict)

    @property
    def probe_s(self) -> float:
        return self.seconds[PROBE][0]

    def add(self, kind: str, began: float, request: str = "") -> None:
        self.seconds[kind] = max(self.seconds.get(kind, (0.0, "")), (time.perf_counter() - began, request))

    def __str__(self) -> str:
        return "; ".join(f"{kind} {seconds:.3f} s {request}" for kind, (seconds, request) in self.seconds.items())


@asynccontextmanager
async def probed(url: httpx.URL, slowest: Slowest) -> AsyncIterator[None]:
    """Probe all the time, from a thread, so that the work of this process is not measured."""
    stop = threading.Event()

    def probe() -> None:
        while not stop.wait(PROBE_INTERVAL_S):
            began = time.perf_counter()
            connection = HTTPConnection(url.host, url.port or 80, timeout=30)
            connection.request("GET", PROBE)
            assert connection.getresponse().status == 200
            connection.close()
            slowest.add(PROBE, began)

    probes = asyncio.create_task(asyncio.to_thread(probe))
    try:
        yield
    finally:
        stop.set()
        await probes


Send = Callable[[Attack, int], Awaitable[httpx.Response]]  # the number differs for each request


def slack_ways(bot: Product) -> Mapping[str, Send]:
    """Each request comes from a user and a channel of its own, so that no rate limit applies."""

    async def slash(attack: Attack, number: int) -> httpx.Response:
        fields = slash_command(attack.typed, f"{bot.slack_url}/actions/{number}", f"{number}.1")
        return await bot.send(*form_body(fields | {"user_id": f"U{number}", "channel_id": f"C{number}"}))

    async def mentioned(attack: Attack, number: int) -> httpx.Response:
        event = mention(f"<@UBOT> {attack.typed}", user=f"U{number}", channel=f"C{number}", ts=f"{number}.000100")
        return await bot.send(*json_body(event_callback(event, f"Ev{number}")))

    async def in_direct_message(attack: Attack, number: int) -> httpx.Response:
        event = direct_message(attack.typed, user=f"U{number}", channel=f"D{number}", ts=f"{number}.000100")
        return await bot.send(*json_body(event_callback(event, f"Ev{number}")))

    async def attached(attack: Attack, number: int) -> httpx.Response:
        file = bot.slack.add_file(bot.slack_url, f"F{number}", attack.text.encode())
        event = direct_message(
            attack.command, user=f"U{number}", channel=f"D{number}", ts=f"{number}.000100", subtype="file_share"
        )
        return await bot.send(*json_body(event_callback(event | {"files": [file]}, f"Ev{number}")))

    return {
        "slash command": slash,
        "mention": mentioned,
        "direct message": in_direct_message,
        "attached file": attached,
    }


async def web_ways(browser: httpx.AsyncClient) -> Mapping[str, Send]:
    csrf = await csrf_token(browser)

    async def form(attack: Attack, _: int) -> httpx.Response:
        return await submit_command(browser, csrf, attack.typed)

    async def upload(attack: Attack, _: int) -> httpx.Response:
        return await submit_command(browser, csrf, attack.command, attack.text.encode())

    return {"web form": form, "web upload": upload}


async def attack(ways: Mapping[str, Send], attacks: Sequence[Attack], slowest: Slowest, numbers: Iterator[int]) -> None:
    """Send all attacks by each way, a few at a time."""
    waiting = iter([(way, attack) for attack in attacks for way in ways])

    async def send_some() -> None:
        for way, attack in waiting:
            began = time.perf_counter()
            response = await ways[way](attack, next(numbers))
            slowest.add(way, began, f"{attack.command} {attack.repetition} × {attack.size:,}")
            assert response.status_code in (200, 204, 303, 413), response.text

    await asyncio.gather(*(send_some() for _ in range(CONCURRENT)))


async def attack_slack(bot: Product, attacks: Sequence[Attack], numbers: Iterator[int]) -> Slowest:
    """The slowest responses until a bounce that was sent last is explained."""
    slowest, number = Slowest(), next(numbers)
    async with probed(bot.bot.base_url, slowest):
        await attack(slack_ways(bot), attacks, slowest, numbers)
        await bot.type(f"bounce {bounce_of(number)}", f"U{number}", f"C{number}")
        await bot.slack.wait_for_messages(lambda sent: address_of(number) in str(sent), timeout_s=60)
    return slowest


async def attack_page(url: str, attacks: Sequence[Attack], numbers: Iterator[int]) -> Slowest:
    """The same of the web chat."""
    slowest, number = Slowest(), next(numbers)
    async with httpx.AsyncClient(base_url=url, timeout=10) as browser, probed(browser.base_url, slowest):
        ways = await web_ways(browser)
        await attack(ways, attacks, slowest, numbers)
        await submit_command(browser, await csrf_token(browser), f"bounce {bounce_of(number)}")
        await until_shown(browser, f"Check {address_of(number)}")
    return slowest


def address_of(number: int) -> str:
    return f"203.0.113.{number % 250}"


def bounce_of(number: int) -> str:
    return f"550 5.7.1 Service unavailable; client [{address_of(number)}] blocked using zen.spamhaus.org"


async def quick_round(attacked: Callable[[], Awaitable[Slowest]]) -> Slowest:
    """The first round whose probes answered in time, or the last: a busy machine gets more than one."""
    for _ in range(ROUNDS):
        slowest = await attacked()
        if slowest.probe_s < PROBE_WITHIN_S:
            break
    return slowest
