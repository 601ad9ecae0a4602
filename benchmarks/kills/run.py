"""One run: everything is started, the stories go on, processes die, and in the end Slack is read."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from benchmarks.kills.processes import Serving, environment, kill_server
from benchmarks.kills.stories import LISTS, TOLD, Story, Told, key_of, reason_of, told
from benchmarks.world import write_catalogue
from bot.storage.embedded_valkey import Embedded
from bot.storage.redis_client import client
from tests.handlers.slack.conftest import serving
from tests.support.dns_server import DnsServer, serve
from tests.support.fake_slack import FakeSlack
from tests.support.slack_payloads import form, signed, slash

ROLES = ("all", "worker", "worker")
LIFE_S = (1.0, 5.0)  # how long a process that is up lives
FAILS = 0.04  # of the calls to Slack, before and again after the message was stored
SLOW_S = 0.2
STALLED_S = 180.0
WATCHED_WITHIN_S = 180.0


@dataclass(frozen=True, slots=True)
class Plan:
    kills: int
    server_kills: int
    alerts: int
    seed: int
    in_a_room: int = 5
    every_s: int = 5

    @property
    def stories(self) -> list[Story]:
        return [Story(number, f"C{number // self.in_a_room}") for number in range(self.alerts // len(TOLD))]


@dataclass(slots=True)
class Run:
    """`moved` is when a story went on last; a run in which none does for three minutes has lost something."""

    plan: Plan
    state: Path
    dice: random.Random
    slack: FakeSlack
    dns: DnsServer
    stories: list[Story]
    kills: int = 0
    server_kills: int = 0
    heard: int = 0
    began: float = field(default_factory=time.monotonic)
    moved: float = field(default_factory=time.monotonic)

    @property
    def dying(self) -> bool:
        return self.kills < self.plan.kills or self.server_kills < self.plan.server_kills

    @property
    def untold(self) -> bool:
        return self.heard < len(self.stories) * len(TOLD)

    @property
    def share(self) -> float:
        """How much of the dying is done: so many of the stories may have begun."""
        done, planned = self.kills + self.server_kills, self.plan.kills + self.plan.server_kills
        return (done + 1) / planned if planned else 1.0

    async def watch(self, bot: Serving, slack_url: str) -> None:
        """A person in each channel types one command; nobody is killed before all their watches are kept."""
        rooms: dict[str, list[str]] = {}
        for story in self.stories:
            rooms.setdefault(story.channel, []).append(story.address)
        async with httpx.AsyncClient(base_url=bot.url, timeout=10) as http:
            for channel, addresses in rooms.items():
                typed = slash(f"watch {' '.join(addresses)}", f"{slack_url}/actions/{channel}", f"{channel}.1")
                body, kind = form(typed | {"user_id": f"U{channel}", "channel_id": channel})
                answer = await http.post("/slack/events", content=body, headers=signed(body, kind))
                answer.raise_for_status()
        async with client(Embedded(self.state).url, 5.0) as redis, asyncio.timeout(WATCHED_WITHIN_S):
            while True:
                if sum([await redis.hlen(f"mc1:watches:slack/T1/{channel}") for channel in rooms]) == len(self.stories):
                    return
                await asyncio.sleep(0.1)

    async def tell(self) -> None:
        """Stories begin as the dying goes on, and each takes its next step when Slack has its last one."""
        by_watch = {story.watch: story for story in self.stories}
        waiting, begun, after = list(self.stories), 0, len(self.slack.said)
        while self.untold:
            while waiting and begun <= self.share * len(self.stories):
                self.dns.change(waiting.pop(0).turn())
                begun += 1
            for way, message in self.slack.said[after:]:
                after += 1
                key = key_of(message) if way == "chat.postMessage" else ""
                story = by_watch.get(key.split(".", 1)[0])
                if story and TOLD[story.step - 1] == reason_of(key):
                    self.heard += 1
                    self.moved = time.monotonic()
                    if story.step < len(TOLD):
                        self.dns.change(story.turn())
            if time.monotonic() - self.moved > STALLED_S and not self.dying:
                return
            await asyncio.sleep(0.05)

    async def kill(self, one: Serving) -> None:
        """One process lives and dies, again and again."""
        while self.kills < self.plan.kills:
            await one.up()
            await asyncio.sleep(self.dice.uniform(*LIFE_S))
            if self.kills < self.plan.kills:
                self.kills += 1
                await one.killed()

    async def kill_servers(self) -> None:
        """Spread evenly over the deaths of the others."""
        while self.server_kills < self.plan.server_kills:
            await asyncio.sleep(self.dice.uniform(0.2, 1.0))
            due = (self.server_kills + 0.5) / self.plan.server_kills
            if self.kills >= due * self.plan.kills and await kill_server(self.state):
                self.server_kills += 1

    async def last_edits(self) -> None:
        """The last word of each thread comes after the last edit of its root, so there is nothing to wait for but calls
        that are under way."""
        await asyncio.sleep(2 * SLOW_S)


@asynccontextmanager
async def processes(words: dict[str, str], state: Path) -> AsyncIterator[Sequence[Serving]]:
    all_of_them = [Serving(role, words, state / f"{number}.log") for number, role in enumerate(ROLES)]
    try:
        for one in all_of_them:
            await one.start()
        for one in all_of_them:
            await one.up()
        yield all_of_them
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(20):
                await asyncio.gather(*(one.end(signal.SIGTERM) for one in all_of_them))
        for one in all_of_them:
            await one.end(signal.SIGKILL)


async def run(plan: Plan, state: Path) -> tuple[Run, Told]:
    dice, stories = random.Random(plan.seed), plan.stories
    slack = FakeSlack(stamps=stamps(), retry_after=2)
    points = {f"2.0.0.127.{zone}": {"A": ["127.0.0.2"]} for zone in LISTS}
    write_catalogue(state / "lists.toml", LISTS, severity="high")
    async with serve(points) as dns, serving(slowed(slack.app, dice)) as slack_url:
        here = Run(plan, state, dice, slack, dns, stories)
        async with processes(environment(state, plan.every_s, dns.address, slack_url), state) as alive:
            await here.watch(alive[0], slack_url)
            slack.chance = bad_days(dice)
            here.moved = time.monotonic()
            async with asyncio.TaskGroup() as group:
                group.create_task(here.tell())
                group.create_task(here.kill_servers())
                for one in alive:
                    group.create_task(here.kill(one))
            await here.last_edits()
    return here, told(stories, slack.stored)


def stamps() -> Iterator[str]:
    """Ids of messages as Slack makes them: the time, and never twice the same."""
    last = 0
    while True:
        last = max(last + 1, time.time_ns() // 1000)
        yield f"{last // 1_000_000}.{last % 1_000_000:06}"


def bad_days(dice: random.Random) -> Callable[[str], int | str | None]:
    def chance(way: str) -> int | str | None:
        if not way.startswith(("chat.", "+chat.", "conversations.")) or dice.random() >= FAILS:
            return None
        return dice.choice(["cut", 503]) if way.startswith("+") else dice.choice([429, 503])

    return chance


def slowed(app: ASGIApp, dice: random.Random) -> ASGIApp:
    """Slack takes its time before it stores a message, and again before it says so."""

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        async def late(message: Message) -> None:
            if message["type"] == "http.response.start":
                await asyncio.sleep(dice.uniform(0, SLOW_S))
            await send(message)

        await asyncio.sleep(dice.uniform(0, SLOW_S))
        await app(scope, receive, late)

    return slow
