"""The message log: order, visibility, bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.message import Card
from handlers.ports import ChannelUnavailable, MessageNotFound
from handlers.web.message_log import (
    MAX_EVENTS,
    MAX_MESSAGES,
    MAX_QUEUED_EVENTS,
    MAX_REPLIES,
    Message,
    MessageLog,
    new_message,
)
from tests.handlers.web.conftest import FakeClock


@pytest.fixture
def channels() -> MessageLog:
    return MessageLog(FakeClock().now)


def post(channels: MessageLog, text: str = "x", thread: str = "", only_for: str = "", channel: str = "mail") -> Message:
    return channels.append(new_message(channel, thread, author="you", text=text, only_for=only_for))


def test_message_ids_are_unique_and_ordered(channels: MessageLog) -> None:
    message_ids = [post(channels).id for _ in range(50)]
    assert message_ids == sorted(set(message_ids))


def test_message_ids_grow_across_restarts() -> None:
    clock = FakeClock()
    message_id = post(MessageLog(clock.now)).id
    clock.advance(1)
    assert post(MessageLog(clock.now)).id > message_id


def test_private_message_is_visible_to_one(channels: MessageLog) -> None:
    post(channels, "secret", only_for="you")
    assert [m.text for m in channels.visible("mail", "you")] == ["secret"]
    assert channels.visible("mail", "somebody") == []


def test_thread_holds_root_replies_and_broadcasts(channels: MessageLog) -> None:
    root = post(channels, "root")
    post(channels, "reply", root.id)
    channels.append(new_message("mail", root.id, card=Card("told to all"), broadcast=True))
    post(channels, "elsewhere")
    assert [m.text for m in channels.visible("mail", "you", root.id)] == ["root", "reply", ""]
    assert [m.text for m in channels.visible("mail", "you")] == ["root", "", "elsewhere"]
    assert channels.find("mail", root.id).replies == 2


def test_private_reply_counts_once_made_public(channels: MessageLog) -> None:
    root = post(channels)
    reply = post(channels, thread=root.id, only_for="you")
    assert channels.find("mail", root.id).replies == 0
    channels.update(replace(reply, only_for=""))
    channels.update(replace(reply, only_for="", text="again"))
    assert channels.find("mail", root.id).replies == 1


def test_full_channel_drops_oldest_and_is_marked(channels: MessageLog) -> None:
    message_id = post(channels)
    for _ in range(MAX_MESSAGES - 1):
        post(channels)
    assert not channels.channel_log("mail").truncated
    post(channels)
    assert channels.channel_log("mail").truncated
    assert len(channels.channel_log("mail").messages) == MAX_MESSAGES
    with pytest.raises(MessageNotFound):
        channels.update(message_id)
    with pytest.raises(MessageNotFound):
        post(channels, thread=message_id.id)


def test_dropped_root_drops_its_thread(channels: MessageLog) -> None:
    root = post(channels)
    reply = post(channels, thread=root.id)
    for _ in range(MAX_MESSAGES):
        post(channels)
    assert not {root.id, reply.id} & set(channels.channel_log("mail").messages)


def test_long_thread_drops_oldest_replies(channels: MessageLog) -> None:
    root = post(channels)
    for number in range(MAX_MESSAGES * 2):
        post(channels, str(number), root.id)
    visible = channels.visible("mail", "you", root.id)
    assert (visible[0].id, len(visible), visible[-1].text) == (root.id, MAX_REPLIES + 1, str(MAX_MESSAGES * 2 - 1))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=1_500))
def test_channel_stays_bounded_and_replies_have_roots(actions: list[tuple[bool, int]]) -> None:
    channels = MessageLog(FakeClock().now)
    roots = [post(channels).id]
    for in_thread, index in actions:
        try:
            message = post(channels, thread=roots[-index % len(roots)] if in_thread else "")
        except MessageNotFound:
            continue
        roots += [] if in_thread else [message.id]
    stored = channels.channel_log("mail").messages
    assert len(stored) <= MAX_MESSAGES
    assert {m.thread for m in stored.values()} - {""} <= set(stored)


@pytest.mark.parametrize("channel", ["", "nowhere", "../mail", "x" * 10_000])
def test_unknown_channel_raises(channel: str, channels: MessageLog) -> None:
    with pytest.raises(ChannelUnavailable):
        post(channels, channel=channel)


def test_subscriber_gets_missed_and_live_events(channels: MessageLog) -> None:
    for text in "abc":
        post(channels, text)
    with channels.subscribe(1) as (missed, listener):
        post(channels, "d")
        assert [event.message.text for event in missed] == ["b", "c"]
        event = listener.queue.get_nowait()
        assert event
        assert (event.number, event.message.text, event.is_new, listener.behind) == (4, "d", True, False)
    assert channels.subscriber_count == 0


@pytest.mark.parametrize("after", [-1, 0, MAX_EVENTS * 9])
def test_subscriber_missing_too_many_events_is_behind(after: int, channels: MessageLog) -> None:
    for _ in range(MAX_EVENTS + 1):
        post(channels)
    with channels.subscribe(after) as (_, listener):
        assert listener.behind


def test_slow_subscriber_blocks_no_other(channels: MessageLog) -> None:
    with channels.subscribe(0) as (_, slow), channels.subscribe(0) as (_, quick):
        for _ in range(MAX_QUEUED_EVENTS + 1):
            post(channels)
            quick.queue.get_nowait()
        assert (slow.behind, quick.behind) == (True, False)
        assert slow.queue.qsize() == MAX_QUEUED_EVENTS
