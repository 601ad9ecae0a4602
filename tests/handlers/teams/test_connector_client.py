"""Retries, timeouts and errors of the Bot Connector, in virtual time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import httpx
import pytest

from bot.storage import StoreUnavailable
from handlers.message import Card, Tone
from handlers.ports import (
    Channel,
    ChannelUnavailable,
    DeliveryUnknown,
    HistoryUnavailable,
    MessageNotFound,
    Rejected,
    RetryAfter,
)
from handlers.teams.cloud import Cloud
from handlers.teams.connector_client import ConnectorClient, retry_after_s
from handlers.teams.conversation_references import ConversationReference, ConversationType
from handlers.teams.outbound_auth import Credentials, TokenSource
from handlers.teams.throttle import TeamsTimeouts
from tests.handlers.teams.conftest import Tenant
from tests.support.fake_microsoft import DOWN
from tests.support.teams_activities import BOT, CHANNEL, CLIENT_ID, TEAM, TENANT, message

ALERT = Card("203.0.113.5 is on Example List", Tone.BAD, "Ask for removal.")
ROOM = Channel("teams", TENANT, CHANNEL)


async def settle(tenant: Tenant, **other: str) -> None:
    known = ConversationReference(TENANT, CHANNEL, ConversationType.CHANNEL, tenant.service, BOT, TEAM)
    await tenant.conversations.store(ConversationReference.from_record({**known.to_record(), **other}))


QUESTION = "203.0.113.5 example.com"


async def requested(tenant: Tenant, *mishaps: tuple[int, dict[str, str]]) -> None:
    """A person asks, and Teams has a bad day."""
    await tenant.send(message(QUESTION, tenant.service))
    tenant.microsoft.mishaps = [*mishaps]
    await tenant.run_job()


@pytest.mark.parametrize(("status", "first"), [(412, 1.0), (429, 1.0), (502, 0.5), (504, 0.5)])
async def test_answer_is_retried_after_transient_errors(status: int, first: float, tenant: Tenant) -> None:
    await requested(tenant, *[(status, {})] * 3)
    assert len(tenant.microsoft.said) == 1
    assert tenant.slept == [first, 1.0, 2.0]


async def test_retry_waits_for_retry_after(tenant: Tenant) -> None:
    await requested(tenant, (429, {"Retry-After": "7"}))
    assert len(tenant.microsoft.said) == 1
    assert tenant.slept == [pytest.approx(7.0, abs=1e-3)]


@pytest.mark.parametrize(("status", "calls"), [(502, 5), (403, 1), (404, 1)])
async def test_retries_are_limited_and_skip_unavailable_channels(status: int, calls: int, tenant: Tenant) -> None:
    await requested(tenant, *[(status, {})] * 9)
    assert tenant.microsoft.said == []
    assert tenant.microsoft.calls["connector"] == calls


MEANINGS = [
    (400, Rejected),
    (403, ChannelUnavailable),
    (404, ChannelUnavailable),
    (412, RetryAfter),
    (413, Rejected),
    (429, RetryAfter),
    (500, DeliveryUnknown),
    (502, DeliveryUnknown),
    (503, DeliveryUnknown),
    (504, DeliveryUnknown),
]


@pytest.mark.parametrize(("status", "meaning"), MEANINGS)
async def test_post_is_tried_once_and_raises_its_error(status: int, meaning: type[Exception], tenant: Tenant) -> None:
    await settle(tenant)
    tenant.microsoft.mishaps = [(status, {})] * 9
    with pytest.raises(meaning, match=f"status {status} Mishap"):
        await tenant.teams.post(ROOM, ALERT)
    assert tenant.microsoft.calls["connector"] == (2 if meaning is Rejected else 1)
    assert tenant.slept == []


async def test_rate_limited_post_raises_retry_after(tenant: Tenant) -> None:
    await settle(tenant)
    tenant.microsoft.mishaps = [(429, {"Retry-After": "120"})]
    with pytest.raises(RetryAfter) as first:
        await tenant.teams.post(ROOM, ALERT)
    with pytest.raises(RetryAfter) as second:
        await tenant.teams.post(ROOM, ALERT)
    assert (first.value.seconds, second.value.seconds) == (120.0, pytest.approx(120.0, abs=1e-3))
    assert (tenant.microsoft.calls["connector"], tenant.slept) == (1, [])


async def test_post_to_unknown_conversation_is_channel_unavailable(tenant: Tenant) -> None:
    with pytest.raises(ChannelUnavailable):
        await tenant.teams.post(ROOM, ALERT)


async def test_unavailable_store_is_retry_after(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unavailable(_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(tenant.conversations, "get", unavailable)
    with pytest.raises(RetryAfter, match="store"):
        await tenant.teams.post(ROOM, ALERT)


@pytest.mark.parametrize("kind", ["update", "reply"])
async def test_missing_message_is_not_channel_unavailable(kind: str, tenant: Tenant) -> None:
    await settle(tenant)
    tenant.microsoft.mishaps = [(404, {})]
    with pytest.raises(MessageNotFound):
        await (tenant.teams.update(ROOM, "17", ALERT) if kind == "update" else tenant.teams.post(ROOM, ALERT, "17"))


@pytest.mark.parametrize("status", [400, 413])
async def test_rejected_card_is_sent_as_plain_text(status: int, tenant: Tenant) -> None:
    await settle(tenant)
    tenant.microsoft.mishaps = [(status, {})]
    root = await tenant.teams.post(ROOM, ALERT)
    tenant.microsoft.mishaps = [(status, {})]
    await tenant.teams.update(ROOM, root, ALERT)
    for said in tenant.microsoft.said:
        assert said.payload["text"] == "✕ 203.0.113.5 is on Example List\n\nAsk for removal."


async def test_find_raises_history_unavailable(tenant: Tenant) -> None:
    with pytest.raises(HistoryUnavailable):
        await tenant.teams.find(ROOM, "key", datetime(2026, 11, 24, tzinfo=UTC))


async def test_notify_user_posts_in_personal_chat(tenant: Tenant) -> None:
    await settle(tenant)
    await tenant.teams.notify_user(ROOM, "29:ada", ALERT)
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


async def test_alert_posts_replies_in_thread_and_edits_root(tenant: Tenant) -> None:
    await settle(tenant)
    root = await tenant.teams.post(ROOM, ALERT)
    assert await tenant.teams.post(ROOM, Card("Now on Another List, too"), root) != root
    await tenant.teams.update(ROOM, root, Card("203.0.113.5 is on no list any more", Tone.GOOD))
    first, reply, change = tenant.microsoft.said
    assert (first.method, first.conversation, first.message) == ("POST", CHANNEL, root)
    assert (reply.method, reply.conversation) == ("POST", f"{CHANNEL};messageid={root}")
    assert (change.method, change.conversation, change.message) == ("PUT", CHANNEL, root)


async def test_chat_without_threads_posts_in_sequence(tenant: Tenant) -> None:
    await settle(tenant, kind="groupChat")
    root = await tenant.teams.post(ROOM, ALERT)
    await tenant.teams.post(ROOM, ALERT, root)
    assert {said.conversation for said in tenant.microsoft.said} == {CHANNEL}


async def test_token_is_reused_and_renewed_when_rejected(tenant: Tenant) -> None:
    await settle(tenant)
    await tenant.teams.post(ROOM, ALERT)
    await tenant.teams.post(ROOM, ALERT)
    assert tenant.microsoft.calls["login"] == 1
    tenant.microsoft.mishaps = [(401, {})]
    await tenant.teams.post(ROOM, ALERT)
    assert (tenant.microsoft.calls["login"], len(tenant.microsoft.said)) == (2, 3)


async def test_token_is_renewed_before_expiry(tenant: Tenant) -> None:
    await settle(tenant)
    for later in (0.0, 3_000.0, 400.0):
        tenant.slept.append(later)
        await tenant.teams.post(ROOM, ALERT)
    assert tenant.microsoft.calls["login"] == 2


async def test_rejected_credentials_are_one_sentence(tenant: Tenant) -> None:
    await settle(tenant)
    tenant.microsoft.login_error = "invalid_client"
    with pytest.raises(RetryAfter, match="make a new client secret"):
        await tenant.teams.post(ROOM, ALERT)
    assert tenant.microsoft.calls == {"login": 1}


async def test_connect_error_is_retry_after(tenant: Tenant) -> None:
    await settle(tenant, service_url=DOWN)
    with pytest.raises(RetryAfter, match="ConnectError"):
        await tenant.teams.post(ROOM, ALERT)


async def test_timeout_is_delivery_unknown(tenant: Tenant) -> None:
    async with await asyncio.start_server(hangs_up, "127.0.0.1", 0) as server:
        service = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with httpx.AsyncClient() as http:
            login = TokenSource(http, Credentials(CLIENT_ID), TeamsTimeouts())
            connector = ConnectorClient(http, login, Cloud(services=frozenset({service})), TeamsTimeouts())
            with pytest.raises(DeliveryUnknown, match="no answer"):
                await connector.post(
                    ConversationReference(TENANT, CHANNEL, ConversationType.CHANNEL, service, BOT), {"type": "message"}
                )


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.close()


async def test_stored_service_url_is_checked_before_login(tenant: Tenant) -> None:
    await settle(tenant, service_url="https://evil.example/")
    with pytest.raises(ChannelUnavailable, match="service address"):
        await tenant.teams.post(ROOM, ALERT)
    assert tenant.microsoft.calls == {}


async def test_alert_burst_stays_within_the_rate(tenant: Tenant) -> None:
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
def test_retry_after_is_a_number_or_a_date(header: str, wait: float) -> None:
    assert retry_after_s(header, 1_700_000_000.0) == wait
