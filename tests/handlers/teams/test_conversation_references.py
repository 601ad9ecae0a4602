"""Where the bot may speak: the same rules in memory and in the store."""

from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bot.storage.record_store import Directory
from handlers.ports import Room
from handlers.teams.conversation_references import Conversation, Conversations, InThisProcess, Kind
from handlers.teams.conversation_store import Kept
from tests.support.teams_activities import BOT, CHANNEL, PERSONAL, TEAM, TENANT

SERVICE = "https://smba.trafficmanager.net/emea/"
IN_CHANNEL = Conversation(TENANT, CHANNEL, Kind.CHANNEL, SERVICE, BOT, TEAM)
ALONE = Conversation(TENANT, PERSONAL, Kind.PERSONAL, SERVICE, BOT)


@pytest.fixture(params=["memory", "store"])
def known(request: pytest.FixtureRequest, redis: Redis) -> Conversations:
    return InThisProcess() if request.param == "memory" else Kept(Directory(redis, "teams"))


@pytest.mark.parametrize("conversation", [IN_CHANNEL, ALONE, replace(ALONE, tenant="", bot="")])
async def test_what_is_remembered_is_recalled(conversation: Conversation, known: Conversations) -> None:
    assert await known.recall(conversation.room) is None
    await known.remember(conversation)
    assert await known.recall(conversation.room) == conversation


async def test_the_newest_service_address_counts_and_the_team_stays(known: Conversations) -> None:
    await known.remember(IN_CHANNEL)
    await known.remember(replace(IN_CHANNEL, service_url="https://smba.trafficmanager.net/amer/", team=""))
    assert await known.recall(IN_CHANNEL.room) == replace(
        IN_CHANNEL, service_url="https://smba.trafficmanager.net/amer/"
    )


@pytest.mark.parametrize(
    ("tenant", "place", "gone"),
    [
        (TENANT, CHANNEL, (IN_CHANNEL.room,)),
        (TENANT, TEAM, (IN_CHANNEL.room,)),
        (TENANT, PERSONAL, (ALONE.room,)),
        (TENANT, "19:never heard of", ()),
        ("another tenant", CHANNEL, ()),
    ],
)
async def test_a_place_or_a_team_is_forgotten_and_nothing_else(
    tenant: str, place: str, gone: tuple[Room, ...], known: Conversations
) -> None:
    for conversation in (IN_CHANNEL, ALONE):
        await known.remember(conversation)
    assert await known.forget(tenant, place) == gone
    left = [c for c in (IN_CHANNEL, ALONE) if await known.recall(c.room)]
    assert [c.room for c in left] == [room for room in (IN_CHANNEL.room, ALONE.room) if room not in gone]


async def test_nothing_remembered_expires(redis: Redis) -> None:
    await Kept(Directory(redis, "teams")).remember(IN_CHANNEL)
    assert {await redis.ttl(key) async for key in redis.scan_iter("mc1:teams:*")} == {-1}
