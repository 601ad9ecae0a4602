"""One run: starts everything, plays the stories while killing processes, then audits Slack."""

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

from benchmarks.kills.processes import BotProcess, environment, kill_server
from benchmarks.kills.stories import LISTS, REASONS, Audit, Story, audit, key_of, reason_of
from benchmarks.world import write_catalog
from bot.storage.embedded_valkey import EmbeddedValkey
from bot.storage.redis_client import open_client
from tests.handlers.slack.conftest import serve_app
from tests.support.dns_server import DnsServer, serve
from tests.support.fake_slack import FakeSlack
from tests.support.slack_payloads import form_body, signed_headers, slash_command

ROLES = ("all", "worker", "worker")
LIFETIME_S = (1.0, 5.0)  # of a process after its start
FAILURE_RATE = 0.04  # of calls to Slack, before and again after storing the message
MAX_LATENCY_S = 0.2
STALL_TIMEOUT_S = 180.0
WATCH_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class Plan:
    kills: int
    server_kills: int
    alerts: int
    seed: int
    watches_per_channel: int = 5
    poll_interval_s: int = 5

    @property
    def stories(self) -> list[Story]:
        count = self.alerts // len(REASONS)
        return [Story(number, f"C{number // self.watches_per_channel}") for number in range(count)]


@dataclass(slots=True)
class Run:
    """`progress_at`: when a story last advanced; without progress for too long, the run stops."""

    plan: Plan
    state: Path
    rng: random.Random
    slack: FakeSlack
    dns: DnsServer
    stories: list[Story]
    kills: int = 0
    server_kills: int = 0
    notifications: int = 0
    progress_at: float = field(default_factory=time.monotonic)

    @property
    def kills_left(self) -> bool:
        return self.kills < self.plan.kills or self.server_kills < self.plan.server_kills

    @property
    def notifications_left(self) -> bool:
        return self.notifications < len(self.stories) * len(REASONS)

    @property
    def kill_share(self) -> float:
        """Share of the kills that are done; as large a share of the stories may have started."""
        done, planned = self.kills + self.server_kills, self.plan.kills + self.plan.server_kills
        return (done + 1) / planned if planned else 1.0

    async def add_watches(self, bot: BotProcess, slack_url: str) -> None:
        """One watch command in each channel; returns once all watches are stored."""
        channels: dict[str, list[str]] = {}
        for story in self.stories:
            channels.setdefault(story.channel_id, []).append(story.address)
        async with httpx.AsyncClient(base_url=bot.url, timeout=10) as http:
            for channel, addresses in channels.items():
                text, response_url = (f"watch {' '.join(addresses)}", f"{slack_url}/actions/{channel}")
                command = slash_command(text, response_url, f"{channel}.1")
                body, kind = form_body(command | {"user_id": f"U{channel}", "channel_id": channel})
                response = await http.post("/slack/events", content=body, headers=signed_headers(body, kind))
                response.raise_for_status()
        keys = [f"mc1:watches:slack/T1/{channel}" for channel in channels]
        async with open_client(EmbeddedValkey(self.state).url, 5.0) as redis, asyncio.timeout(WATCH_TIMEOUT_S):
            while True:
                if sum([await redis.hlen(key) for key in keys]) == len(self.stories):
                    return
                await asyncio.sleep(0.1)

    async def play_stories(self) -> None:
        """Start stories as kills progress; each advances when Slack has its last alert."""
        by_watch = {story.watch_id: story for story in self.stories}
        waiting, started, position = list(self.stories), 0, len(self.slack.sent)
        while self.notifications_left:
            while waiting and started <= self.kill_share * len(self.stories):
                self.dns.update_records(waiting.pop(0).advance())
                started += 1
            for method, message in self.slack.sent[position:]:
                position += 1
                key = key_of(message) if method == "chat.postMessage" else ""
                story = by_watch.get(key.split(".", 1)[0])
                if story and REASONS[story.step - 1] == reason_of(key):
                    self.notifications += 1
                    self.progress_at = time.monotonic()
                    if story.step < len(REASONS):
                        self.dns.update_records(story.advance())
            stalled = time.monotonic() - self.progress_at > STALL_TIMEOUT_S
            if stalled and not self.kills_left:
                return
            await asyncio.sleep(0.05)

    async def kill_repeatedly(self, process: BotProcess) -> None:
        """Kill and restart one process until all kills are done."""
        while self.kills < self.plan.kills:
            await process.wait_ready()
            await asyncio.sleep(self.rng.uniform(*LIFETIME_S))
            if self.kills < self.plan.kills:
                self.kills += 1
                await process.kill_and_restart()

    async def kill_servers(self) -> None:
        """Kill the embedded server, spread evenly over the kills of the processes."""
        while self.server_kills < self.plan.server_kills:
            await asyncio.sleep(self.rng.uniform(0.2, 1.0))
            due = (self.server_kills + 0.5) / self.plan.server_kills
            if self.kills >= due * self.plan.kills and await kill_server(self.state):
                self.server_kills += 1

    async def wait_for_last_calls(self) -> None:
        """Wait for Slack calls in progress.

        The last reply of a thread is posted after the last edit of its root, so none follow.
        """
        await asyncio.sleep(2 * MAX_LATENCY_S)


