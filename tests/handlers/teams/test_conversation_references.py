"""Conversation references: the same rules in memory and in Redis."""

from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.record_store import RecordStore
from handlers.ports import Channel
from handlers.teams.conversation_references import ConversationReference, ConversationReferences, ConversationType
from handlers.teams.conversation_store import StoredConversationReferences
from tests.support.memory_conversations import MemoryConversationReferences
from tests.support.teams_activities import BOT, CHANNEL, PERSONAL, TEAM, TENANT

SERVICE = "https://smba.trafficmanager.net/emea/"
IN_CHANNEL = ConversationReference(TENANT, CHANNEL, ConversationType.CHANNEL, SERVICE, BOT, TEAM)
ALONE = ConversationReference(TENANT, PERSONAL, ConversationType.PERSONAL, SERVICE, BOT)


@pytest.fixture(params=["memory", "store"])
def known(request: pytest.FixtureRequest, redis: Redis) -> ConversationReferences:
    return (
        MemoryConversationReferences()
        if request.param == "memory"
        else StoredConversationReferences(RecordStore(redis, "teams"), CircuitBreaker())
    )


@pytest.mark.parametrize("conversation", [IN_CHANNEL, ALONE, replace(ALONE, tenant="", bot="")])
async def test_reference_is_stored_and_read(conversation: ConversationReference, known: ConversationReferences) -> None:
    assert await known.get(conversation.channel) is None
    await known.store(conversation)
    assert await known.get(conversation.channel) == conversation


async def test_newest_service_url_wins_and_team_stays(known: ConversationReferences) -> None:
    await known.store(IN_CHANNEL)
    await known.store(replace(IN_CHANNEL, service_url="https://smba.trafficmanager.net/amer/", team=""))
    assert await known.get(IN_CHANNEL.channel) == replace(
        IN_CHANNEL, service_url="https://smba.trafficmanager.net/amer/"
    )


@pytest.mark.parametrize(
    ("tenant", "place", "removed"),
    [
        (TENANT, CHANNEL, (IN_CHANNEL.channel,)),
        (TENANT, TEAM, (IN_CHANNEL.channel,)),
        (TENANT, PERSONAL, (ALONE.channel,)),
        (TENANT, "19:never heard of", ()),
        ("another tenant", CHANNEL, ()),
    ],
)
async def test_delete_removes_one_conversation_or_team(
    tenant: str, place: str, removed: tuple[Channel, ...], known: ConversationReferences
) -> None:
    for conversation in (IN_CHANNEL, ALONE):
        await known.store(conversation)
    assert await known.delete(tenant, place) == removed
    left = [c for c in (IN_CHANNEL, ALONE) if await known.get(c.channel)]
    assert [c.channel for c in left] == [room for room in (IN_CHANNEL.channel, ALONE.channel) if room not in removed]


async def test_references_have_no_ttl(redis: Redis) -> None:
    await StoredConversationReferences(RecordStore(redis, "teams"), CircuitBreaker()).store(IN_CHANNEL)
    assert {await redis.ttl(key) async for key in redis.scan_iter("mc1:teams:*")} == {-1}
