"""A store that commit 26e3500 saved is read by today's code, which continues to work on it.

`fixtures/store_26e3500.json` is its raw content: saved on a Monday at 09:03 UTC, when a poll and
two deliveries had been interrupted. `fixtures/store_26e3500_read.json` is what that commit read in
it. Neither is ever generated again: where a test here fails, a user's store can no longer be read.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr
from redis.asyncio import Redis

from bot.app import SharedTrustCache
from bot.checks.dnsbl.trust import TrustLevel
from bot.checks.rdap import RdapClient
from bot.models import CheckRequest, Finding, Report, Target, Verdict
from bot.monitoring import serialization
from bot.monitoring.interfaces import AlertMessage
from bot.monitoring.models import Channel
from bot.monitoring.poller import Poller
from bot.monitoring.poller_config import PollerConfig
from bot.monitoring.repository import RedisRepository
from bot.settings import Settings
from bot.storage.cache import AnswerCache, RedisTextCache, ReportCache
from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.deduplicator import Deduplicator
from bot.storage.record_store import RecordStore
from bot.storage.redis_client import RedisConnection
from bot.storage.watch_store import NOTIFY_SCHEDULE, POLL_SCHEDULE, RECHECK_SCHEDULE, WatchRow, parse_row
from bot.task_queue import TaskQueue
from handlers.commands import VERBS, CommandRouter
from handlers.delivery import DeliveryTimeouts, DeliveryWorker
from handlers.message import Card, Tone
from handlers.platform_registry import PlatformDependencies, build_platforms
from handlers.ports import ChatRequest, DeliveryUnknown, RetryAfter, WorkspaceUnavailable
from handlers.settings import ServiceSettings
from handlers.slack.oauth_tokens import OAuthTokens
from handlers.slack.requests import SlackRequest
from handlers.slack.settings import SlackSettings
from handlers.teams.conversation_store import StoredConversationReferences
from handlers.teams.requests import TeamsRequest
from handlers.teams.settings import TeamsSettings
from handlers.web.settings import WebSettings
from tests.support.commands import build_commands
from tests.support.dns_world import World
from tests.support.fake_channel import FakeChannel, PostedMessage
from tests.support.redis_server import RedisServer
from tests.support.reports import listing
from tests.support.saved_store import dump, load, read
from tests.support.saved_store_facts import PARTS
from tests.support.stored_watches import Clock

FIXTURES = Path(__file__).parent / "fixtures"
SAVED = read(FIXTURES / "store_26e3500.json")
EXPECTED = read(FIXTURES / "store_26e3500_read.json")
NOW = datetime.fromisoformat(SAVED["at"])
VIEW = "resolver"  # through which the caches of the saved store were filled
DAY = timedelta(days=1)
NEW_CHECKS = ("dkim", "mta-sts", "starttls", "tls-rpt", "bimi", "registration")

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
OPS, MAIL, LEFT = (Channel("slack", "T0ORANGE", name) for name in ("C0OPS", "C0MAIL", "C0LEFT"))
BULK, CLOSED = Channel("slack", "T0BULK", "C0SENDERS"), Channel("slack", "T0CLOSED", "C0OLD")
CHANNEL, CHAT = (Channel("teams", TENANT, "19:mail/ops@thread.tacv2"), Channel("teams", TENANT, "a:1personal"))
PAGE = Channel("web", "local", "alerts")
NEW = Channel("slack", "T0ORANGE", "C0NEW")  # has no watch yet
CHANNELS = (BULK, CLOSED, LEFT, MAIL, OPS, CHANNEL, CHAT, PAGE)
POSTED = "e19fd0e228.6b0d6540.3.5.grew.e2d46775"  # by the interrupted delivery; the store does not know it
EDIT_ONLY = "9b2290e15c.6b0d6630.3.5.grew.e2d46775"  # delivered by an edit, as its channel is set


class LongRunningRepository(RedisRepository):
    """On a server that was not restarted since the store was saved."""

    async def store_started_at(self) -> datetime:
        return NOW - 30 * DAY


class PassingRunner:
    """Runs checks that all pass; `targets` records what was checked."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.targets: list[str] = []
        self.is_broken = False  # what the version that saved the store did not follow

    async def run(self, request: CheckRequest, fresh: bool = False) -> Report:
        self.targets.append(f"{request.role} {request.target}")
        domain = request.target.domain or ""
        names = ("Spamhaus ZEN", "SpamCop", "Barracuda")
        findings = [listing(name, Verdict.PASS, "not_listed") for name in names]
        findings.append(passing("dmarc", domain, effective="reject"))
        findings.append(passing("spf", domain, result="pass", lookups=3, voids=0))
        if self.is_broken and domain:
            findings += [Finding(check, domain, Verdict.FAIL, f"{check}.bad", "It is wrong.") for check in NEW_CHECKS]
        return Report(request, self.clock(), tuple(findings), 1, len(findings))


