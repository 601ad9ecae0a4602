"""A store that commit 26e3500 saved is read by the code as it is now, and work goes on in it.

`fixtures/store_26e3500.json` is its raw content: saved on a Monday at 09:03 UTC, when a look and
two deliveries had been cut short. `fixtures/store_26e3500_read.json` is what that commit read in
it. Neither is ever written anew: where a test here fails, a user's store is not read any more.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr
from redis.asyncio import Redis

from bot.assembly import StandingsInRedis
from bot.checks.blocklists.standing import Trust
from bot.checks.registries import Registries
from bot.contract import report_from_json
from bot.jobs import Jobs
from bot.model import Finding, Order, Report, Target, Verdict
from bot.settings import Settings
from bot.store.cache import AnswerCache, Remembered, ReportCache
from bot.store.circuit import Circuit
from bot.store.client import Store
from bot.store.directory import Directory
from bot.store.installations import Installations
from bot.store.limits import Allowance, Sightings
from bot.store.watches import ASKS, LOOKS, TELLS
from bot.watching.model import Room
from bot.watching.register import Register
from bot.watching.sweep import Rules, Sweep
from handlers.alerts import Delivery, Pace
from handlers.card import Card, Tone
from handlers.commands import Commands
from handlers.platform import Ask, Later, SpaceGone, Unsure
from handlers.platforms import Parts, chats
from handlers.slack.errands import Errand as SlackErrand
from handlers.teams.errands import Errand as TeamsErrand
from handlers.teams.kept import Kept as KeptConversations
from tests.bot.watching.kept_watches import Clock
from tests.dns_world import World
from tests.handlers.room_of_people import RoomOfPeople, Said
from tests.handlers.verbs import verbs
from tests.redis_server import RedisServer
from tests.reports import listing
from tests.saved_store import dump, load, read
from tests.saved_store_facts import PARTS

FIXTURES = Path(__file__).parent / "fixtures"
SAVED = read(FIXTURES / "store_26e3500.json")
EXPECTED = read(FIXTURES / "store_26e3500_read.json")
NOW = datetime.fromisoformat(SAVED["at"])
VIEW = "resolver"  # through which the caches of the saved store were filled
DAY = timedelta(days=1)

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
OPS, MAIL, LEFT = (Room("slack", "T0ORANGE", name) for name in ("C0OPS", "C0MAIL", "C0LEFT"))
BULK, CLOSED = Room("slack", "T0BULK", "C0SENDERS"), Room("slack", "T0CLOSED", "C0OLD")
CHANNEL, CHAT = (
    Room("teams", TENANT, "19:mail/ops@thread.tacv2"),
    Room("teams", TENANT, "a:1personal"),
)
PAGE = Room("web", "local", "alerts")
ROOMS = (BULK, CLOSED, LEFT, MAIL, OPS, CHANNEL, CHAT, PAGE)
STANDS = "e19fd0e228.6b0d6540.3.5.grew.e2d46775"  # in the channel, which the store cannot know
BY_AN_EDIT = "9b2290e15c.6b0d6630.3.5.grew.e2d46775"  # it is told, as its room wants it


class LongRunning(Register):
    """On a server that has been running for long, as one that was not restarted."""

    async def restarted_at(self) -> datetime:
        return NOW - 30 * DAY


class AllIsWell:
    """A checkup that finds nothing wrong; `asked` remembers the targets."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked: list[str] = []

    async def report(self, order: Order, fresh: bool = False) -> Report:
        self.asked.append(f"{order.role} {order.target}")
        domain = order.target.domain or ""
        names = ("Spamhaus ZEN", "SpamCop", "Barracuda")
        findings = [listing(name, Verdict.PASS, "not_listed") for name in names]
        findings.append(well("dmarc", domain, effective="reject"))
        findings.append(well("spf", domain, result="pass", lookups=3, voids=0))
        return Report(order, self.clock(), tuple(findings), 1, len(findings))


def well(check: str, about: str, **facts: Any) -> Finding:
    return Finding(check, about, Verdict.PASS, f"{check}.ok", "It is right.", facts=facts)


@dataclass
class Upgraded:
    """The code as it is now over the saved store; what stood in the rooms stands there still."""

    redis: Redis
    clock: Clock
    register: Register
    people: RoomOfPeople
    looks: AllIsWell
    sweep: Sweep
    delivery: Delivery
    commands: Commands

    async def rounds(self) -> int:
        """Rounds of the poller until nothing is due; how many subjects were claimed."""
        claimed = 0
        for schedule in (LOOKS, ASKS, TELLS):
            while number := await self.sweep.round(schedule):
                claimed += number
        return claimed

    async def deliver(self) -> None:
        for room in await self.register.rooms():
            while await self.delivery.deliver_next(room):
                pass

    async def pass_by(self, length: timedelta, step: float) -> None:
        until = self.clock() + length
        while self.clock() < until:
            self.clock.add(step)
            await self.rounds()
            await self.deliver()

    async def type(self, room: Room, text: str) -> Card:
        return await self.commands.answer(Ask(room, "U0ADA", text, name="Ada"))


