"""Payloads, tokens, Teams records and ids of requests that are corrupted: each harms only its own item."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress

import pytest
from redis.asyncio import Redis

from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.deduplicator import Deduplicator
from bot.storage.record_store import RecordStore, UnreadableRecord
from bot.task_queue import TaskQueue
from handlers.ports import Channel
from handlers.slack.oauth_tokens import OAuthTokens
from handlers.teams.conversation_references import ConversationReference, ConversationType
from handlers.teams.conversation_store import StoredConversationReferences
from tests.bot.storage.test_corrupted_values import CASES, SAVED, Corruption, load_command, sample
from tests.support.teams_activities import BOT, TENANT

Read = Callable[[], Awaitable[object]]
PREFIX = "mc1:ask:"


@pytest.fixture
async def readers(redis: Redis, redis_url: str) -> AsyncIterator[Mapping[str, Read]]:
    """Reads every saved item of a kind of key, and one that is written now and has to be there."""
    references = StoredConversationReferences(RecordStore(redis, "teams"), CircuitBreaker())
    tokens = OAuthTokens(redis, "a secret")

    async def teams_records() -> object:
        for key in (key for key in SAVED["keys"] if key.startswith("mc1:teams:record:")):
            with suppress(UnreadableRecord):
                await references.get(Channel("teams", *key.removeprefix("mc1:teams:record:").split(" ", 1)))
        service = "https://smba.trafficmanager.net/emea/"
        reference = ConversationReference(TENANT, "a:other", ConversationType.PERSONAL, service, BOT)
        await references.store(reference)
        return await references.get(reference.channel) == reference

    async def slack_tokens() -> object:
        for workspace in SAVED["keys"]["mc1:slack:installed"]["hash"]:
            await tokens.token(workspace)
        await tokens.save("T0OTHER", "xoxb-other")
        return await tokens.token("T0OTHER") == "xoxb-other"

    async def seen_ids() -> object:
        deduplicators = [Deduplicator(redis) for _ in range(2)]  # as in two processes
        await deduplicators[0]("Ev0SAVED")
        first = await deduplicators[0]("Ev0OTHER")
        await deduplicators[0].flush()
        return (first, await deduplicators[1]("Ev0OTHER")) == (False, True)

    async with TaskQueue(redis_url) as queue:

        async def payloads() -> object:
            for key in (key for key in SAVED["keys"] if key.startswith(PREFIX)):
                assert isinstance(await queue.payload(key.removeprefix(PREFIX)), dict | None)
            await redis.set(f"{PREFIX}other", '{"id": "1"}')
            return await queue.payload("other") == {"id": "1"}

        yield {"teams": teams_records, "slack": slack_tokens, "seen": seen_ids, "ask": payloads}


async def spoil(redis: Redis, corruption: Corruption) -> None:
    await redis.flushdb()
    for key, value in SAVED["keys"].items():
        (kind,) = set(value) - {"ttl"}
        await redis.execute_command(*load_command(key, kind, value[kind]))
    for command in corruption.commands:
        await redis.execute_command(*command)


@pytest.mark.parametrize("kind", ["teams", "slack", "seen", "ask"])
async def test_corrupted_record_harms_no_other(kind: str, redis: Redis, readers: Mapping[str, Read]) -> None:
    for corruption in sample(CASES[kind]):
        await spoil(redis, corruption)
        assert await readers[kind](), corruption.label