def passing(check: str, subject: str, **facts: Any) -> Finding:
    return Finding(check, subject, Verdict.PASS, f"{check}.ok", "It is right.", facts=facts)


@dataclass
class Upgraded:
    """Today's code on the saved store; the channels still hold the messages posted before."""

    redis: Redis
    clock: Clock
    repository: RedisRepository
    channels: FakeChannel
    runner: PassingRunner
    poller: Poller
    delivery: DeliveryWorker
    commands: CommandRouter

    async def poll(self) -> None:
        """Run rounds of the poller until nothing is due."""
        for schedule in (POLL_SCHEDULE, RECHECK_SCHEDULE, NOTIFY_SCHEDULE):
            while await self.poller.run_round(schedule):
                pass

    async def deliver(self) -> None:
        for channel in await self.repository.ready_channels():
            while await self.delivery.deliver_next(channel):
                pass

    async def run_for(self, duration: timedelta, step_s: float) -> None:
        until = self.clock() + duration
        while self.clock() < until:
            self.clock.add(step_s)
            await self.poll()
            await self.deliver()

    async def send(self, channel: Channel, text: str) -> Card:
        return await self.commands.handle(ChatRequest(channel, "U0ADA", VERBS.parse(text), name="Ada"))


@pytest_asyncio.fixture
async def upgraded(redis: Redis) -> AsyncIterator[Upgraded]:
    await load(redis, SAVED["keys"])
    clock = Clock(NOW)
    repository, channels, runner = LongRunningRepository(redis, clock), FakeChannel(clock), PassingRunner(clock)
    channels.posted += messages_posted_before()
    posters = dict.fromkeys(("slack", "teams", "web"), channels)
    yield Upgraded(
        redis,
        clock,
        repository,
        channels,
        runner,
        Poller(repository, runner, clock, PollerConfig()),
        DeliveryWorker(repository, repository, posters, DeliveryTimeouts(now=clock)),
        build_commands(repository, posters, clock, World({})),
    )


def messages_posted_before() -> list[PostedMessage]:
    """The roots of the threads in the store, and the reply that it does not know of."""
    channels = [(Channel.parse(name.rpartition(":")[0]), root) for name, root in thread_roots()]
    messages = [PostedMessage(channel, root, "", "", NOW - DAY, Card("")) for channel, root in channels]
    thread = dict(thread_roots())[f"{OPS}:{POSTED.rpartition('.5.')[0]}"]
    return [*messages, PostedMessage(OPS, "posted", POSTED, thread, NOW, Card(""))]


def thread_roots() -> Iterable[tuple[str, str]]:
    """`channel:thread` of every thread in the store, and the id of its root message."""
    prefix = "mc1:thread:"
    keys = [key for key in SAVED["keys"] if key.startswith(prefix)]
    return [(key.removeprefix(prefix), SAVED["keys"][key]["string"]) for key in keys]


async def test_store_file_when_loaded_equals_its_dump(redis: Redis, redis_server: RedisServer) -> None:
    await load(redis, SAVED["keys"])
    async with Redis.from_url(redis_server.url) as raw:
        loaded = await dump(raw)
    loaded_ttls = {key: entry.pop("ttl", None) for key, entry in loaded.items()}
    saved = deepcopy(SAVED["keys"])
    ttls = {key: entry.pop("ttl", None) for key, entry in saved.items()}
    assert loaded == saved
    assert loaded_ttls == {key: ttl and pytest.approx(ttl, abs=20) for key, ttl in ttls.items()}