@pytest_asyncio.fixture
async def house(redis: Redis) -> AsyncIterator[Upgraded]:
    await load(redis, SAVED["keys"])
    clock = Clock(NOW)
    register, people, looks = LongRunning(redis, clock), RoomOfPeople(clock), AllIsWell(clock)
    people.said += standing_messages()
    platforms = dict.fromkeys(("slack", "teams", "web"), people)
    yield Upgraded(
        redis,
        clock,
        register,
        people,
        looks,
        Sweep(register, looks, clock, Rules()),
        Delivery(register, register, platforms, Pace(now=clock)),
        verbs(register, platforms, clock, World({})),
    )


def standing_messages() -> list[Said]:
    """The roots of the threads that the store knows, and the reply that it does not know of."""
    rooms = [(Room.of(name.rpartition(":")[0]), root) for name, root in roots()]
    said = [Said(room, root, "", "", NOW - DAY, Card("")) for room, root in rooms]
    thread = dict(roots())[f"{OPS}:{STANDS.rpartition('.5.')[0]}"]
    return [*said, Said(OPS, "stands", STANDS, thread, NOW, Card(""))]


def roots() -> Iterable[tuple[str, str]]:
    """Of every thread in the store `room:thread`, and the message that begins it."""
    start = "mc1:thread:"
    keys = [key for key in SAVED["keys"] if key.startswith(start)]
    return [(key.removeprefix(start), SAVED["keys"][key]["string"]) for key in keys]


async def test_the_saved_store_is_loaded_as_it_was(redis: Redis, redis_server: RedisServer) -> None:
    await load(redis, SAVED["keys"])
    async with Redis.from_url(redis_server.url) as raw:
        there = await dump(raw)
    lives = {key: held.pop("ttl", None) for key, held in there.items()}
    saved = deepcopy(SAVED["keys"])
    ttls = {key: held.pop("ttl", None) for key, held in saved.items()}
    assert there == saved
    assert lives == {key: ttl and pytest.approx(ttl, abs=20) for key, ttl in ttls.items()}


@pytest.mark.parametrize("part", PARTS)
async def test_store_of_26e3500_is_read_with_every_value(house: Upgraded, part: str) -> None:
    assert await PARTS[part](house.register, ROOMS, NOW) == EXPECTED[part]


async def test_store_of_26e3500_shows_its_watches_and_how_they_are(house: Upgraded) -> None:
    states: dict[str, str] = {}
    for room in ROOMS:
        card = await house.type(room, "watches")
        assert card.table
        assert {row[-1] for row in card.table.rows} == {
            one["id"] for one in EXPECTED["watches"] if one["room"] == str(room)
        }
        states |= {f"{room.channel} {row[0]}": str(row[1]) for row in card.table.rows}
    for what, words in {
        "C0OPS HQ egress (192.0.2.25 · example.com)": ("2 blocklists", "acknowledged"),
        "C0OPS 192.0.2.33": ("Spamhaus ZEN", "muted until 8 Dec, 02:40"),
        "C0OPS Office (203.0.113.0/28)": ("2 blocklists",),
        "C0OPS example.org": ("DMARC",),
        "C0OPS 2001:db8::25": ("all good",),
        "C0LEFT 198.51.100.90": ("SpamCop", "resting"),
        "C0OLD 198.51.100.91": ("SpamCop", "resting"),
        f"{CHANNEL.channel} Zürich (198.51.100.77)": ("2 blocklists",),
    }.items():
        assert missing(words, states[what]) == [], states[what]


async def test_store_of_26e3500_shows_the_history_of_its_watches(house: Upgraded) -> None:
    for room in ROOMS:
        for kept in await house.register.of_room(room):
            card = await house.type(room, f"history {kept.watch.id} all")
            assert bool(card.picture) == (kept.watch.id in EXPECTED["histories"])
    said = str(await house.type(OPS, "history HQ egress all"))
    assert missing(("Spamhaus ZEN", "Barracuda", "SPF", "in hand", "by Ada"), said) == []


def missing(words: Sequence[str], text: str) -> list[str]:
    return [word for word in words if word not in text]


