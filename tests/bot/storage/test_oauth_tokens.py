"""A workspace's token is given to the bot alone, and only for that workspace."""

from __future__ import annotations

from redis.asyncio import Redis

from bot.storage.oauth_tokens import Installations

TOKEN = "xoxb-a-token-for-tests"


async def everything_in(redis: Redis) -> str:
    return str([await redis.hgetall(key) for key in await redis.keys("*")])


async def test_a_token_comes_back_until_it_is_forgotten(redis: Redis) -> None:
    installed = Installations(redis, "slack", "a client secret")
    await installed.keep("T1", TOKEN)
    assert await Installations(redis, "slack", "a client secret").token("T1") == TOKEN
    await installed.forget("T1")
    assert await installed.token("T1") is None


async def test_a_copy_of_the_store_holds_no_token(redis: Redis) -> None:
    await Installations(redis, "slack", "a client secret").keep("T1", TOKEN)
    assert TOKEN not in await everything_in(redis)


async def test_another_secret_opens_nothing(redis: Redis) -> None:
    await Installations(redis, "slack", "a client secret").keep("T1", TOKEN)
    assert await Installations(redis, "slack", "a newer client secret").token("T1") is None


async def test_a_sealed_token_moved_to_another_workspace_opens_nothing(redis: Redis) -> None:
    installed = Installations(redis, "slack", "a client secret")
    await installed.keep("T1", TOKEN)
    await redis.hset("mc1:slack:installed", "T2", await redis.hget("mc1:slack:installed", "T1"))
    assert await installed.token("T2") is None