@pytest.mark.parametrize("part", PARTS)
async def test_saved_store_is_read_with_every_value(upgraded: Upgraded, part: str) -> None:
    assert await PARTS[part](upgraded.repository, upgraded.redis, CHANNELS, NOW) == EXPECTED[part]


def test_saved_values_when_written_again_are_equal() -> None:
    """So that the version that saved them can read what this one writes; not alerts, which it would set aside."""
    values: list[tuple[str, str]] = []
    for key, entry in SAVED["keys"].items():
        _, part, name = key.split(":", 2) if key.startswith("mc1:") and key.count(":") > 1 else ("", key, "")
        if part == "watches":
            rows = [WatchRow(name, id, text, "", "") for id, text in entry["hash"].items()]
            values += [(row.watch, serialization.dump(serialization.parse_watch(row), omit="room")) for row in rows]
        elif part == "incidents":
            rows = [parse_row(name, id, "", text) for id, text in entry["hash"].items()]
            values += [(row.incident, serialization.dump_incident(serialization.parse_incident(row))) for row in rows]
        elif part == "outbox":
            texts = [message.partition("\n")[2] for message in entry["list"]]
            values += [(without_watch(text), written_message(text)) for text in texts]
    assert len(values) > 50
    for saved, written in values:
        assert json.loads(written) == json.loads(saved)


def without_watch(text: str) -> str:
    """A message as it is stored today: without the copy of the watch and incident, except for its first poll."""
    document = json.loads(text)
    if document.pop("watch", None):
        document["alert"]["began"] = document.pop("incident")["began"]
    return json.dumps(document)


def written_message(text: str) -> str:
    message = serialization.parse_message(text)
    return serialization.dump(replace(message, snapshot=None) if isinstance(message, AlertMessage) else message)


async def test_saved_watches_are_shown_with_their_state(upgraded: Upgraded) -> None:
    states: dict[str, str] = {}
    for channel in CHANNELS:
        card = await upgraded.send(channel, "watches")
        assert card.table
        assert {row[-1] for row in card.table.rows} == {
            watch["id"] for watch in EXPECTED["watches"] if watch["room"] == str(channel)
        }
        states |= {f"{channel.id} {row[0]}": str(row[1]) for row in card.table.rows}
    for label, words in {
        "C0OPS HQ egress (192.0.2.25 · example.com)": ("2 blocklists", "acknowledged"),
        "C0OPS 192.0.2.33": ("Spamhaus ZEN", "muted until 8 Dec, 02:40"),
        "C0OPS Office (203.0.113.0/28)": ("2 blocklists",),
        "C0OPS example.org": ("DMARC",),
        "C0OPS 2001:db8::25": ("no problems",),
        "C0LEFT 198.51.100.90": ("SpamCop", "paused"),
        "C0OLD 198.51.100.91": ("SpamCop", "paused"),
        f"{CHANNEL.id} Zürich (198.51.100.77)": ("2 blocklists",),
    }.items():
        assert missing(words, states[label]) == [], states[label]


async def test_saved_history_is_shown_for_every_watch(upgraded: Upgraded) -> None:
    for channel in CHANNELS:
        for stored in await upgraded.repository.list_watches(channel):
            card = await upgraded.send(channel, f"history {stored.watch.id} all")
            assert bool(card.chart) == (stored.watch.id in EXPECTED["histories"])
    text = str(await upgraded.send(OPS, "history HQ egress all"))
    assert missing(("Spamhaus ZEN", "Barracuda", "SPF", "acknowledged", "by Ada"), text) == []


def missing(words: Sequence[str], text: str) -> list[str]:
    return [word for word in words if word not in text]


