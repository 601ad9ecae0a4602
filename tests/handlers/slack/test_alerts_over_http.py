"""Delivery through the SDK to a Slack API that loses responses and answers 503 and 429."""

from __future__ import annotations

import random
from collections import Counter

from handlers.delivery import DeliveryTimeouts, DeliveryWorker
from handlers.slack.clients import CALL_TIMEOUT_S, Clients, single_token
from handlers.slack.poster import SlackPoster
from tests.handlers.slack.conftest import serve_app
from tests.support.fake_slack import TOKEN, FakeSlack, message_timestamps
from tests.support.memory_repository import InMemoryRepository
from tests.support.outbox_messages import LATER, make_channels, message_for, messages_of_incident
from tests.support.stored_watches import Clock, numbered_watch

POST, UPDATE, HISTORY, REPLIES = ("chat.postMessage", "chat.update", "conversations.history", "conversations.replies")
BAD_DAYS = [
    *((way, what) for way in (POST, UPDATE) for what in (429, 503, "internal_error", "fatal_error")),
    *((f"+{POST}", what) for what in ("cut", "cut", 503, "internal_error")),
    *((way, what) for way in (HISTORY, REPLIES) for what in (429, 503)),
]


def test_delivery_call_timeout_exceeds_client_timeout() -> None:
    assert DeliveryTimeouts().call_timeout.total_seconds() >= CALL_TIMEOUT_S


async def test_delivery_with_api_failures_posts_each_alert_once_in_order() -> None:
    rng, clock, fake = random.Random(7), Clock(LATER), FakeSlack()
    fake.timestamps = message_timestamps(int(LATER.timestamp()))
    repository, incident_messages = (InMemoryRepository(clock), messages_of_incident(numbered_watch(0)))
    expected = [
        message_for(message, numbered_watch(number, channel))
        for channel in make_channels(4)
        for message in incident_messages
        for number in range(12)
    ]
    for message in expected:
        repository.enqueue(message.message)
        repository.store(message.watch, message.incident)
    async with serve_app(fake.app) as url:
        speaker = SlackPoster(Clients(single_token(TOKEN), f"{url}/api/").without_retries)
        delivery = DeliveryWorker(repository, repository, {"slack": speaker}, DeliveryTimeouts(now=clock))
        for _ in range(20_000):
            if not any(repository.contents.outbox.values()):
                break
            clock.add(1)
            if rng.random() < 0.2:
                fake.failures = [rng.choice(BAD_DAYS)]
            for channel in await repository.ready_channels():
                await delivery.deliver_next(channel)
    posted = [payload for channel in fake.stored.values() for payload in channel]
    keys = Counter(payload["metadata"]["event_payload"]["key"] for payload in posted)
    assert keys == Counter(message.id for message in expected)
    for channel in make_channels(4):
        posted_keys = [payload["metadata"]["event_payload"]["key"] for payload in fake.stored[channel.id]]
        assert posted_keys == [message.id for message in expected if message.channel == channel]
    roots = [payload for payload in posted if "thread_ts" not in payload]
    assert all("clear again after 4h 58m" in payload["text"] for payload in roots)
    assert fake.rejected == []
