"""Who may ask how often: everybody is told to wait, but for the one person on their own machine."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from bot.settings import Settings
from bot.storage.circuit_breaker import Circuit
from handlers.ports import Ask, Room
from handlers.service import PER_USER, allowed


@pytest.mark.parametrize(
    ("platform", "password", "waits"),
    [
        ("slack", "", True),
        ("teams", "", True),
        ("web", "", False),
        ("web", "correct horse", True),  # then it is a page for many
        ("terminal", "correct horse", False),
    ],
)
async def test_who_asks_too_often_waits(platform: str, password: str, waits: bool, redis: Redis) -> None:
    settings = Settings(web_password=SecretStr(password) if password else None)
    wait = allowed(settings, Circuit(redis))
    ask = Ask(Room(platform, "here", "mail"), "ada", "192.0.2.1")
    said = [await wait(ask) for _ in range(2 * PER_USER + 1)]  # so that one minute holds too many, whenever it begins
    assert any(said) is waits
    assert not said[0]


async def test_without_a_store_nobody_is_counted() -> None:
    wait = allowed(Settings(), None)
    assert [await wait(Ask(Room("slack", "here", "mail"), "ada", "192.0.2.1")) for _ in range(PER_USER + 1)][-1] == ""
