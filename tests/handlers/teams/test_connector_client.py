"""Teams' bad days: what is tried again, what is given up, and how long anybody waits. No test waits itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import httpx
import pytest

from handlers.message import Card, Tone
from handlers.ports import Blind, Later, MessageGone, Rejected, Room, RoomGone, Unsure
from handlers.teams.cloud import Cloud
from handlers.teams.connector_client import Connector, seconds
from handlers.teams.conversation_references import Conversation, Kind
from handlers.teams.outbound_auth import Credentials, Login
from handlers.teams.throttle import A_CONVERSATION, Pace, Turns
from tests.handlers.teams.conftest import Tenant
from tests.support.fake_microsoft import DOWN
from tests.support.teams_activities import BOT, CHANNEL, CLIENT_ID, TEAM, TENANT, message

ALERT = Card("203.0.113.5 is on Example List", Tone.BAD, "Ask for removal.")
ROOM = Room("teams", TENANT, CHANNEL)


async def settle(tenant: Tenant, **other: str) -> None:
    known = Conversation(TENANT, CHANNEL, Kind.CHANNEL, tenant.service, BOT, TEAM)
    await tenant.conversations.remember(Conversation.of({**known.record(), **other}))


QUESTION = "203.0.113.5 example.com"


async def asked(tenant: Tenant, *mishaps: tuple[int, dict[str, str]]) -> None:
    """A person asks, and Teams has a bad day."""
    await tenant.send(message(QUESTION, tenant.service))
    tenant.microsoft.mishaps = [*mishaps]
    await tenant.work()


@pytest.mark.parametrize(("status", "first"), [(412, 1.0), (429, 1.0), (502, 0.5), (504, 0.5)])
async def test_a_person_who_waits_is_answered_after_a_few_tries(status: int, first: float, tenant: Tenant) -> None:
    await asked(tenant, *[(status, {})] * 3)
    assert len(tenant.microsoft.said) == 1
    assert tenant.slept == [first, 1.0, 2.0]


async def test_a_retry_after_is_kept_to_the_second(tenant: Tenant) -> None:
    await asked(tenant, (429, {"Retry-After": "7"}))
    assert len(tenant.microsoft.said) == 1
    assert tenant.slept == [pytest.approx(7.0, abs=1e-3)]


@pytest.mark.parametrize(("status", "calls"), [(502, 5), (403, 1), (404, 1)])
async def test_tries_have_an_end_and_a_closed_room_gets_none(status: int, calls: int, tenant: Tenant) -> None:
    await asked(tenant, *[(status, {})] * 9)
    assert tenant.microsoft.said == []
    assert tenant.microsoft.calls["connector"] == calls


async def test_a_retry_after_holds_up_one_conversation_and_no_other() -> None:
    turns = Turns(A_CONVERSATION, lambda: 1_700_000_000.0)
    turns.rest("told to wait", 30.0)
    assert (turns.wait("another"), turns.wait("told to wait")) == (0.0, pytest.approx(30.0))


MEANINGS = [
    (400, Rejected),
    (403, RoomGone),
    (404, RoomGone),
    (412, Later),
    (413, Rejected),
    (429, Later),
    (500, Unsure),
    (502, Unsure),
    (503, Unsure),
    (504, Unsure),
]


@pytest.mark.parametrize(("status", "meaning"), MEANINGS)
async def test_what_is_said_unasked_is_tried_once_and_the_answer_is_named(
    status: int, meaning: type[Exception], tenant: Tenant
) -> None:
    await settle(tenant)
    tenant.microsoft.mishaps = [(status, {})] * 9
    with pytest.raises(meaning, match=f"status {status} Mishap"):
        await tenant.teams.post(ROOM, ALERT)
    assert tenant.microsoft.calls["connector"] == (2 if meaning is Rejected else 1)
    assert tenant.slept == []


async def test_a_sender_is_told_how_long_to_wait_and_not_made_to(tenant: Tenant) -> None:
    await settle(tenant)
    tenant.microsoft.mishaps = [(429, {"Retry-After": "120"})]
    with pytest.raises(Later) as first:
        await tenant.teams.post(ROOM, ALERT)
    with pytest.raises(Later) as second:
        await tenant.teams.post(ROOM, ALERT)
    assert (first.value.seconds, second.value.seconds) == (120.0, pytest.approx(120.0, abs=1e-3))
    assert (tenant.microsoft.calls["connector"], tenant.slept) == (1, [])


async def test_a_room_that_was_never_heard_of_is_gone(tenant: Tenant) -> None:
    with pytest.raises(RoomGone):
        await tenant.teams.post(ROOM, ALERT)


async def test_a_store_that_is_away_closes_no_room(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(tenant.conversations, "recall", away)
    with pytest.raises(Later, match="store"):
        await tenant.teams.post(ROOM, ALERT)


@pytest.mark.parametrize("kind", ["update", "reply"])
async def test_a_message_that_was_deleted_is_not_a_room_that_is_gone(kind: str, tenant: Tenant) -> None:
    await settle(tenant)
    tenant.microsoft.mishaps = [(404, {})]
    with pytest.raises(MessageGone):
        await (tenant.teams.update(ROOM, "17", ALERT) if kind == "update" else tenant.teams.post(ROOM, ALERT, "17"))


@pytest.mark.parametrize("status", [400, 413])
async def test_a_card_that_teams_refuses_is_said_in_words(status: int, tenant: Tenant) -> None:
    await settle(tenant)
    tenant.microsoft.mishaps = [(status, {})]
    root = await tenant.teams.post(ROOM, ALERT)
    tenant.microsoft.mishaps = [(status, {})]
    await tenant.teams.update(ROOM, root, ALERT)
    for said in tenant.microsoft.said:
        assert said.payload["text"] == "✕ 203.0.113.5 is on Example List\n\nAsk for removal."


async def test_teams_cannot_be_asked_what_stands_there(tenant: Tenant) -> None:
    with pytest.raises(Blind):
        await tenant.teams.find(ROOM, "key", datetime(2026, 11, 24, tzinfo=UTC))


async def test_one_person_is_told_in_a_chat_of_their_own(tenant: Tenant) -> None:
    await settle(tenant)
    await tenant.teams.tell(ROOM, "29:ada", ALERT)
    assert tenant.microsoft.opened == [
        {
            "isGroup": False,
            "bot": {"id": BOT},
            "members": [{"id": "29:ada"}],
            "tenantId": TENANT,
            "channelData": {"tenant": {"id": TENANT}},
        }
    ]
    assert [said.conversation for said in tenant.microsoft.said] == ["a:alone"]


async def test_an_alert_has_a_root_replies_in_its_thread_and_changes_in_place(tenant: Tenant) -> None:
    await settle(tenant)
    root = await tenant.teams.post(ROOM, ALERT)
    assert await tenant.teams.post(ROOM, Card("Now on Another List, too"), root) != root
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
    with pytest.raises(Later, match="make a new client secret"):
        await tenant.teams.post(ROOM, ALERT)
    assert tenant.microsoft.calls == {"login": 1}


async def test_a_service_that_is_down_was_not_told(tenant: Tenant) -> None:
    await settle(tenant, service_url=DOWN)
    with pytest.raises(Later, match="ConnectError"):
        await tenant.teams.post(ROOM, ALERT)


async def test_an_answer_that_never_comes_leaves_it_open(tenant: Tenant) -> None:
    async with await asyncio.start_server(hangs_up, "127.0.0.1", 0) as server:
        service = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with httpx.AsyncClient() as http:
            login = Login(http, Credentials(CLIENT_ID), Pace())
            connector = Connector(http, login, Cloud(services=frozenset({service})), Pace())
            with pytest.raises(Unsure, match="no answer"):
                await connector.say(Conversation(TENANT, CHANNEL, Kind.CHANNEL, service, BOT), {"type": "message"})


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.close()


async def test_a_remembered_address_is_checked_again_before_a_token_is_fetched(tenant: Tenant) -> None:
    await settle(tenant, service_url="https://evil.example/")
    with pytest.raises(RoomGone, match="service address"):
        await tenant.teams.post(ROOM, ALERT)
    assert tenant.microsoft.calls == {}


def test_three_at_once_and_then_one_a_second() -> None:
    clock = [1_700_000_000.0]
    turns = Turns(A_CONVERSATION, lambda: clock[0])

    def turn(key: str) -> float:
        wait = turns.wait(key)
        turns.take(key)
        return wait

    assert [turn("a") for _ in range(6)] == [0.0, 0.0, 0.0, 1.0, 2.0, 3.0]
    assert turn("b") == 0.0
    clock[0] += 60.0
    assert [turn("a") for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]


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
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Tue, 14 Nov 2023 22:13:10 GMT", 0.0),
        ("soon", 0.0),
        ("", 0.0),
        ("-3", 0.0),
    ],
)
def test_a_retry_after_is_a_number_or_a_date(header: str, wait: float) -> None:
    assert seconds(header, 1_700_000_000.0) == wait