async def test_saved_messages_are_delivered_once_and_in_order(upgraded: Upgraded) -> None:
    posted_before = len(upgraded.channels.posted)
    for _ in range(240):
        await upgraded.deliver()
        upgraded.clock.add(30)
    posted = upgraded.channels.posted[posted_before:]
    expected = [message for message in EXPECTED["letters"] if message["id"] not in (POSTED, EDIT_ONLY)]
    for channel in CHANNELS:
        ids = [message["id"] for message in expected if message["room"] == str(channel)]
        assert [message.key for message in posted if message.channel == channel] == ids
    for facts in expected:
        (message,) = [message for message in posted if message.key == facts["id"]]
        root = await upgraded.repository.root_message_id(message.channel, facts["thread"])
        assert root == dict(thread_roots()).get(f"{message.channel}:{facts['thread']}", root)
        assert message.thread == ("" if facts.get("root") else root)
    assert {message.channel for message in posted if message.broadcast} == {BULK}, "by its settings"
    assert await upgraded.repository.ready_channels() == []
    assert [key async for key in upgraded.redis.scan_iter("mc1:outbox:*")] == []
    watches = [stored for channel in (LEFT, CLOSED) for stored in await upgraded.repository.list_watches(channel)]
    assert [stored.paused for stored in watches] == [False, False], "a delivery resumes them"


async def test_saved_alerts_of_watches_removed_before_are_delivered(upgraded: Upgraded) -> None:
    """The version that saved them kept nothing of a removed watch but the copies in its messages."""
    for channel in CHANNELS:
        await upgraded.redis.delete(f"mc1:watches:{channel}", f"mc1:incidents:{channel}")
    for _ in range(240):
        await upgraded.deliver()
        upgraded.clock.add(30)
    keys = Counter(message.key for message in upgraded.channels.posted)
    alerts = [message["id"] for message in EXPECTED["letters"] if "alert" in message and message["id"] != EDIT_ONLY]
    assert [keys[id] for id in alerts] == [1] * len(alerts)
    assert await upgraded.repository.ready_channels() == []


SCHEDULES = {"mc1:looks": POLL_SCHEDULE, "mc1:asks": RECHECK_SCHEDULE, "mc1:tells": NOTIFY_SCHEDULE}


@pytest.mark.parametrize(("key", "schedule"), SCHEDULES.items(), ids=SCHEDULES)
async def test_saved_due_targets_are_claimed_with_their_watches(upgraded: Upgraded, key: str, schedule: str) -> None:
    """Also those that a worker had claimed before it died, but not those of paused channels."""
    due = dict(SAVED["keys"][key]["zset"])
    for paused in ("mta 198.51.100.90", "mta 198.51.100.91"):
        due.pop(paused, None)
    now, leases = max(due.values()), (60.0, 300.0)
    batches = [await upgraded.repository.watches.claim(now, leases, 100, schedule) for _ in range(9)]
    claims = [claim for batch in batches for claim in batch]
    assert sorted(claim.target for claim in claims) == sorted(due)
    watches = [watch for watch in EXPECTED["watches"] if f"{watch['role']} {watch['subject']}" in due]
    channels = [row.channel for claim in claims for row in claim.watches]
    assert sorted(channels) == sorted(watch["room"] for watch in watches)


async def test_saved_query_budget_is_not_exceeded(upgraded: Upgraded) -> None:
    bucket = SAVED["keys"]["mc1:bucket:spamhaus-zen"]["hash"]
    taken = await upgraded.repository.polls.take_tokens("spamhaus-zen", float(bucket["at"]), 999, 0, 999)
    assert taken == int(float(bucket["tokens"]))


async def test_saved_incident_that_clears_resolves_in_its_thread(upgraded: Upgraded) -> None:
    await upgraded.deliver()
    posted_before = len(upgraded.channels.posted)
    upgraded.clock.now = NOW + DAY
    await upgraded.run_for(timedelta(hours=16), step_s=300)
    assert set(upgraded.runner.targets) == await watched_targets(upgraded.repository)
    # By now the mutes are over, and what was flapping has settled.
    opened = [watch for watch in EXPECTED["watches"] if "opened" in watch["incident"]]
    assert len(opened) == 13
    for watch in opened:
        channel, thread = Channel.parse(watch["room"]), watch["incident"]["thread"]
        (stored,) = await upgraded.repository.find(channel, watch["id"])
        assert stored
        assert stored.incident.opened_at is None, watch["subject"]
        root = await upgraded.repository.root_message_id(channel, thread)
        assert root == dict(thread_roots()).get(f"{channel}:{thread}", root)
        (message,) = [m for m in upgraded.channels.posted if (m.channel, m.id) == (channel, root)]
        assert message.card.tone is Tone.GOOD, watch["subject"]
        replies = [m for m in upgraded.channels.posted[posted_before:] if m.thread == root]
        assert bool(replies) == (channel != MAIL), "MAIL is edit-only"
        history = await upgraded.repository.history(channel, watch["id"])
        assert not any(track.is_open for track in history.tracks)


