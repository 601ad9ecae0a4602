"""Encrypted bot tokens of workspaces."""

from __future__ import annotations

from redis.asyncio import Redis

from handlers.slack.oauth_tokens import OAuthTokens

TOKEN = "xoxb-a-token-for-tests"


async def dump(redis: Redis) -> str:
    return str([await redis.hgetall(key) for key in await redis.keys("*")])


async def test_token_is_stored_until_deleted(redis: Redis) -> None:
    tokens = OAuthTokens(redis, "a client secret")
    await tokens.save("T1", TOKEN)
    assert await OAuthTokens(redis, "a client secret").token("T1") == TOKEN
    await tokens.delete("T1")
    assert await tokens.token("T1") is None


async def test_stored_token_is_encrypted(redis: Redis) -> None:
    await OAuthTokens(redis, "a client secret").save("T1", TOKEN)
    assert TOKEN not in await dump(redis)


async def test_token_is_unreadable_with_another_secret(redis: Redis) -> None:
    await OAuthTokens(redis, "a client secret").save("T1", TOKEN)
    assert await OAuthTokens(redis, "a newer client secret").token("T1") is None


async def test_token_is_bound_to_its_workspace(redis: Redis) -> None:
    tokens = OAuthTokens(redis, "a client secret")
    await tokens.save("T1", TOKEN)
    await redis.hset("mc1:slack:installed", "T2", await redis.hget("mc1:slack:installed", "T1"))
    assert await tokens.token("T2") is None
