"""SlackPoster over HTTP: error mapping, lookup by key, no hidden retries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from bot.monitoring.models import Channel
from handlers.message import Card, Line, Tone
from handlers.ports import (
    ChannelUnavailable,
    DeliveryUnknown,
    HistoryUnavailable,
    MessageNotFound,
    Rejected,
    RetryAfter,
    WorkspaceUnavailable,
)
from handlers.slack.clients import Clients, single_token
from handlers.slack.poster import EVENT_TYPE, SlackPoster
from tests.handlers.slack.conftest import serve_app
from tests.support.fake_slack import TOKEN, FakeSlack

CHANNEL = Channel("slack", "T1", "C1")
CARD = Card("203.0.113.5: on Spamhaus ZEN", Tone.BAD, step="Fix the cause.", lines=(Line("It is listed.", Tone.BAD),))
STARTED_AT = datetime.fromtimestamp(1_700_000_000, UTC)
POST, UPDATE = "chat.postMessage", "chat.update"
HISTORY, REPLIES, OPEN = "conversations.history", "conversations.replies", "conversations.open"


@dataclass
class PosterChannel:
    poster: SlackPoster
    fake: FakeSlack

    def message_count(self) -> int:
        return len(self.fake.stored.get("C1", ()))


@pytest_asyncio.fixture
async def channel() -> AsyncIterator[PosterChannel]:
    fake = FakeSlack()
    async with serve_app(fake.app) as url:
        yield PosterChannel(SlackPoster(Clients(single_token(TOKEN), f"{url}/api/").without_retries), fake)
    assert fake.rejected == []


@pytest.mark.parametrize(
    ("failure", "exception"),
    [
        (429, RetryAfter),
        ("ratelimited", RetryAfter),
        *((status, DeliveryUnknown) for status in (500, 502, 503, 504)),
        *(
            (code, DeliveryUnknown)
            for code in ("internal_error", "fatal_error", "service_unavailable", "request_timeout")
        ),
        *(
            (code, ChannelUnavailable)
            for code in ("is_archived", "channel_not_found", "not_in_channel", "restricted_action")
        ),
        ("ekm_access_denied", ChannelUnavailable),
        *((code, WorkspaceUnavailable) for code in ("account_inactive", "token_revoked", "app_uninstalled")),
        *((code, RetryAfter) for code in ("invalid_auth", "not_authed", "token_expired")),
        *((code, Rejected) for code in ("missing_scope", "no_text", "an_error_of_tomorrow")),
        *((code, MessageNotFound) for code in ("thread_not_found", "message_not_found", "cant_update_message")),
    ],
)
@pytest.mark.parametrize("call", [POST, UPDATE])
async def test_api_error_maps_to_one_exception(
    call: str, failure: int | str, exception: type[Exception], channel: PosterChannel
) -> None:
    channel.fake.failures.append((call, failure))
    with pytest.raises(exception):
        await (channel.poster.post(CHANNEL, CARD) if call == POST else channel.poster.update(CHANNEL, "1.1", CARD))
    assert channel.message_count() == 0


@pytest.mark.parametrize(("failure", "seconds"), [(429, 7.0), ("ratelimited", 30.0)])
async def test_rate_limit_uses_retry_after_or_default(
    failure: int | str, seconds: float, channel: PosterChannel
) -> None:
    channel.fake.failures.append((POST, failure))
    with pytest.raises(RetryAfter) as error:
        await channel.poster.post(CHANNEL, CARD)
    assert error.value.seconds == seconds


@pytest.mark.parametrize("failure", ["cut", 503, "internal_error"])
@pytest.mark.parametrize("thread", ["", "root"])
async def test_message_with_lost_response_is_found_by_key(
    thread: str, failure: int | str, channel: PosterChannel
) -> None:
    root = await channel.poster.post(CHANNEL, CARD, key="opened") if thread else ""
    before = channel.message_count()
    channel.fake.failures.append((f"+{POST}", failure))
    with pytest.raises(DeliveryUnknown):
        await channel.poster.post(CHANNEL, CARD, root, "grew")
    assert channel.message_count() == before + 1
    message_id = await channel.poster.find(CHANNEL, "grew", STARTED_AT, root)
    assert message_id == channel.fake.stored["C1"][-1]["ts"]
    assert await channel.poster.find(CHANNEL, "another", STARTED_AT, root) is None


async def test_unreachable_api_raises_retry_after() -> None:
    nowhere = SlackPoster(Clients(single_token(TOKEN), "http://127.0.0.1:9/api/").without_retries)
    with pytest.raises(RetryAfter):
        await nowhere.post(CHANNEL, CARD)


async def test_post_stores_key_in_metadata(channel: PosterChannel) -> None:
    await channel.poster.post(CHANNEL, CARD, key="w1.1.opened")
    [message] = channel.fake.stored["C1"]
    assert message["metadata"] == {"event_type": EVENT_TYPE, "event_payload": {"key": "w1.1.opened"}}
    assert EVENT_TYPE == "mailcheck_alert"


async def test_find_pages_through_history(channel: PosterChannel) -> None:
    for number in range(450):
        channel.fake.stored.setdefault("C1", []).append({"ts": f"{1_700_000_000 + number}.1", "text": "talk"})
    metadata = {"event_type": EVENT_TYPE, "event_payload": {"key": "opened"}}
    channel.fake.stored["C1"][-1]["metadata"] = metadata
    assert await channel.poster.find(CHANNEL, "opened", STARTED_AT) == channel.fake.stored["C1"][-1]["ts"]


async def test_find_ignores_older_message(channel: PosterChannel) -> None:
    metadata = {"event_type": EVENT_TYPE, "event_payload": {"key": "opened"}}
    channel.fake.stored["C1"] = [{"ts": "1699990000.1", "metadata": metadata}]
    assert await channel.poster.find(CHANNEL, "opened", STARTED_AT) is None


@pytest.mark.parametrize(
    ("failure", "exception"),
    [
        (429, RetryAfter),
        (503, DeliveryUnknown),
        ("missing_scope", HistoryUnavailable),
        ("not_in_channel", ChannelUnavailable),
        ("token_revoked", WorkspaceUnavailable),
    ],
)
async def test_find_error_maps_to_exception(
    failure: int | str, exception: type[Exception], channel: PosterChannel
) -> None:
    channel.fake.failures += [(HISTORY, failure), (REPLIES, failure)]
    for thread in ("", "1.1"):
        with pytest.raises(exception):
            await channel.poster.find(CHANNEL, "opened", STARTED_AT, thread)


@pytest.mark.parametrize("code", ["invalid_blocks", "msg_blocks_too_long", "msg_too_long"])
async def test_rejected_blocks_fall_back_to_text_with_key(code: str, channel: PosterChannel) -> None:
    channel.fake.failures.append((POST, code))
    await channel.poster.post(CHANNEL, CARD, key="opened")
    [message] = channel.fake.stored["C1"]
    assert ("blocks" in message, "attachments" in message) == (False, False)
    assert "on Spamhaus ZEN" in message["text"]
    assert message["metadata"]["event_payload"] == {"key": "opened"}


async def test_rejected_text_fallback_raises_rejected(channel: PosterChannel) -> None:
    channel.fake.failures += [(POST, "invalid_blocks"), (POST, "msg_too_long")]
    with pytest.raises(Rejected):
        await channel.poster.post(CHANNEL, CARD)


async def test_broadcast_applies_only_to_replies(channel: PosterChannel) -> None:
    root = await channel.poster.post(CHANNEL, CARD, broadcast=True)
    await channel.poster.post(CHANNEL, CARD, root, broadcast=True)
    await channel.poster.post(CHANNEL, CARD, root)
    assert [message.get("reply_broadcast") for message in channel.fake.stored["C1"]] == [None, True, None]


async def test_update_replaces_message(channel: PosterChannel) -> None:
    root = await channel.poster.post(CHANNEL, CARD)
    await channel.poster.update(CHANNEL, root, Card("203.0.113.5: clear again", Tone.GOOD))
    assert [message["text"] for message in channel.fake.stored["C1"]] == ["✓ 203.0.113.5: clear again"]


async def test_notify_user_posts_direct_message(channel: PosterChannel) -> None:
    await channel.poster.notify_user(CHANNEL, "U1", CARD)
    assert list(channel.fake.stored) == ["DU1"]
