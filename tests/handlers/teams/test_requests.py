"""Reading Teams activities: command text, thread, and unexpected shapes."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.commands import VERBS
from handlers.teams.conversation_references import ConversationType
from handlers.teams.requests import (
    ActivityJson,
    TeamsRequest,
    conversation_of,
    from_action,
    from_message,
    is_added,
    is_external_sender,
    left_conversation,
    plain_command,
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
    card_action,
    in_channel,
    in_group,
    mention,
    message,
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
def test_message_markup_is_removed(sent: str, typed: str) -> None:
    assert plain_command(sent) == typed


@given(st.text(alphabet="<at>/ &;nbsp\u00a0x\n\"'", max_size=200))
def test_message_text_has_no_mention_or_nbsp(text: str) -> None:
    typed = plain_command(f"<at>mailcheck</at>{text}")
    assert "\u00a0" not in typed
    assert not typed.startswith("<at>mailcheck")


@pytest.mark.parametrize(
    ("place", "kind", "thread"),
    [
        ({}, ConversationType.PERSONAL, ""),
        (in_group(), ConversationType.GROUP, ""),
        (in_channel("17"), ConversationType.CHANNEL, "17"),
    ],
)
def test_request_has_thread_of_message(place: Activity, kind: ConversationType, thread: str) -> None:
    errand = from_message(mention(QUESTION, SERVICE, **place), VERBS)
    assert errand is not None
    assert (errand.command, errand.conversation.kind, errand.thread) == (VERBS.parse(QUESTION), kind, thread)
    assert (errand.chat_request.channel.platform, errand.chat_request.channel.workspace) == ("teams", TENANT)


def test_thread_id_exists_in_channels_only() -> None:
    channel, group = (
        conversation_of(mention("", SERVICE, **in_channel("17"))),
        conversation_of(mention("", SERVICE, **in_group())),
    )
    assert channel is not None
    assert group is not None
    assert (channel.thread_id("17"), channel.thread_id("")) == (f"{CHANNEL};messageid=17", CHANNEL)
    assert group.thread_id("17") == group.id


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
def test_message_not_for_bot_is_no_request(sent: Activity) -> None:
    assert from_message(sent, VERBS) is None


def test_slash_command_needs_no_mention() -> None:
    sent = message(QUESTION, SERVICE, **in_channel()) | {"recipient": {"id": BOT, "isTargeted": True}}
    assert from_message(sent, VERBS) is not None


@pytest.mark.parametrize("typed", [f"private {QUESTION}", f"{QUESTION} Private"])
def test_private_is_ignored_in_personal_chat(typed: str) -> None:
    among, alone = (
        from_message(mention(typed, SERVICE, **in_channel()), VERBS),
        from_message(message(typed, SERVICE), VERBS),
    )
    assert among is not None
    assert alone is not None
    assert among.command == VERBS.parse(f"{QUESTION} private")
    assert alone.command == VERBS.parse(QUESTION)


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
def test_action_carries_target_and_selection(data: Activity, text: str, place: str) -> None:
    errand = from_action(card_action({"verb": "x", "data": data}, SERVICE, "42", **in_channel("17")), VERBS)
    assert errand is not None
    assert (errand.command, errand.thread, errand.action_message) == (VERBS.parse(text), "17", "42")
    assert errand.chat_request.replaces == place


def test_action_outside_thread_is_answered_below() -> None:
    errand = from_action(card_action({"verb": "x", "data": {"command": "ack 1"}}, SERVICE, "42", **in_channel()), VERBS)
    assert errand is not None
    assert errand.thread == "42"


@pytest.mark.parametrize("place", [{}, in_channel("17"), in_group()])
def test_request_survives_the_queue(place: Activity) -> None:
    errand = from_message(mention(f"private {QUESTION}", SERVICE, **place), VERBS)
    assert errand is not None
    assert TeamsRequest.from_job(errand.to_job(VERBS), VERBS) == errand


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
def test_is_added_ignores_upgrades_and_other_members(sent: Activity, arrived: bool) -> None:
    assert is_added(sent) is arrived


def in_team(event: str) -> dict[str, Any]:
    return {
        "channelData": {"eventType": event, "team": {"id": TEAM}, "channel": {"id": CHANNEL}, "tenant": {"id": TENANT}}
    }


@pytest.mark.parametrize(
    ("sent", "removed"),
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
def test_left_conversation_is_channel_team_or_chat(sent: Activity, removed: str) -> None:
    assert left_conversation(sent) == removed


@pytest.mark.parametrize(
    ("change", "external"),
    [
        ({}, False),
        ({"channelData": {}}, False),
        ({"channelData": {"tenant": {"id": "another"}}}, True),
        ({"from": {"id": "29:bob", "name": "Bob"}}, True),
    ],
    ids=["one of us", "nothing said", "of another tenant", "without an account"],
)
def test_external_sender_is_of_another_tenant(change: Activity, external: bool) -> None:
    sent = mention(QUESTION, SERVICE, **in_channel("17")) | change
    errand = from_message(sent, VERBS)
    assert errand is not None
    assert (errand.chat_request.is_external, tenant_of(sent)) == (external, TENANT)


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
def test_activity_of_any_shape_is_accepted(sent: ActivityJson) -> None:
    for read in (
        conversation_of,
        lambda activity: from_message(activity, VERBS),
        lambda activity: from_action(activity, VERBS),
        is_added,
        left_conversation,
        is_external_sender,
        tenant_of,
    ):
        read(sent)
