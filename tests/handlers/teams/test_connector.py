"""Teams' bad days: what is tried again, what is given up, and how long anybody waits. No test waits itself."""

from __future__ import annotations

import pytest

from handlers.card import Card, Tone
from handlers.platform import Room
from handlers.teams.connector import MessageGone, NotSaid, RoomGone, seconds
from handlers.teams.conversations import Conversation, Kind
from handlers.teams.pace import A_CONVERSATION, Turns
from tests.handlers.teams.conftest import Tenant
from tests.handlers.teams.fake_microsoft import DOWN
from tests.handlers.teams.sent import BOT, CHANNEL, TEAM, TENANT

ALERT = Card("203.0.113.5 is on Example List", Tone.BAD, "Ask for removal.")
ROOM = Room("teams", TENANT, CHANNEL)


async def settle(tenant: Tenant, **other: str) -> None:
    known = Conversation(TENANT, CHANNEL, Kind.CHANNEL, tenant.service, BOT, TEAM)
    await tenant.conversations.remember(Conversation.of({**known.record(), **other}))


@pytest.mark.parametrize("status", [412, 429, 502, 504])
async def test_what_teams_asks_to_repeat_is_repeated(status: int, tenant: Tenant) -> None:
    await settle(tenant)
    tenant.microsoft.mishaps = [(status, {})] * 3
    root = await tenant.teams.post(ROOM, ALERT)
    assert [said.message for said in tenant.microsoft.said] == [root]
    assert tenant.slept == [0.5, 1.0, 2.0]


async def test_a_retry_after_is_kept_to_the_second(tenant: Tenant) -> None:
    await settle(tenant)
    tenant.microsoft.mishaps = [(429, {"Retry-After": "7"})]
    await tenant.teams.post(ROOM, ALERT)
    assert tenant.slept == [pytest.approx(7.0, abs=1e-3)]


async def test_a_retry_after_holds_up_one_conversation_and_no_other() -> None:
    clock = [1_700_000_000.0]
    turns = Turns(A_CONVERSATION, lambda: clock[0])
    turns.rest("told to wait", 30.0)
    assert (turns.take("another"), turns.take("told to wait")) == (0.0, pytest.approx(30.0))


@pytest.mark.parametrize("status", [403, 404])
async def test_a_closed_room_is_told_at_once_so_that_its_watches_can_pause(status: int, tenant: Tenant) -> None:
    await settle(tenant)
    tenant.microsoft.mishaps = [(status, {})] * 9
    with pytest.raises(RoomGone, match=f"status {status} Mishap"):
        await tenant.teams.post(ROOM, ALERT)
    assert tenant.microsoft.calls["connector"] == 1


async def test_a_room_that_was_never_heard_of_is_gone(tenant: Tenant) -> None:
    with pytest.raises(RoomGone):
        await tenant.teams.post(ROOM, ALERT)


async def test_a_message_that_was_deleted_is_not_a_room_that_is_gone(tenant: Tenant) -> None:
    await settle(tenant)
    tenant.microsoft.mishaps = [(404, {})]
    with pytest.raises(MessageGone) as gone:
        await tenant.teams.update(ROOM, "17", ALERT)
    assert not isinstance(gone.value, RoomGone)


async def test_five_tries_and_no_more(tenant: Tenant) -> None:
    await settle(tenant)
    tenant.microsoft.mishaps = [(502, {})] * 9
    with pytest.raises(NotSaid, match="status 502"):
        await tenant.teams.post(ROOM, ALERT)
    assert tenant.microsoft.calls["connector"] == 5


@pytest.mark.parametrize("status", [400, 413])
async def test_a_card_that_teams_refuses_is_said_in_words(status: int, tenant: Tenant) -> None:
    await settle(tenant)
    tenant.microsoft.mishaps = [(status, {})]
    await tenant.teams.post(ROOM, ALERT)
    [said] = tenant.microsoft.said
    assert said.payload["text"] == "✕ 203.0.113.5 is on Example List\n\nAsk for removal."