async def test_new_checks_record_what_is_wrong_and_each_channel_gets_one_line(upgraded: Upgraded) -> None:
    upgraded.runner.is_broken = True
    await upgraded.send(NEW, "watch example.com")
    upgraded.clock.now = NOW + DAY
    await upgraded.run_for(timedelta(hours=3), step_s=300)
    posted = upgraded.channels.posted
    lines = [message for message in posted if message.key.startswith("follows.")]
    has_domain = {watch["room"] for watch in EXPECTED["watches"] if watch.get("domain")}
    assert sorted(str(message.channel) for message in lines) == sorted(has_domain)
    assert {message.card.title for message in lines} == {
        "The watches here now also follow DKIM, MTA-STS, STARTTLS, TLS reports, DANE, BIMI, domain registration; "
        "what is already wrong raises no alert"
    }
    alerts = [message for message in posted if re.search(r"\.(opened|grew|noted|unstable)\.", message.key)]
    assert not any(check in str(message.card.title).lower() for message in alerts for check in NEW_CHECKS)
    for channel in CHANNELS:
        for stored in await upgraded.repository.list_watches(channel):
            problems = {p.last_observation.check: p for p in stored.incident.problems}
            assert set(problems) >= (set(NEW_CHECKS) if stored.watch.domain else set())
            assert all(problems[check].informational for check in problems if check in NEW_CHECKS)


async def watched_targets(repository: RedisRepository) -> set[str]:
    watches = [stored.watch for channel in CHANNELS for stored in await repository.list_watches(channel)]
    return {f"{watch.role} {target}" for watch in watches for target in watch.targets}


async def test_saved_tokens_are_decrypted_with_the_same_secret(upgraded: Upgraded) -> None:
    installed = OAuthTokens(upgraded.redis, SAVED["secret"])
    tokens = [await installed.token(workspace) for workspace in ("T0ORANGE", "T0BULK", "T0CLOSED")]
    assert tokens == ["xoxb-saved-T0ORANGE", "xoxb-saved-T0BULK", None]


