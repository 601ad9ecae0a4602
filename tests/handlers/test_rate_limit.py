"""Per-user command rate limit of the platforms; there is none for a single user on a machine."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from bot.storage.circuit_breaker import CircuitBreaker
from handlers.commands import VERBS
from handlers.ports import Channel, ChatRequest
from handlers.service import PER_USER, command_rate_limit
from handlers.web.settings import WebSettings


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
    platform: str, password: str, limited: bool, redis: Redis
) -> None:
    settings = WebSettings(web_password=SecretStr(password) if password else None)
    check_limit = command_rate_limit(settings, CircuitBreaker(redis))
    request = ChatRequest(Channel(platform, "here", "mail"), "ada", VERBS.parse("192.0.2.1"))
    # Twice the limit, so that one minute has too many wherever it begins.
    refusals = [await check_limit(request) for _ in range(2 * PER_USER + 1)]
    assert any(refusals) is limited
    assert not refusals[0]


async def test_rate_limit_without_store_allows_everything() -> None:
    check_limit = command_rate_limit(WebSettings(), None)
    request = ChatRequest(Channel("slack", "here", "mail"), "ada", VERBS.parse("192.0.2.1"))
    assert [await check_limit(request) for _ in range(PER_USER + 1)][-1] == ""
