"""Queue keys of jobs: one per request, so that no request is dropped as a duplicate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from bot.storage.circuit_breaker import CircuitBreaker
from bot.task_queue import TaskQueue
from handlers.commands import VERBS
from handlers.platform_registry import enqueue_jobs
from handlers.teams.conversation_references import ConversationReference, ConversationType
from handlers.teams.requests import TeamsRequest

CONVERSATION = ConversationReference("tenant", "19:c", ConversationType.CHANNEL, "https://service.example/", "28:bot")


class RecordingQueue:
    def __init__(self) -> None:
        self.keys: list[str | None] = []

    async def submit(self, _name: str, _payload: Mapping[str, Any], *, key: str | None = None) -> str:
        self.keys.append(key)
        return ""


async def test_teams_requests_of_one_conversation_have_distinct_queue_keys() -> None:
    queue = RecordingQueue()
    enqueue = enqueue_jobs(cast(TaskQueue, queue), CircuitBreaker(), "answer_teams", id_key="errand")
    for number in range(3):
        request = TeamsRequest(f"19:c:{number}", CONVERSATION, user="29:ada", command=VERBS.parse("help"))
        await enqueue(request.to_job(VERBS))
    assert queue.keys == ["19:c:0", "19:c:1", "19:c:2"]
