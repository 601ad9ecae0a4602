"""What Teams sends, read: commands as they were typed, the thread they belong to, and shapes nobody foresaw."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.teams.conversation_references import Kind
from handlers.teams.requests import (
    Errand,
    Sent,
    as_typed,
    conversation_of,
    departed,
    from_button,
    from_message,
    is_arrival,
    is_stranger,
    tenant_of,
)
from tests.support.teams_activities import (
    BOT,
    CHANNEL,
    PERSONAL,
    TEAM,
    TENANT,
    Activity,
    activity,
    in_channel,
    in_group,
    mention,
    message,
    press,
)

SERVICE = "https://smba.trafficmanager.net/emea/"
QUESTION = "203.0.113.5 example.com"


@pytest.mark.parametrize(
    ("sent", "typed"),
    [
        ("<at>mailcheck</at>&nbsp;203.0.113.5 example.com", QUESTION),
        ("<at>mailcheck</at> 203.0.113.5\u00a0\u00a0example.com&nbsp;", QUESTION),
        ('<at id="0">mail check</at>203.0.113.5 <b>example.com</b>\r\n', QUESTION),
        ('<p>203.0.113.5 <a href="http://example.com">example.com</a></p>', QUESTION),
        (
            "<div>bounce 550 5.7.1</div><div>see &lt;here&gt; &amp;amp; there</div>",
            "bounce 550 5.7.1\nsee <here> &amp; there",
        ),
        ("headers<br/>Return-Path: <bounce@example.com>", "headers\nReturn-Path: <bounce@example.com>"),
        ("&lt;at&gt;mailcheck&lt;/at&gt; x", "<at>mailcheck</at> x"),
        ("  ", ""),
    ],
)
def test_a_message_is_read_as_it_was_typed(sent: str, typed: str) -> None:
    assert as_typed(sent) == typed


@given(st.text(alphabet="<at>/ &;nbsp\u00a0x\n\"'", max_size=200))
def test_no_no_break_space_or_mention_is_left(text: str) -> None:
    typed = as_typed(f"<at>mailcheck</at>{text}")
    assert "\u00a0" not in typed
    assert not typed.startswith("<at>mailcheck")


@pytest.mark.parametrize(
    ("place", "kind", "thread"),
    [({}, Kind.PERSONAL, ""), (in_group(), Kind.GROUP, ""), (in_channel("17"), Kind.CHANNEL, "17")],
)
def test_the_answer_belongs_where_the_question_was(place: Activity, kind: Kind, thread: str) -> None:
    errand = from_message(mention(QUESTION, SERVICE, **place))
    assert errand is not None
    assert (errand.text, errand.conversation.kind, errand.thread) == (QUESTION, kind, thread)
    assert (errand.ask.room.platform, errand.ask.room.space) == ("teams", TENANT)


def test_a_thread_is_an_address_in_a_channel_and_nowhere_else() -> None:
    channel, group = (
        conversation_of(mention("", SERVICE, **in_channel("17"))),
        conversation_of(mention("", SERVICE, **in_group())),
    )
    assert channel is not None
    assert group is not None
    assert (channel.thread("17"), channel.thread("")) == (f"{CHANNEL};messageid=17", CHANNEL)
    assert group.thread("17") == group.id


@pytest.mark.parametrize(
    "sent",
    [
        message(QUESTION, SERVICE, **in_channel("17")),
        message(QUESTION, SERVICE, **in_group()),
        message(QUESTION, SERVICE) | {"text": None, "value": {"command": "check example.com"}},
        message(QUESTION, SERVICE) | {"from": {"id": "28:other", "role": "bot"}},
        message(QUESTION, SERVICE) | {"from": {}},
        message(QUESTION, SERVICE) | {"conversation": {"conversationType": "personal"}},
        message(QUESTION, SERVICE) | {"conversation": {"id": "1", "conversationType": "of a kind to come"}},
    ],
)
def test_what_is_not_for_the_bot_is_no_errand(sent: Activity) -> None:
    assert from_message(sent) is None


def test_a_slash_command_needs_no_mention() -> None:
    sent = message(QUESTION, SERVICE, **in_channel()) | {"recipient": {"id": BOT, "isTargeted": True}}
    assert from_message(sent) is not None


@pytest.mark.parametrize("typed", [f"private {QUESTION}", f"{QUESTION} Private"])
def test_private_is_for_conversations_with_others(typed: str) -> None:
    among, alone = from_message(mention(typed, SERVICE, **in_channel())), from_message(message(typed, SERVICE))
    assert among is not None
    assert alone is not None
    assert (among.text, among.private) == (QUESTION, True)
    assert (alone.text, alone.private) == (QUESTION, False)


@pytest.mark.parametrize(
    ("data", "text", "place"),
    [
        ({"command": "ack 1"}, "ack 1", ""),
        ({"command": "check example.com fresh", "in_place": True}, "check example.com fresh", "42"),
        ({"command": "check example.com fresh", "in_place": "yes"}, "check example.com fresh", ""),
        ({"command": "mute 1", "choice": "24h"}, "mute 1 24h", ""),
        ({"command": "mute 1", "choice": {}}, "mute 1", ""),
    ],
)
def test_a_button_says_where_its_answer_goes_and_what_was_chosen(data: Activity, text: str, place: str) -> None:
    errand = from_button(press({"verb": "x", "data": data}, SERVICE, "42", **in_channel("17")))
    assert errand is not None
    assert (errand.text, errand.thread, errand.pressed) == (text, "17", "42")
    assert errand.ask.place == place


def test_what_is_pressed_outside_of_a_thread_is_answered_below_it() -> None:
    errand = from_button(press({"verb": "x", "data": {"command": "ack 1"}}, SERVICE, "42", **in_channel()))
    assert errand is not None
    assert errand.thread == "42"


@pytest.mark.parametrize("place", [{}, in_channel("17"), in_group()])
def test_an_errand_survives_the_queue(place: Activity) -> None:
    errand = from_message(mention(f"private {QUESTION}", SERVICE, **place))
    assert errand is not None
    assert Errand.of(errand.job()) == errand


def update(**more: Any) -> Activity:
    return activity("conversationUpdate", SERVICE, **more)


ARRIVALS = [
    (activity("installationUpdate", SERVICE, action="add"), True),
    (activity("installationUpdate", SERVICE, action="add-upgrade"), False),
    (activity("installationUpdate", SERVICE, action="remove"), False),
    (update(membersAdded=[{"id": "29:ada"}, {"id": BOT}]), True),
    (update(membersAdded=[{"id": "29:ada"}]), False),
    (update(membersAdded="everybody"), False),
    (update() | {"recipient": {}, "membersAdded": [{}]}, False),
]


@pytest.mark.parametrize(("sent", "arrived"), ARRIVALS)
def test_an_arrival_is_the_bots_own_and_no_upgrade(sent: Activity, arrived: bool) -> None:
    assert is_arrival(sent) is arrived


def in_team(event: str) -> dict[str, Any]:
    return {
        "channelData": {"eventType": event, "team": {"id": TEAM}, "channel": {"id": CHANNEL}, "tenant": {"id": TENANT}}
    }


@pytest.mark.parametrize(
    ("sent", "gone"),
    [
        (activity("installationUpdate", SERVICE, action="remove"), PERSONAL),
        (activity("installationUpdate", SERVICE, action="remove", **in_channel()), TEAM),
        (activity("installationUpdate", SERVICE, action="remove-upgrade", **in_channel()), ""),
        (update(membersRemoved=[{"id": BOT}], **in_channel()), TEAM),
        (update(membersRemoved=[{"id": "29:ada"}], **in_channel()), ""),
        (update(**in_team("channelDeleted")), CHANNEL),
        (update(**in_team("teamDeleted")), TEAM),
        (update(**in_team("teamHardDeleted")), TEAM),
        (update(**in_team("channelRenamed")), ""),
    ],
)
def test_what_is_gone_is_the_channel_the_team_or_the_chat(sent: Activity, gone: str) -> None:
    assert departed(sent) == gone


@pytest.mark.parametrize(
    ("change", "stranger"),
    [
        ({}, False),
        ({"channelData": {}}, False),
        ({"channelData": {"tenant": {"id": "another"}}}, True),
        ({"from": {"id": "29:bob", "name": "Bob"}}, True),
    ],
    ids=["one of us", "nothing said", "of another tenant", "without an account"],
)
def test_a_stranger_is_of_another_tenant_than_the_conversation(change: Activity, stranger: bool) -> None:
    sent = mention(QUESTION, SERVICE, **in_channel("17")) | change
    errand = from_message(sent)
    assert errand is not None
    assert (errand.ask.stranger, tenant_of(sent)) == (stranger, TENANT)


NAMES = ("type", "id", "text", "from", "recipient", "conversation", "channelData", "value", "action", "data", "command")
MORE = (
    "entities",
    "mentioned",
    "membersAdded",
    "membersRemoved",
    "tenant",
    "team",
    "channel",
    "name",
    "replyToId",
    "tenantId",
    "attachments",
    "contentType",
    "content",
    "downloadUrl",
)
leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([PERSONAL, BOT, "message"])
shapes = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES + MORE), inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES + MORE), shapes, max_size=8))
def test_an_activity_of_any_shape_is_read(sent: Sent) -> None:
    for read in (conversation_of, from_message, from_button, is_arrival, departed, is_stranger, tenant_of):
        read(sent)
