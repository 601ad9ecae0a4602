"""Delivery of alerts in Teams: one post per incident, edited, and its error cases."""

from __future__ import annotations

from collections import Counter
from itertools import count

import pytest

from bot.monitoring.models import Channel
from handlers.delivery import DeliveryTimeouts, DeliveryWorker
from handlers.message import Card
from handlers.messages.alerts import reply_card
from handlers.teams.conversation_references import ConversationReference, ConversationType
from tests.handlers.teams.conftest import Tenant
from tests.support.memory_repository import InMemoryRepository
from tests.support.outbox_messages import LATER, messages_of_incident
from tests.support.stored_watches import Clock, watch
from tests.support.teams_activities import BOT, CHANNEL, TEAM, TENANT

ROOM = Channel("teams", TENANT, CHANNEL)
THREAD_OF = f"{CHANNEL};messageid="


class ChannelHarness:
    """A watch in a Teams channel and the delivery of its alerts."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant, self.clock = tenant, Clock(LATER)
        self.kept = InMemoryRepository(self.clock)
        self.letters = messages_of_incident(watch("203.0.113.5/32", channel=ROOM))
        self.crash()

    def crash(self) -> None:
        """Restart with only the stored state."""
        pace = DeliveryTimeouts(now=self.clock, sleep=self._pass)
        self.delivery = DeliveryWorker(self.kept, self.kept, {"teams": self.tenant.teams}, pace)

    async def put(self) -> None:
        known = ConversationReference(TENANT, CHANNEL, ConversationType.CHANNEL, self.tenant.service, BOT, TEAM)
        await self.tenant.conversations.store(known)
        await self.kept.add(self.letters[0].watch, self.letters[0].incident, LATER)
        for letter in self.letters:
            self.kept.enqueue(letter.message)

    async def deliver(self, tries: int = 40) -> None:
        """Deliver until the outbox is empty, a minute after each delay."""
        for _ in range(tries):
            while await self.delivery.deliver_next(ROOM):
                await self._pass(1.0)
            if await self.kept.peek(ROOM) is None:
                return
            await self._pass(60.0)

    async def _pass(self, seconds: float) -> None:
        self.clock.add(seconds)
        self.tenant.slept.append(seconds)

    def posts(self) -> Counter[str]:
        """Number of posts per headline; edits of the root are not counted."""
        posts = [said for said in self.tenant.microsoft.said if said.method == "POST"]
        return Counter(str(said.payload["summary"]) for said in posts)


@pytest.fixture
async def channel(tenant: Tenant) -> ChannelHarness:
    made = ChannelHarness(tenant)
    await made.put()
    return made


async def test_alert_is_one_post_edited_when_cleared(channel: ChannelHarness, tenant: Tenant) -> None:
    await channel.deliver()
    root, *later = tenant.microsoft.said
    assert (root.method, root.conversation) == ("POST", CHANNEL)
    replies = [said for said in later if said.method == "POST"]
    edits = [said for said in later if said.method == "PUT"]
    assert {said.conversation for said in replies} == {THREAD_OF + root.message}
    assert {(said.conversation, said.message) for said in edits} == {(CHANNEL, root.message)}
    assert [said.payload["summary"] for said in replies] == [
        reply_card(letter.watch, letter.alert).title for letter in channel.letters[1:]
    ]
    assert edits[-1].payload["summary"] == "203.0.113.5: clear again after 4h 58m"


@pytest.mark.parametrize("status", [412, 429])
async def test_alert_rejected_by_teams_is_retried_once_posted(
    status: int, channel: ChannelHarness, tenant: Tenant
) -> None:
    tenant.microsoft.mishaps = [(status, {"Retry-After": "20"})] * 3
    await channel.deliver()
    assert sorted(channel.posts().values()) == [1, 1, 1, 1]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_alert_with_unknown_delivery_is_posted_again(
    status: int, channel: ChannelHarness, tenant: Tenant
) -> None:
    tenant.microsoft.mishaps = [(status, {})]
    await channel.deliver()
    assert sorted(channel.posts().values()) == [1, 1, 1, 1]


class Crash(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("dies_at", [1, 2, 3, 4])
async def test_alert_is_posted_twice_only_after_crash_in_call(
    dies_at: int, channel: ChannelHarness, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    post, calls = tenant.teams.post, count(1)

    async def posts_and_dies(
        channel: Channel, card: Card, thread: str = "", key: str = "", broadcast: bool = False
    ) -> str:
        said = await post(channel, card, thread, key, broadcast)
        if next(calls) == dies_at:
            raise Crash
        return said

    monkeypatch.setattr(tenant.teams, "post", posts_and_dies)
    with pytest.raises(Crash):
        await channel.deliver()
    channel.crash()
    await channel.deliver()
    assert sorted(channel.posts().values()) == [1, 1, 1, 2]


@pytest.mark.parametrize("status", [403, 404])
async def test_unavailable_channel_pauses_its_watches(status: int, channel: ChannelHarness, tenant: Tenant) -> None:
    tenant.microsoft.mishaps = [(status, {})] * 9
    await channel.deliver(tries=1)
    (kept,) = await channel.kept.find(ROOM, channel.letters[0].watch.id)
    assert kept.paused
    assert tenant.microsoft.said == []


async def test_reply_to_deleted_post_becomes_a_new_post(channel: ChannelHarness, tenant: Tenant) -> None:
    assert await channel.delivery.deliver_next(ROOM)
    tenant.microsoft.mishaps = [(404, {})]
    await channel.deliver()
    posts = [said for said in tenant.microsoft.said if said.method == "POST"]
    assert [said.conversation for said in posts[:2]] == [CHANNEL, CHANNEL]
    assert {said.conversation for said in posts[2:]} == {THREAD_OF + posts[1].message}