class TaskNames:
    """A task queue that only records the names of its tasks."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def register_job(self, name: str, _answer: Any) -> None:
        self.names.append(name)


async def test_saved_platform_data_is_found_by_the_platforms(upgraded: Upgraded) -> None:
    slack_settings = SlackSettings(
        client_id="1.2",
        client_secret=SecretStr(SAVED["secret"]),
        signing_secret=SecretStr("signed"),
        api_url="http://127.0.0.1:1/api/",  # no server there
    )
    teams_settings = TeamsSettings(client_id="saved", client_secret=SecretStr("saved"), tenant_id=TENANT)
    settings = ServiceSettings(Settings(), WebSettings(), slack_settings, teams_settings)
    tasks: Any = TaskNames()
    overviews: Any = SimpleNamespace(build_for_channels=must_not_run, build_all=must_not_run)
    store = RedisConnection("", upgraded.redis, upgraded.redis)
    slack, teams = build_platforms(
        PlatformDependencies(settings, store, CircuitBreaker(), upgraded.commands, tasks, {}, overviews)
    )
    assert tasks.names == ["answer_slack", "answer_teams"]
    with pytest.raises((RetryAfter, DeliveryUnknown)):  # it has a token to call with
        await slack.platform.post(OPS, Card("hello"))
    with pytest.raises(WorkspaceUnavailable):
        await slack.platform.post(CLOSED, Card("hello"))
    teams_platform: Any = teams.platform
    await teams_platform.on_removed(TENANT, "19:team@thread.tacv2")
    assert await upgraded.repository.list_watches(CHANNEL) == []
    await teams.close()


async def test_saved_conversations_are_read_and_deleted_with_their_team(upgraded: Upgraded) -> None:
    conversations = StoredConversationReferences(RecordStore(upgraded.redis, "teams"), CircuitBreaker())
    for channel, kind, team in ((CHANNEL, "channel", "19:team@thread.tacv2"), (CHAT, "personal", "")):
        reference = await conversations.get(channel)
        assert reference
        found = (reference.tenant, reference.id, str(reference.kind), reference.team)
        assert found == (TENANT, channel.id, kind, team)
        assert reference.service_url == "https://smba.trafficmanager.net/emea/"
        assert reference.bot == "28:00000000-1111-2222-3333-444444444444"
    assert await conversations.delete(TENANT, "19:team@thread.tacv2") == (CHANNEL,)
    assert await conversations.get(CHANNEL) is None


async def test_saved_caches_are_read(upgraded: Upgraded) -> None:
    store = (upgraded.redis, CircuitBreaker())
    report, cached = await ReportCache(*store, VIEW).fetch("example.com as mta", must_not_run)
    assert (cached, report.request, report.at) == (True, CheckRequest(Target(domain="example.com")), NOW)
    assert {finding.check for finding in report.findings} >= {"mx", "dmarc"}
    answers = AnswerCache(*store, VIEW)
    mx = await answers.get_many(["example.com"], "MX")
    missing_name = await answers.get_many(["gone.example.com"], "A")
    assert mx["example.com"].records == ("10 mx1.example.com", "20 mx2.example.com")
    assert not missing_name["gone.example.com"].exists
    zones = ("resolver zen.spamhaus.org", "resolver bl.kempt.net")
    trusts = await SharedTrustCache(RedisTextCache(*store, "standing", VIEW)).get_many(zones)
    assert [trusts[zone].level for zone in zones] == [TrustLevel.GOOD, TrustLevel.UNUSABLE]
    contacts = RdapClient(must_not_run, RedisTextCache(*store, "registry"))
    contact = await contacts("ripencc", "192.0.2.0/24", ip_address("192.0.2.25"))
    assert contact
    assert (contact.network, contact.abuse) == ("EXAMPLE-NET", "abuse@example.net")
    assert await Deduplicator(upgraded.redis)("Ev0SAVED")
    assert not await upgraded.repository.polls.claim_task("plan", 60)


async def must_not_run(*_: Any) -> Any:
    raise AssertionError("the stored value is used")


async def test_saved_jobs_are_run_by_the_task_queue(redis: Redis, redis_url: str) -> None:
    await load(redis, SAVED["keys"])
    requests: asyncio.Queue[ChatRequest] = asyncio.Queue()

    async def answer_slack(job: dict[str, str]) -> None:
        requests.put_nowait(SlackRequest.from_job(job, VERBS).chat_request)

    async def answer_teams(job: dict[str, str]) -> None:
        requests.put_nowait(TeamsRequest.from_job(job, VERBS).chat_request)

    async with TaskQueue(redis_url) as task_queue:
        task_queue.register_job("answer_slack", answer_slack)
        task_queue.register_job("answer_teams", answer_teams)
        stop = asyncio.Event()
        work = asyncio.create_task(task_queue.work(stop))
        async with asyncio.timeout(5):
            answered = [await requests.get() for _ in range(2)]
        stop.set()
        await work
    answered.sort(key=lambda request: str(request.channel))
    assert [(request.channel, request.user, request.command, request.name) for request in answered] == [
        (OPS, "U0ADA", VERBS.parse("watches"), "Ada"),
        (CHANNEL, "29:1fay", VERBS.parse("history Zürich 7d"), "Fay"),
    ]


async def test_saved_workspace_is_purged_without_leftovers(upgraded: Upgraded) -> None:
    await upgraded.repository.purge_workspace("slack", "T0ORANGE")
    left = [key async for key in upgraded.redis.scan_iter("mc1:*") if "slack/T0ORANGE" in key]
    assert left == []
    assert ("slack", "T0ORANGE") not in await upgraded.repository.list_workspaces()
