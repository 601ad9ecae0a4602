"""Alert delivery over real HTTP with API failures and crashes of the process."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import pytest

from bot.monitoring.models import Channel
from handlers.delivery import DeliveryTimeouts, DeliveryWorker
from handlers.message import Card
from handlers.messages.alerts import reply_card, root_card
from handlers.teams.app import TeamsPlatform
from handlers.teams.conversation_references import ConversationReference, ConversationType
from tests.handlers.delivery.test_crashes import Crash, CrashingStore, RandomFaults
from tests.handlers.teams.conftest import Tenant
from tests.support.memory_repository import InMemoryRepository
from tests.support.outbox_messages import LATER, WatchedAlert, message_for, messages_of_incident
from tests.support.stored_watches import Clock, numbered_watch
from tests.support.teams_activities import BOT, TENANT

ROOMS = tuple(Channel("teams", TENANT, f"19:mail{n}@thread.tacv2") for n in range(3))
WATCHES = 8  # in a room, times four letters each
NOT_TAKEN: tuple[tuple[int, dict[str, str]], ...] = ((412, {}), (429, {"Retry-After": "7"}), (503, {}), (502, {}))
ANSWER_LOST = (502, 504)


@dataclass
class MortalTeams:
    """Teams behind a process that may die before a call, or inside of it."""

    teams: TeamsPlatform
    days: RandomFaults
    died_inside: int = 0

    async def post(self, *words: Any) -> str:
        self.days.maybe_crash()
        said = await self.teams.post(*words)
        try:
            self.days.maybe_crash()
        except Crash:
            self.died_inside += 1
            raise
        return said

    async def update(self, channel: Channel, message: str, card: Card) -> None:
        self.days.maybe_crash()
        await self.teams.update(channel, message, card)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.teams, name)


class Unwritten(CrashingStore):
    """What is kept, of a process that may die between Teams' answer and writing it down."""

    died_unwritten = 0

    async def mark_sent(self, *words: Any) -> None:
        try:
            self._faults.maybe_crash()
        except Crash:
            self.died_unwritten += 1
            raise
        await self._store.mark_sent(*words)
        self._faults.maybe_crash()


def title(message: WatchedAlert) -> str:
    drawn = root_card(message.watch, message.alert) if message.alert.is_root else None
    return (drawn or reply_card(message.watch, message.alert)).title


@pytest.mark.parametrize("seed", [1, 2])
async def test_alerts_are_delivered_at_least_once_over_http(seed: int, tenant: Tenant) -> None:
    print(f"seed {seed}")
    chance, clock, microsoft = random.Random(seed), Clock(LATER), tenant.microsoft
    days, kept, template = (
        RandomFaults(chance, crash_rate=0.01),
        InMemoryRepository(clock),
        messages_of_incident(numbered_watch(0)),
    )
    wanted = [
        message_for(letter, numbered_watch(n, room)) for room in ROOMS for letter in template for n in range(WATCHES)
    ]
    for letter in wanted:
        kept.enqueue(letter.message)
        kept.store(letter.watch, letter.incident)
    for room in ROOMS:
        await tenant.conversations.store(
            ConversationReference(TENANT, room.id, ConversationType.CHANNEL, tenant.service, BOT, "19:t")
        )
    mortal: Any = Unwritten(kept, days)
    speaking = MortalTeams(tenant.teams, days)

    def begun() -> DeliveryWorker:
        return DeliveryWorker(mortal, mortal, {"teams": speaking}, DeliveryTimeouts(now=clock))

    delivery = begun()
    while any(kept.contents.outbox.values()):
        clock.add(1.0)
        tenant.slept.append(1.0)
        microsoft.mishaps = [chance.choice(NOT_TAKEN)] if chance.random() < 0.1 else []
        microsoft.lost = [chance.choice(ANSWER_LOST)] if chance.random() < 0.1 else []
        try:
            for room in await kept.ready_channels():
                await delivery.deliver_next(room)
        except Crash:
            delivery = begun()
    posts = [said for said in microsoft.said if said.method == "POST"]
    told = Counter(str(said.payload["summary"]) for said in posts)
    expected = Counter(title(letter) for letter in wanted)
    lost_answers = speaking.died_inside + mortal.died_unwritten + microsoft.answers_lost["POST"]
    doubled = (told - expected).total()
    print(f"{len(wanted)} alerts, {days.crashes} deaths, {lost_answers} answers lost: lost 0, doubled {doubled}")
    assert (expected - told).total() == 0
    assert doubled == lost_answers > 0
    assert in_order(posts, wanted)


def in_order(posts: list[Any], wanted: list[WatchedAlert]) -> bool:
    """Each room's alerts as they came, those said twice next to each other."""
    by_room: dict[str, list[str]] = defaultdict(list)
    for said in posts:
        titles = by_room[said.conversation.partition(";")[0]]
        titles += [said.payload["summary"]] if titles[-1:] != [said.payload["summary"]] else []
    return all(by_room[r.id] == [title(one) for one in wanted if one.channel == r] for r in ROOMS)
