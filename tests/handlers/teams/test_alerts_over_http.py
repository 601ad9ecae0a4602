"""Delivery over real HTTP to a Teams that has bad days, from a process that dies: nothing lost, all in order, and said twice only
where the answer to a call was lost, since nobody can look."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import pytest

from bot.monitoring.interfaces import Letter
from bot.monitoring.models import Room
from handlers.delivery import Delivery, Pace
from handlers.message import Card
from handlers.messages.alerts import reply_card, root_card
from handlers.teams.app import Teams
from handlers.teams.conversation_references import Conversation, Kind
from tests.handlers.delivery.test_crashes import BadDays, Crash, Mortal
from tests.handlers.teams.conftest import Tenant
from tests.support.memory_repository import KeptInMemory
from tests.support.outbox_messages import LATER, elsewhere, story
from tests.support.stored_watches import Clock, numbered
from tests.support.teams_activities import BOT, TENANT

ROOMS = tuple(Room("teams", TENANT, f"19:mail{n}@thread.tacv2") for n in range(3))
WATCHES = 8  # in a room, times four letters each
NOT_TAKEN: tuple[tuple[int, dict[str, str]], ...] = ((412, {}), (429, {"Retry-After": "7"}), (503, {}), (502, {}))
ANSWER_LOST = (502, 504)


@dataclass
class MortalTeams:
    """Teams behind a process that may die before a call, or inside of it."""

    teams: Teams
    days: BadDays
    died_inside: int = 0

    async def post(self, *words: Any) -> str:
        self.days.perhaps_die()
        said = await self.teams.post(*words)
        try:
            self.days.perhaps_die()
        except Crash:
            self.died_inside += 1
            raise
        return said

    async def update(self, room: Room, message: str, card: Card) -> None:
        self.days.perhaps_die()
        await self.teams.update(room, message, card)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.teams, name)


class Unwritten(Mortal):
    """What is kept, of a process that may die between Teams' answer and writing it down."""

    died_unwritten = 0

    async def sent(self, *words: Any) -> None:
        try:
            self._days.perhaps_die()
        except Crash:
            self.died_unwritten += 1
            raise
        await self._kept.sent(*words)
        self._days.perhaps_die()


def title(letter: Letter) -> str:
    drawn = root_card(letter.watch, letter.incident, letter.alert) if letter.alert.root else None
    return (drawn or reply_card(letter.watch, letter.alert)).title


@pytest.mark.parametrize("seed", [1, 2])
async def test_alerts_reach_teams_at_least_once_and_twice_only_where_an_answer_was_lost(
    seed: int, tenant: Tenant
) -> None:
    print(f"seed {seed}")
    chance, clock, microsoft = random.Random(seed), Clock(LATER), tenant.microsoft
    days, kept, template = BadDays(chance, dies=0.01), KeptInMemory(clock), story(numbered(0))
    wanted = [elsewhere(letter, numbered(n, room)) for room in ROOMS for letter in template for n in range(WATCHES)]
    for letter in wanted:
        kept.put(letter)
        kept.keep(letter.watch, letter.incident)
    for room in ROOMS:
        await tenant.conversations.remember(
            Conversation(TENANT, room.channel, Kind.CHANNEL, tenant.service, BOT, "19:t")
        )
    mortal: Any = Unwritten(kept, days)
    speaking = MortalTeams(tenant.teams, days)

    def begun() -> Delivery:
        return Delivery(mortal, mortal, {"teams": speaking}, Pace(now=clock))

    delivery = begun()
    while any(kept.held.letters.values()):
        clock.add(1.0)
        tenant.slept.append(1.0)
        microsoft.mishaps = [chance.choice(NOT_TAKEN)] if chance.random() < 0.1 else []
        microsoft.lost = [chance.choice(ANSWER_LOST)] if chance.random() < 0.1 else []
        try:
            for room in await kept.rooms():
                await delivery.deliver_next(room)
        except Crash:
            delivery = begun()
    posts = [said for said in microsoft.said if said.method == "POST"]
    told = Counter(str(said.payload["summary"]) for said in posts)
    expected = Counter(title(letter) for letter in wanted)
    lost_answers = speaking.died_inside + mortal.died_unwritten + microsoft.answers_lost["POST"]
    doubled = (told - expected).total()
    print(f"{len(wanted)} alerts, {days.deaths} deaths, {lost_answers} answers lost: lost 0, doubled {doubled}")
    assert (expected - told).total() == 0
    assert doubled == lost_answers > 0
    assert in_order(posts, wanted)


def in_order(posts: list[Any], wanted: list[Letter]) -> bool:
    """Each room's alerts as they came, those said twice next to each other."""
    by_room: dict[str, list[str]] = defaultdict(list)
    for said in posts:
        titles = by_room[said.conversation.partition(";")[0]]
        titles += [said.payload["summary"]] if titles[-1:] != [said.payload["summary"]] else []
    return all(by_room[r.channel] == [title(one) for one in wanted if one.room == r] for r in ROOMS)
