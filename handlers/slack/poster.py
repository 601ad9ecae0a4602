"""Speaking in Slack unasked: alerts and their edits, and looking up what stands in a channel already.

The client repeats nothing by itself, because a message whose reply was lost may stand there; whoever calls decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from handlers.message import Card
from handlers.ports import Blind, Later, MessageGone, Rejected, Room, RoomGone, SpaceGone, Unsure
from handlers.slack.block_kit import Payload, message
from handlers.slack.clients import CALL_WITHIN_S, DRAWN_WRONG, NETWORK, reason
from handlers.slack.files import LOOKED_AT_AFTER_S, uploaded
from handlers.slack.responder import in_words, shown

Sleep = Callable[[float], Awaitable[None]]

EVENT = "mailcheck_alert"  # other apps of the workspace can read it: no secrets in its payload
CLOCKS_APART = timedelta(seconds=60)
PAGE, MOST_PAGES = 200, 10
NO_HEADER_S, UNREACHED_S, TOKEN_S = 30.0, 5.0, 300.0

# Slack's word for what went wrong → what it means (docs.slack.dev, chat.postMessage, chat.update, conversations.replies).
ROOM_GONE = (
    *("is_archived", "channel_not_found", "not_in_channel", "ekm_access_denied", "user_not_found"),
    *("restricted_action", "restricted_action_read_only_channel", "restricted_action_non_threadable_channel"),
)
SPACE_GONE = ("account_inactive", "token_revoked", "app_uninstalled", "team_not_found")
MESSAGE_GONE = ("thread_not_found", "message_not_found", "cant_update_message", "edit_window_closed")
NOT_KNOWN = ("internal_error", "fatal_error", "service_unavailable", "request_timeout")
OUR_TOKEN = ("invalid_auth", "not_authed", "token_expired")  # the environment's, which whoever runs the bot can mend
OUTCOMES: Mapping[str, type[Exception]] = {
    **dict.fromkeys(ROOM_GONE, RoomGone),
    **dict.fromkeys(SPACE_GONE, SpaceGone),
    **dict.fromkeys(MESSAGE_GONE, MessageGone),
    **dict.fromkeys(NOT_KNOWN, Unsure),
}

log = structlog.get_logger()


class Speaker:
    """Implements `Speaking`; `client` is that of a workspace. It must not retry, and give up within `Pace.call_within`."""

    def __init__(self, client: Callable[[str], Awaitable[AsyncWebClient]], sleep: Sleep = asyncio.sleep) -> None:
        self._client, self._sleep = client, sleep

    async def post(self, room: Room, card: Card, thread: str = "", key: str = "", broadcast: bool = False) -> str:
        """A card that Slack does not take as it is drawn is said without its picture, and then once in plain words. All this
        takes no longer than one call may, or nobody would know how long the message may still appear."""
        place: Payload = {"channel": room.channel} | ({"thread_ts": thread} if thread else {})
        place |= {"reply_broadcast": True} if thread and broadcast else {}
        place |= {"metadata": {"event_type": EVENT, "event_payload": {"key": key}}} if key else {}
        try:
            async with asyncio.timeout(CALL_WITHIN_S):
                return await self._post(room, card, place)
        except TimeoutError:
            raise Unsure("no answer in time") from None

    async def _post(self, room: Room, card: Card, place: Payload) -> str:
        client, drawn = await self._client(room.space), message(card)
        ways = [drawn, in_words(drawn)]
        if file := await uploaded(card, client):
            ways = [message(card, file), *ways]
            await self._sleep(LOOKED_AT_AFTER_S[0])
        for payload in ways:
            try:
                return str((await _called(client.chat_postMessage(**payload, **place)))["ts"])
            except Rejected as why:
                if not any(word in str(why) for word in DRAWN_WRONG):
                    raise
                refused = why
                log.error("slack refused how an alert was drawn", platform="slack", channel=room.channel, why=str(why))
        raise refused

    async def update(self, room: Room, message_id: str, card: Card) -> None:
        payload, client = message(card), await self._client(room.space)
        await _called(client.chat_update(channel=room.channel, ts=message_id, **shown(payload)))

    async def find(self, room: Room, key: str, since: datetime, thread: str = "") -> str | None:
        oldest = f"{(since - CLOCKS_APART).timestamp():.6f}"
        cursor: str | None = None
        client = await self._client(room.space)
        for _ in range(MOST_PAGES):
            try:
                page = await _called(_page(client, room.channel, thread, oldest, cursor))
            except Rejected as why:
                raise Blind(str(why)) from None
            messages: list[dict[str, Any]] = page.get("messages") or []
            for said in messages:
                if _key_of(said) == key:
                    return str(said["ts"])
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return None
        raise Blind(f"more than {PAGE * MOST_PAGES} messages since then")

    async def tell(self, room: Room, user: str, card: Card) -> None:
        client = await self._client(room.space)
        opened = await _called(client.conversations_open(users=user))
        await self.post(Room(room.platform, room.space, str(opened["channel"]["id"])), card)


def _page(
    client: AsyncWebClient, channel: str, thread: str, oldest: str, cursor: str | None
) -> Awaitable[AsyncSlackResponse]:
    window: dict[str, Any] = {"oldest": oldest, "limit": PAGE, "include_all_metadata": True, "cursor": cursor}
    if thread:
        return client.conversations_replies(channel=channel, ts=thread, **window)
    return client.conversations_history(channel=channel, **window)


async def _called(call: Awaitable[AsyncSlackResponse]) -> AsyncSlackResponse:
    try:
        return await call
    except (SlackApiError, ValueError, *NETWORK) as error:  # ValueError: an answer that is no JSON
        raise outcome(error) from None


def outcome(error: Exception) -> Exception:
    """What an error of the client means for the message that it was about."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return Later("Slack is not reached", UNREACHED_S)  # nothing was sent
    if not isinstance(error, SlackApiError):
        return Unsure(type(error).__name__)
    why, status = reason(error), error.response.status_code
    if status == 429 or why in ("ratelimited", "rate_limited"):
        return Later(why, retry_after(error.response.headers))
    if why in OUR_TOKEN:
        return Later(f"the bot token is refused: {why}", TOKEN_S)
    if status >= 500:
        return Unsure(why)
    return OUTCOMES.get(why, Rejected)(why)


def retry_after(headers: Mapping[str, Any]) -> float:
    """In seconds; half a minute where Slack does not say."""
    text = str({name.lower(): value for name, value in headers.items()}.get("retry-after", ""))
    return float(text) if text.isdecimal() else NO_HEADER_S


def _key_of(said: Mapping[str, Any]) -> str:
    metadata = said.get("metadata") or {}
    return str((metadata.get("event_payload") or {}).get("key", "")) if metadata.get("event_type") == EVENT else ""
