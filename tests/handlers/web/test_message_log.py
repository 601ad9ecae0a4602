"""What the web chat remembers: in order, for the right eyes, and not without end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.message import Card
from handlers.ports import MessageGone, RoomGone
from handlers.web.message_log import MOST_MESSAGES, MOST_NEWS, MOST_REPLIES, MOST_WAITING, Channels, Message, unsaid
from tests.handlers.web.conftest import Clock


@pytest.fixture
def channels() -> Channels:
    return Channels(Clock().now)


def say(channels: Channels, text: str = "x", thread: str = "", only_for: str = "", channel: str = "mail") -> Message:
    return channels.say(unsaid(channel, thread, author="you", text=text, only_for=only_for))


def test_messages_said_in_one_moment_keep_their_order_and_have_names_of_their_own(channels: Channels) -> None:
    said = [say(channels).id for _ in range(50)]
    assert said == sorted(set(said))


def test_a_name_is_none_of_an_earlier_run() -> None:
    clock = Clock()
    first = say(Channels(clock.now)).id
    clock.pass_by(1)
    assert say(Channels(clock.now)).id > first


def test_a_private_message_is_seen_by_one(channels: Channels) -> None:
    say(channels, "secret", only_for="you")
    assert [m.text for m in channels.seen("mail", "you")] == ["secret"]
    assert channels.seen("mail", "somebody") == []


def test_a_thread_is_its_root_and_its_replies_and_a_broadcast_is_seen_outside_too(channels: Channels) -> None:
    root = say(channels, "root")
    say(channels, "reply", root.id)
    channels.say(unsaid("mail", root.id, card=Card("told to all"), broadcast=True))
    say(channels, "elsewhere")
    assert [m.text for m in channels.seen("mail", "you", root.id)] == ["root", "reply", ""]
    assert [m.text for m in channels.seen("mail", "you")] == ["root", "", "elsewhere"]
    assert channels.find("mail", root.id).replies == 2


def test_a_private_reply_counts_once_all_may_see_it(channels: Channels) -> None:
    root = say(channels)
    reply = say(channels, thread=root.id, only_for="you")
    assert channels.find("mail", root.id).replies == 0
    channels.change(replace(reply, only_for=""))
    channels.change(replace(reply, only_for="", text="again"))
    assert channels.find("mail", root.id).replies == 1


def test_what_is_too_old_is_gone_and_the_channel_says_so(channels: Channels) -> None:
    first = say(channels)
    for _ in range(MOST_MESSAGES - 1):
        say(channels)
    assert not channels.room("mail").forgot
    say(channels)
    assert channels.room("mail").forgot
    assert len(channels.room("mail").messages) == MOST_MESSAGES
    with pytest.raises(MessageGone):
        channels.change(first)
    with pytest.raises(MessageGone):
        say(channels, thread=first.id)


def test_a_thread_goes_with_its_root(channels: Channels) -> None:
    root = say(channels)
    reply = say(channels, thread=root.id)
    for _ in range(MOST_MESSAGES):
        say(channels)
    assert not {root.id, reply.id} & set(channels.room("mail").messages)


def test_a_long_thread_loses_its_oldest_replies_and_never_its_root(channels: Channels) -> None:
    root = say(channels)
    for number in range(MOST_MESSAGES * 2):
        say(channels, str(number), root.id)
    seen = channels.seen("mail", "you", root.id)
    assert (seen[0].id, len(seen), seen[-1].text) == (root.id, MOST_REPLIES + 1, str(MOST_MESSAGES * 2 - 1))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=1_500))
def test_no_history_makes_a_channel_grow_or_a_reply_lose_its_root(story: list[tuple[bool, int]]) -> None:
    channels = Channels(Clock().now)
    roots = [say(channels).id]
    for in_thread, which in story:
        try:
            said = say(channels, thread=roots[-which % len(roots)] if in_thread else "")
        except MessageGone:
            continue
        roots += [] if in_thread else [said.id]
    held = channels.room("mail").messages
    assert len(held) <= MOST_MESSAGES
    assert {m.thread for m in held.values()} - {""} <= set(held)


@pytest.mark.parametrize("channel", ["", "nowhere", "../mail", "x" * 10_000])
def test_there_are_no_other_channels(channel: str, channels: Channels) -> None:
    with pytest.raises(RoomGone):
        say(channels, channel=channel)


def test_a_listener_hears_what_it_missed_and_what_comes(channels: Channels) -> None:
    for text in "abc":
        say(channels, text)
    with channels.listening(1) as (missed, listener):
        say(channels, "d")
        assert [news.message.text for news in missed] == ["b", "c"]
        news = listener.news.get_nowait()
        assert news
        assert (news.number, news.message.text, news.new, listener.behind) == (4, "d", True, False)
    assert channels.listeners == 0


@pytest.mark.parametrize("after", [-1, 0, MOST_NEWS * 9])
def test_a_page_that_missed_too_much_has_to_look_anew(after: int, channels: Channels) -> None:
    for _ in range(MOST_NEWS + 1):
        say(channels)
    with channels.listening(after) as (_, listener):
        assert listener.behind


def test_a_page_that_is_too_slow_has_to_look_anew_and_holds_up_nobody(channels: Channels) -> None:
    with channels.listening(0) as (_, slow), channels.listening(0) as (_, quick):
        for _ in range(MOST_WAITING + 1):
            say(channels)
            quick.news.get_nowait()
        assert (slow.behind, quick.behind) == (True, False)
        assert slow.news.qsize() == MOST_WAITING