async def test_store_of_26e3500_delivers_its_letters_once_and_in_order(house: Upgraded) -> None:
    stood = len(house.people.said)
    for _ in range(240):
        await house.deliver()
        house.clock.add(30)
    said = house.people.said[stood:]
    letters = [one for one in EXPECTED["letters"] if one["id"] not in (STANDS, BY_AN_EDIT)]
    for room in ROOMS:
        waited = [one["id"] for one in letters if one["room"] == str(room)]
        assert [one.key for one in said if one.room == room] == waited
    for letter in letters:
        (one,) = [one for one in said if one.key == letter["id"]]
        root = await house.register.thread(one.room, letter["thread"])
        assert root == dict(roots()).get(f"{one.room}:{letter['thread']}", root)
        assert one.thread == ("" if letter.get("root") else root)
    assert {one.room for one in said if one.broadcast} == {BULK}, "that room wants it so"
    assert await house.register.rooms() == []
    assert [key async for key in house.redis.scan_iter("mc1:outbox:*")] == []
    rested = [kept for room in (LEFT, CLOSED) for kept in await house.register.of_room(room)]
    assert [kept.paused for kept in rested] == [False, False], "they can be spoken in again"


SCHEDULES = {"mc1:looks": LOOKS, "mc1:asks": ASKS, "mc1:tells": TELLS}


@pytest.mark.parametrize(("saved", "schedule"), SCHEDULES.items(), ids=SCHEDULES)
async def test_what_is_due_in_a_store_of_26e3500_is_claimed_with_its_watches(
    house: Upgraded, saved: str, schedule: str
) -> None:
    """Also what a worker had claimed that died over it; a room that rests is left alone."""
    due = dict(SAVED["keys"][saved]["zset"])
    for resting in ("mta 198.51.100.90", "mta 198.51.100.91"):
        due.pop(resting, None)
    now, leases = max(due.values()), (60.0, 300.0)
    rounds = [await house.register.watches.claim(now, leases, 100, schedule) for _ in range(9)]
    claimed = [one for some in rounds for one in some]
    assert sorted(one.subject for one in claimed) == sorted(due)
    followed = [one for one in EXPECTED["watches"] if f"{one['role']} {one['subject']}" in due]
    rooms = [kept.room for one in claimed for kept in one.watches]
    assert sorted(rooms) == sorted(one["room"] for one in followed)


async def test_a_list_is_asked_no_more_than_26e3500_left_of_its_budget(house: Upgraded) -> None:
    left = SAVED["keys"]["mc1:bucket:spamhaus-zen"]["hash"]
    taken = await house.register.sweeping.take("spamhaus-zen", float(left["at"]), 999, 0, 999)
    assert taken == int(float(left["tokens"]))


async def test_an_incident_of_26e3500_that_clears_ends_in_its_own_thread(house: Upgraded) -> None:
    await house.deliver()
    before = len(house.people.said)
    house.clock.now = NOW + DAY
    await house.pass_by(timedelta(hours=16), step=300)
    assert set(house.looks.asked) == await targets(house)
    # By now the mutes are over, and what came and went has been quiet for long enough.
    open_then = [one for one in EXPECTED["watches"] if "opened" in one["incident"]]
    assert len(open_then) == 13
    for one in open_then:
        room, thread = Room.of(one["room"]), one["incident"]["thread"]
        kept = await house.register.find(room, one["id"])
        assert kept
        assert kept.incident.opened is None, one["subject"]
        root = await house.register.thread(room, thread)
        assert root == dict(roots()).get(f"{room}:{thread}", root)
        (message,) = [said for said in house.people.said if (said.room, said.id) == (room, root)]
        assert message.card.tone is Tone.GOOD, one["subject"]
        replies = [said for said in house.people.said[before:] if said.thread == root]
        assert bool(replies) == (room != MAIL), "that room wants no replies"
        history = await house.register.history(room, one["id"])
        assert not any(track.open for track in history.tracks)


async def targets(house: Upgraded) -> set[str]:
    watches = [kept.watch for room in ROOMS for kept in await house.register.of_room(room)]
    return {f"{watch.role} {target}" for watch in watches for target in watch.targets}


async def test_tokens_of_26e3500_are_unsealed_with_the_same_secret(house: Upgraded) -> None:
    installed = Installations(house.redis, "slack", SAVED["secret"])
    tokens = [await installed.token(space) for space in ("T0ORANGE", "T0BULK", "T0CLOSED")]
    assert tokens == ["xoxb-saved-T0ORANGE", "xoxb-saved-T0BULK", None]