@asynccontextmanager
async def bot_processes(variables: dict[str, str], state: Path) -> AsyncIterator[Sequence[BotProcess]]:
    processes = [BotProcess(role, variables, state / f"{number}.log") for number, role in enumerate(ROLES)]
    try:
        for process in processes:
            await process.start()
        for process in processes:
            await process.wait_ready()
        yield processes
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(20):
                await asyncio.gather(*(process.stop(signal.SIGTERM) for process in processes))
        for process in processes:
            await process.stop(signal.SIGKILL)


async def run(plan: Plan, state: Path) -> tuple[Run, Audit]:
    rng, stories = random.Random(plan.seed), plan.stories
    slack = FakeSlack(timestamps=message_ids(), retry_after=2)
    points = {f"2.0.0.127.{zone}": {"A": ["127.0.0.2"]} for zone in LISTS}
    write_catalog(state / "lists.toml", LISTS, severity="high")
    async with serve(points) as dns, serve_app(with_latency(slack.app, rng)) as slack_url:
        benchmark = Run(plan, state, rng, slack, dns, stories)
        variables = environment(state, plan.poll_interval_s, dns.address, slack_url)
        async with bot_processes(variables, state) as processes:
            await benchmark.add_watches(processes[0], slack_url)
            slack.random_failure = random_failures(rng)
            benchmark.progress_at = time.monotonic()
            async with asyncio.TaskGroup() as group:
                group.create_task(benchmark.play_stories())
                group.create_task(benchmark.kill_servers())
                for process in processes:
                    group.create_task(benchmark.kill_repeatedly(process))
            await benchmark.wait_for_last_calls()
    return benchmark, audit(stories, slack.stored)


def message_ids() -> Iterator[str]:
    """Unique message timestamps (`ts`) as Slack assigns them."""
    last = 0
    while True:
        last = max(last + 1, time.time_ns() // 1000)
        yield f"{last // 1_000_000}.{last % 1_000_000:06}"


def random_failures(rng: random.Random) -> Callable[[str], int | str | None]:
    """Failures of Slack calls; a `+` marks one after the message was stored."""

    def failure(method: str) -> int | str | None:
        may_fail = method.startswith(("chat.", "+chat.", "conversations."))
        if not may_fail or rng.random() >= FAILURE_RATE:
            return None
        return rng.choice(["cut", 503]) if method.startswith("+") else rng.choice([429, 503])

    return failure


def with_latency(app: ASGIApp, rng: random.Random) -> ASGIApp:
    """Delay each request before it is handled, and its response."""

    async def delayed_app(scope: Scope, receive: Receive, send: Send) -> None:
        async def delayed_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                await asyncio.sleep(rng.uniform(0, MAX_LATENCY_S))
            await send(message)

        await asyncio.sleep(rng.uniform(0, MAX_LATENCY_S))
        await app(scope, receive, delayed_send)

    return delayed_app
