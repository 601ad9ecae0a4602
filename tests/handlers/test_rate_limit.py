"""Rate limit of commands on the platforms; there is none for a single user on a machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.poll_store import PollStore
from bot.storage.redis_client import open_client
from handlers.commands import VERBS
from handlers.ports import Channel, ChatRequest
from handlers.service import HANDS_ON_PER_USER, PER_CHANNEL, PER_USER, command_rate_limit
from handlers.web.settings import WebSettings
from tests.support.stored_watches import Clock

SETTINGS = WebSettings()


def limit_of(redis: Redis, clock: Clock, settings: WebSettings = SETTINGS) -> Callable[[ChatRequest], Awaitable[str]]:
    return command_rate_limit(settings, PollStore(redis), CircuitBreaker(timeout_s=5.0), clock)


def request(user: str = "ada", platform: str = "slack") -> ChatRequest:
    return ChatRequest(Channel(platform, "here", "mail"), user, VERBS.parse("192.0.2.1"))


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 11, 24, 6, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("platform", "password", "limited"),
    [
        ("slack", "", True),
        ("teams", "", True),
        ("web", "", False),
        ("web", "correct horse", True),  # with a password, the page has many users
        ("terminal", "correct horse", False),
    ],
)
async def test_rate_limit_applies_where_users_share_the_bot(
    platform: str, password: str, limited: bool, redis: Redis, clock: Clock
) -> None:
    settings = WebSettings(web_password=SecretStr(password) if password else None)
    check_limit = limit_of(redis, clock, settings)
    refusals = [await check_limit(request(platform=platform)) for _ in range(PER_USER + 1)]
    assert not any(refusals[:PER_USER])
    assert bool(refusals[-1]) is limited


async def test_user_over_the_limit_gets_the_next_token_in_time(redis: Redis, clock: Clock) -> None:
    check_limit = limit_of(redis, clock)
    refusals = [await check_limit(request()) for _ in range(PER_USER + 1)]
    assert refusals[-1].endswith(f"please ask again in {60 // PER_USER} s.")
    clock.now += timedelta(seconds=60 / PER_USER)
    assert [bool(await check_limit(request())) for _ in range(2)] == [False, True]


async def test_commands_without_dns_queries_have_their_own_allowance(redis: Redis, clock: Clock) -> None:
    check_limit = limit_of(redis, clock)
    while not await check_limit(request()):  # every check of the minute is used up
        pass
    hands_on = replace(request(), command=VERBS.parse("ack 192.0.2.1"))
    refusals = [await check_limit(hands_on) for _ in range(HANDS_ON_PER_USER + 1)]
    assert [bool(refusal) for refusal in refusals] == [False] * HANDS_ON_PER_USER + [True]


def test_verbs_with_an_allowance_of_their_own_query_no_dns() -> None:
    assert {verb.name for verb in VERBS.rows if not verb.hands_on} == {"check", "watch", "bounce", "headers", "lists"}


async def test_channel_limit_counts_all_users(redis: Redis, clock: Clock) -> None:
    check_limit = limit_of(redis, clock)
    refusals = [await check_limit(request(f"user-{n}")) for n in range(PER_CHANNEL + 1)]
    assert [bool(refusal) for refusal in refusals] == [False] * PER_CHANNEL + [True]


async def test_unreadable_bucket_allows_the_request(redis: Redis, clock: Clock) -> None:
    await redis.rpush("mc1:bucket:commands:slack:here:user:ada", "x")
    assert not await limit_of(redis, clock)(request())


async def test_rate_limit_without_store_allows_everything(clock: Clock) -> None:
    async with open_client("redis://127.0.0.1:1", 1.0) as unreachable:
        check_limit = limit_of(unreachable, clock)
        assert [await check_limit(request()) for _ in range(PER_USER + 1)][-1] == ""