class Tasks:
    """A queue that only learns the names of its tasks."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def register(self, *tasks: Any) -> None:
        self.names += [task.__name__ for task in tasks]


async def test_the_platforms_find_what_26e3500_kept_for_them(house: Upgraded) -> None:
    settings = Settings(
        slack_client_id="1.2",
        slack_client_secret=SecretStr(SAVED["secret"]),
        slack_signing_secret=SecretStr("signed"),
        slack_api_url="http://127.0.0.1:1/api/",  # where nobody listens
        teams_client_id="saved",
        teams_client_secret=SecretStr("saved"),
        teams_tenant_id=TENANT,
    )
    wing: Any = SimpleNamespace(settings=settings)
    jobs: Any = Tasks()
    overviews: Any = SimpleNamespace(of_rooms=asks_nobody, of_everything=asks_nobody)
    store = Store("", house.redis, house.redis)
    slack, teams = chats(Parts(wing, store, house.commands, jobs, {}, overviews))
    assert jobs.names == ["answer_slack", "answer_teams"]
    with pytest.raises((Later, Unsure)):  # it has a token to call with
        await slack.platform.post(OPS, Card("hello"))
    with pytest.raises(SpaceGone):
        await slack.platform.post(CLOSED, Card("hello"))
    leave: Any = teams.platform
    await leave.leave(TENANT, "19:team@thread.tacv2")
    assert await house.register.of_room(CHANNEL) == []
    await teams.close()


async def test_conversations_of_26e3500_are_recalled_and_go_with_their_team(
    house: Upgraded,
) -> None:
    conversations = KeptConversations(Directory(house.redis, "teams"))
    for room, kind, team in ((CHANNEL, "channel", "19:team@thread.tacv2"), (CHAT, "personal", "")):
        one = await conversations.recall(room)
        assert one
        assert (one.tenant, one.id, str(one.kind), one.team) == (TENANT, room.channel, kind, team)
        assert one.service_url == "https://smba.trafficmanager.net/emea/"
        assert one.bot == "28:00000000-1111-2222-3333-444444444444"
    assert await conversations.forget(TENANT, "19:team@thread.tacv2") == (CHANNEL,)
    assert await conversations.recall(CHANNEL) is None


async def test_what_26e3500_remembered_for_a_while_is_still_known(house: Upgraded) -> None:
    circuit = Circuit(house.redis)
    text, cached = await ReportCache(circuit, VIEW).fetch("example.com as mta", asks_nobody)
    report = report_from_json(json.loads(text))
    assert (cached, report.order, report.at) == (True, Order(Target(domain="example.com")), NOW)
    assert {finding.check for finding in report.findings} >= {"mx", "dmarc"}
    answers = AnswerCache(circuit, VIEW)
    mail = await answers.recall(["example.com"], "MX")
    gone = await answers.recall(["gone.example.com"], "A")
    assert mail["example.com"].records == ("10 mx1.example.com", "20 mx2.example.com")
    assert not gone["gone.example.com"].exists
    zones = ("resolver zen.spamhaus.org", "resolver bl.kempt.net")
    standings = await StandingsInRedis(Remembered(circuit, "standing", VIEW)).recall(zones)
    assert [standings[zone].trust for zone in zones] == [Trust.GOOD, Trust.UNUSABLE]
    contacts = Registries(asks_nobody, Remembered(circuit, "registry"))
    contact = await contacts("ripencc", "192.0.2.0/24", ip_address("192.0.2.25"))
    assert contact
    assert (contact.network, contact.abuse) == ("EXAMPLE-NET", "abuse@example.net")
    allowance = Allowance(circuit, NOW.timestamp)
    assert await allowance.wait({"slack:T0ORANGE:user:U0ADA": 3}) == 30
    assert await Sightings(house.redis)("Ev0SAVED")
    assert not await house.register.sweeping.turn("plan", 60)


async def asks_nobody(*_: Any) -> Any:
    raise AssertionError("it is known")


async def test_errands_that_26e3500_had_queued_are_answered(redis: Redis, redis_url: str) -> None:
    await load(redis, SAVED["keys"])
    asks: asyncio.Queue[Ask] = asyncio.Queue()

    async def answer_slack(ask_id: str) -> None:
        asks.put_nowait(SlackErrand.of(await jobs.asked(ask_id) or {}).ask)

    async def answer_teams(ask_id: str) -> None:
        asks.put_nowait(TeamsErrand.of(await jobs.asked(ask_id) or {}).ask)

    async with Jobs(redis_url) as jobs:
        jobs.register(answer_slack, answer_teams)
        stop = asyncio.Event()
        work = asyncio.create_task(jobs.work(stop))
        async with asyncio.timeout(5):
            answered = [await asks.get() for _ in range(2)]
        stop.set()
        await work
    assert sorted((str(ask.room), ask.user, ask.text, ask.name) for ask in answered) == [
        (str(OPS), "U0ADA", "watches", "Ada"),
        (str(CHANNEL), "29:1fay", "history Zürich 7d", "Fay"),
    ]


async def test_nothing_is_left_of_a_workspace_of_26e3500_once_it_is_gone(house: Upgraded) -> None:
    await house.register.forget_space("slack", "T0ORANGE")
    left = [key async for key in house.redis.scan_iter("mc1:*") if "slack/T0ORANGE" in key]
    assert left == []
    assert ("slack", "T0ORANGE") not in await house.register.spaces()
