"""Alerts in Slack over HTTP: each error of the table, looking up by key, and nothing repeated behind our back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from bot.monitoring.models import Room
from handlers.message import Card, Line, Tone
from handlers.ports import Blind, Later, MessageGone, Rejected, RoomGone, SpaceGone, Unsure
from handlers.slack.clients import Clients, one_for_all
from handlers.slack.poster import EVENT, Speaker
from tests.handlers.slack.conftest import serving
from tests.support.fake_slack import TOKEN, FakeSlack

ROOM = Room("slack", "T1", "C1")
CARD = Card("203.0.113.5: on Spamhaus ZEN", Tone.BAD, step="Fix the cause.", lines=(Line("It is listed.", Tone.BAD),))
BEGUN = datetime.fromtimestamp(1_700_000_000, UTC)
POST, UPDATE = "chat.postMessage", "chat.update"
HISTORY, REPLIES, OPEN = "conversations.history", "conversations.replies", "conversations.open"


@dataclass
class Channel:
    speaker: Speaker
    fake: FakeSlack

    def stand(self) -> int:
        return len(self.fake.stored.get("C1", ()))


@pytest_asyncio.fixture
async def channel() -> AsyncIterator[Channel]:
    fake = FakeSlack()
    async with serving(fake.app) as url:
        yield Channel(Speaker(Clients(one_for_all(TOKEN), f"{url}/api/").plain), fake)
    assert fake.refused == []


@pytest.mark.parametrize(
    ("mishap", "outcome"),
    [
        (429, Later),
        ("ratelimited", Later),
        *((status, Unsure) for status in (500, 502, 503, 504)),
        *((word, Unsure) for word in ("internal_error", "fatal_error", "service_unavailable", "request_timeout")),
        *((word, RoomGone) for word in ("is_archived", "channel_not_found", "not_in_channel", "restricted_action")),
        ("ekm_access_denied", RoomGone),
        *((word, SpaceGone) for word in ("account_inactive", "token_revoked", "app_uninstalled")),
        *((word, Later) for word in ("invalid_auth", "not_authed", "token_expired")),
        *((word, Rejected) for word in ("missing_scope", "no_text", "an_error_of_tomorrow")),
        *((word, MessageGone) for word in ("thread_not_found", "message_not_found", "cant_update_message")),
    ],
)
@pytest.mark.parametrize("call", [POST, UPDATE])
async def test_each_error_means_one_thing(
    call: str, mishap: int | str, outcome: type[Exception], channel: Channel
) -> None:
    channel.fake.mishaps.append((call, mishap))
    with pytest.raises(outcome):
        await (channel.speaker.post(ROOM, CARD) if call == POST else channel.speaker.update(ROOM, "1.1", CARD))
    assert channel.stand() == 0


@pytest.mark.parametrize(("mishap", "seconds"), [(429, 7.0), ("ratelimited", 30.0)])
async def test_a_wait_is_as_long_as_slack_says_or_half_a_minute(
    mishap: int | str, seconds: float, channel: Channel
) -> None:
    channel.fake.mishaps.append((POST, mishap))
    with pytest.raises(Later) as later:
        await channel.speaker.post(ROOM, CARD)
    assert later.value.seconds == seconds


@pytest.mark.parametrize("mishap", ["cut", 503, "internal_error"])
@pytest.mark.parametrize("thread", ["", "root"])
async def test_what_was_stored_before_the_answer_was_lost_stands_once_and_is_found(
    thread: str, mishap: int | str, channel: Channel
) -> None:
    root = await channel.speaker.post(ROOM, CARD, key="opened") if thread else ""
    before = channel.stand()
    channel.fake.mishaps.append((f"+{POST}", mishap))
    with pytest.raises(Unsure):
        await channel.speaker.post(ROOM, CARD, root, "grew")
    assert channel.stand() == before + 1
    found = await channel.speaker.find(ROOM, "grew", BEGUN, root)
    assert found == channel.fake.stored["C1"][-1]["ts"]
    assert await channel.speaker.find(ROOM, "another", BEGUN, root) is None


async def test_nobody_behind_the_address_means_surely_not_said() -> None:
    nowhere = Speaker(Clients(one_for_all(TOKEN), "http://127.0.0.1:9/api/").plain)
    with pytest.raises(Later):
        await nowhere.post(ROOM, CARD)


async def test_an_alert_carries_its_key_and_nothing_else(channel: Channel) -> None:
    await channel.speaker.post(ROOM, CARD, key="w1.1.opened")
    [said] = channel.fake.stored["C1"]
    assert said["metadata"] == {"event_type": EVENT, "event_payload": {"key": "w1.1.opened"}}
    assert EVENT == "mailcheck_alert"


async def test_a_message_beyond_the_first_page_is_found(channel: Channel) -> None:
    for number in range(450):
        channel.fake.stored.setdefault("C1", []).append({"ts": f"{1_700_000_000 + number}.1", "text": "talk"})
    wanted = {"event_type": EVENT, "event_payload": {"key": "opened"}}
    channel.fake.stored["C1"][-1]["metadata"] = wanted
    assert await channel.speaker.find(ROOM, "opened", BEGUN) == channel.fake.stored["C1"][-1]["ts"]


async def test_an_older_message_is_not_looked_at(channel: Channel) -> None:
    metadata = {"event_type": EVENT, "event_payload": {"key": "opened"}}
    channel.fake.stored["C1"] = [{"ts": "1699990000.1", "metadata": metadata}]
    assert await channel.speaker.find(ROOM, "opened", BEGUN) is None


@pytest.mark.parametrize(
    ("mishap", "outcome"),
    [(429, Later), (503, Unsure), ("missing_scope", Blind), ("not_in_channel", RoomGone), ("token_revoked", SpaceGone)],
)
async def test_a_look_up_fails_in_its_own_way(mishap: int | str, outcome: type[Exception], channel: Channel) -> None:
    channel.fake.mishaps += [(HISTORY, mishap), (REPLIES, mishap)]
    for thread in ("", "1.1"):
        with pytest.raises(outcome):
            await channel.speaker.find(ROOM, "opened", BEGUN, thread)


@pytest.mark.parametrize("word", ["invalid_blocks", "msg_blocks_too_long", "msg_too_long"])
async def test_a_card_that_slack_does_not_take_is_said_in_words_with_its_key(word: str, channel: Channel) -> None:
    channel.fake.mishaps.append((POST, word))
    await channel.speaker.post(ROOM, CARD, key="opened")
    [said] = channel.fake.stored["C1"]
    assert ("blocks" in said, "attachments" in said) == (False, False)
    assert "on Spamhaus ZEN" in said["text"]
    assert said["metadata"]["event_payload"] == {"key": "opened"}


async def test_words_that_are_not_taken_either_are_rejected(channel: Channel) -> None:
    channel.fake.mishaps += [(POST, "invalid_blocks"), (POST, "msg_too_long")]
    with pytest.raises(Rejected):
        await channel.speaker.post(ROOM, CARD)


async def test_only_a_reply_can_be_broadcast(channel: Channel) -> None:
    root = await channel.speaker.post(ROOM, CARD, broadcast=True)
    await channel.speaker.post(ROOM, CARD, root, broadcast=True)
    await channel.speaker.post(ROOM, CARD, root)
    assert [said.get("reply_broadcast") for said in channel.fake.stored["C1"]] == [None, True, None]


async def test_an_edit_takes_the_place_of_what_stood_there(channel: Channel) -> None:
    root = await channel.speaker.post(ROOM, CARD)
    await channel.speaker.update(ROOM, root, Card("203.0.113.5: clear again", Tone.GOOD))
    assert [said["text"] for said in channel.fake.stored["C1"]] == ["✓ 203.0.113.5: clear again"]


async def test_one_person_is_told_alone(channel: Channel) -> None:
    await channel.speaker.tell(ROOM, "U1", CARD)
    assert list(channel.fake.stored) == ["DU1"]
