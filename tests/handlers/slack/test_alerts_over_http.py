"""Delivery through Slack's own client against a Slack that stores and then drops the answer, says 503 and 429."""

from __future__ import annotations

import random
from collections import Counter

from handlers.delivery import Delivery, Pace
from handlers.slack.clients import CALL_WITHIN_S, Clients, one_for_all
from handlers.slack.poster import Speaker
from tests.handlers.slack.conftest import serving
from tests.support.fake_slack import TOKEN, FakeSlack, stamped
from tests.support.memory_repository import KeptInMemory
from tests.support.outbox_messages import LATER, elsewhere, rooms, story
from tests.support.stored_watches import Clock, numbered

POST, UPDATE, HISTORY, REPLIES = "chat.postMessage", "chat.update", "conversations.history", "conversations.replies"
BAD_DAYS = [
    *((way, what) for way in (POST, UPDATE) for what in (429, 503, "internal_error", "fatal_error")),
    *((f"+{POST}", what) for what in ("cut", "cut", 503, "internal_error")),
    *((way, what) for way in (HISTORY, REPLIES) for what in (429, 503)),
]


def test_the_delivery_waits_longer_than_a_call_can_take() -> None:
    assert Pace().call_within.total_seconds() >= CALL_WITHIN_S


async def test_slack_on_its_bad_days_gets_every_alert_once_and_in_order() -> None:
    chance, clock, fake = random.Random(7), Clock(LATER), FakeSlack()
    fake.stamps = stamped(int(LATER.timestamp()))
    kept, template = KeptInMemory(clock), story(numbered(0))
    wanted = [
        elsewhere(letter, numbered(number, room)) for room in rooms(4) for letter in template for number in range(12)
    ]
    for letter in wanted:
        kept.put(letter)
        kept.keep(letter.watch, letter.incident)
    async with serving(fake.app) as url:
        speaker = Speaker(Clients(one_for_all(TOKEN), f"{url}/api/").plain)
        delivery = Delivery(kept, kept, {"slack": speaker}, Pace(now=clock))
        for _ in range(20_000):
            if not any(kept.held.letters.values()):
                break
            clock.add(1)
            if chance.random() < 0.2:
                fake.mishaps = [chance.choice(BAD_DAYS)]
            for room in await kept.rooms():
                await delivery.deliver_next(room)
    said = [message for channel in fake.stored.values() for message in channel]
    keys = Counter(message["metadata"]["event_payload"]["key"] for message in said)
    assert keys == Counter(letter.id for letter in wanted)
    for room in rooms(4):
        in_room = [message["metadata"]["event_payload"]["key"] for message in fake.stored[room.channel]]
        assert in_room == [letter.id for letter in wanted if letter.room == room]
    roots = [message for message in said if "thread_ts" not in message]
    assert all("clear again after 4h 58m" in message["text"] for message in roots)
    assert fake.refused == []