async def test_an_alert_has_a_root_replies_in_its_thread_and_changes_in_place(tenant: Tenant) -> None:
    await settle(tenant)
    root = await tenant.teams.post(ROOM, ALERT)
    assert await tenant.teams.post(ROOM, Card("Now on Another List, too"), root) == root
    await tenant.teams.update(ROOM, root, Card("203.0.113.5 is on no list any more", Tone.GOOD))
    first, reply, change = tenant.microsoft.said
    assert (first.method, first.conversation, first.message) == ("POST", CHANNEL, root)
    assert (reply.method, reply.conversation) == ("POST", f"{CHANNEL};messageid={root}")
    assert (change.method, change.conversation, change.message) == ("PUT", CHANNEL, root)


async def test_in_a_chat_without_threads_everything_is_said_below_each_other(tenant: Tenant) -> None:
    await settle(tenant, kind="groupChat")
    root = await tenant.teams.post(ROOM, ALERT)
    await tenant.teams.post(ROOM, ALERT, root)
    assert {said.conversation for said in tenant.microsoft.said} == {CHANNEL}


async def test_one_token_serves_many_messages_and_is_renewed_when_refused(tenant: Tenant) -> None:
    await settle(tenant)
    await tenant.teams.post(ROOM, ALERT)
    await tenant.teams.post(ROOM, ALERT)
    assert tenant.microsoft.calls["login"] == 1
    tenant.microsoft.mishaps = [(401, {})]
    await tenant.teams.post(ROOM, ALERT)
    assert (tenant.microsoft.calls["login"], len(tenant.microsoft.said)) == (2, 3)


async def test_a_token_is_renewed_before_it_ends(tenant: Tenant) -> None:
    await settle(tenant)
    for later in (0.0, 3_000.0, 400.0):
        tenant.slept.append(later)
        await tenant.teams.post(ROOM, ALERT)
    assert tenant.microsoft.calls["login"] == 2


async def test_credentials_that_microsoft_refuses_are_told_in_a_sentence(tenant: Tenant) -> None:
    await settle(tenant)
    tenant.microsoft.login_error = "invalid_client"
    with pytest.raises(NotSaid, match="make a new client secret"):
        await tenant.teams.post(ROOM, ALERT)
    assert tenant.microsoft.calls == {"login": 1}


async def test_a_service_that_is_down_is_tried_again_and_given_up(tenant: Tenant) -> None:
    await settle(tenant, service_url=DOWN)
    with pytest.raises(NotSaid, match="ConnectError"):
        await tenant.teams.post(ROOM, ALERT)
    assert tenant.slept == [0.5, 1.0, 2.0, 4.0]


async def test_a_remembered_address_is_checked_again_before_a_token_is_fetched(tenant: Tenant) -> None:
    await settle(tenant, service_url="https://evil.example/")
    with pytest.raises(NotSaid, match="service address"):
        await tenant.teams.post(ROOM, ALERT)
    assert tenant.microsoft.calls == {}


def test_three_at_once_and_then_one_a_second() -> None:
    clock = [1_700_000_000.0]
    turns = Turns(A_CONVERSATION, lambda: clock[0])
    assert [turns.take("a") for _ in range(6)] == [0.0, 0.0, 0.0, 1.0, 2.0, 3.0]
    assert turns.take("b") == 0.0
    clock[0] += 60.0
    assert [turns.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]


def test_a_flood_of_conversations_does_not_fill_the_memory() -> None:
    turns = Turns(A_CONVERSATION, lambda: 0.0)
    for number in range(turns.MOST + 100):
        turns.take(str(number))
    assert len(turns._free_at) == turns.MOST


async def test_an_alert_storm_in_a_conversation_keeps_to_its_pace(tenant: Tenant) -> None:
    await settle(tenant)
    said_at = []
    for _ in range(10):
        await tenant.teams.post(ROOM, ALERT)
        said_at.append(sum(tenant.slept))
    assert said_at == [pytest.approx(at, abs=1e-3) for at in (0, 0, 0, 1, 2, 3, 4, 5, 6, 7)]


@pytest.mark.parametrize(
    ("header", "wait"),
    [("7", 7.0), ("0", 0.0), ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0), ("soon", None), ("", None), ("-3", None)],
)
def test_a_retry_after_is_a_number_or_a_date(header: str, wait: float | None) -> None:
    assert seconds(header, 1_700_000_000.0) == wait
