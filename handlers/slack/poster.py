"""Posts and edits unsolicited messages, and finds earlier ones in the channel history.

Nothing is retried here, since a message may be posted although its response was lost; the caller
decides.
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
from handlers.ports import (
    Channel,
    ChannelUnavailable,
    DeliveryUnknown,
    HistoryUnavailable,
    MessageNotFound,
    Rejected,
    RetryAfter,
    WorkspaceUnavailable,
)
from handlers.slack.block_kit import Payload, render_message
from handlers.slack.clients import CALL_TIMEOUT_S, LAYOUT_ERRORS, NETWORK_ERRORS, error_code
from handlers.slack.files import PROCESSING_DELAYS_S, upload_chart
from handlers.slack.responder import plain_text_payload, without_unfurl

Sleep = Callable[[float], Awaitable[None]]

EVENT_TYPE = "mailcheck_alert"  # readable by other apps of the workspace: no secrets
CLOCK_SKEW = timedelta(seconds=60)
PAGE_SIZE, MAX_PAGES = 200, 10
DEFAULT_RETRY_S, UNREACHABLE_RETRY_S, TOKEN_RETRY_S = 30.0, 5.0, 300.0

# Error codes of chat.postMessage, chat.update and conversations.replies (docs.slack.dev).
CHANNEL_ERRORS = (
    *("is_archived", "channel_not_found", "not_in_channel", "ekm_access_denied", "user_not_found"),
    *("restricted_action", "restricted_action_read_only_channel", "restricted_action_non_threadable_channel"),
)
WORKSPACE_ERRORS = ("account_inactive", "token_revoked", "app_uninstalled", "team_not_found")
MESSAGE_ERRORS = ("thread_not_found", "message_not_found", "cant_update_message", "edit_window_closed")
AMBIGUOUS_ERRORS = ("internal_error", "fatal_error", "service_unavailable", "request_timeout")
BOT_TOKEN_ERRORS = (
    "invalid_auth",
    "not_authed",
    "token_expired",
)  # configured in the environment; the operator can replace it
EXCEPTIONS_BY_CODE: Mapping[str, type[Exception]] = {
    **dict.fromkeys(CHANNEL_ERRORS, ChannelUnavailable),
    **dict.fromkeys(WORKSPACE_ERRORS, WorkspaceUnavailable),
    **dict.fromkeys(MESSAGE_ERRORS, MessageNotFound),
    **dict.fromkeys(AMBIGUOUS_ERRORS, DeliveryUnknown),
}

log = structlog.get_logger()


class SlackPoster:
    """Implements `MessagePoster`.

    `client` returns the client of a workspace; it must not retry, and must time out within
    `DeliveryTimeouts.call_timeout`.
    """

    def __init__(self, client: Callable[[str], Awaitable[AsyncWebClient]], sleep: Sleep = asyncio.sleep) -> None:
        self._client, self._sleep = client, sleep

    async def post(self, channel: Channel, card: Card, thread: str = "", key: str = "", broadcast: bool = False) -> str:
        """Post a card, without its image or as plain text if Slack rejects the blocks.

        All attempts together take at most CALL_TIMEOUT_S, which bounds how late the message can
        appear.
        """
        destination: Payload = {"channel": channel.id} | ({"thread_ts": thread} if thread else {})
        destination |= {"reply_broadcast": True} if thread and broadcast else {}
        destination |= {"metadata": {"event_type": EVENT_TYPE, "event_payload": {"key": key}}} if key else {}
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                return await self._post(channel, card, destination)
        except TimeoutError:
            raise DeliveryUnknown("no answer in time") from None

    async def _post(self, channel: Channel, card: Card, destination: Payload) -> str:
        client, rendered = await self._client(channel.workspace), render_message(card)
        renderings = [rendered, plain_text_payload(rendered)]
        if file := await upload_chart(card, client):
            renderings = [render_message(card, file), *renderings]
            await self._sleep(PROCESSING_DELAYS_S[0])
        for payload in renderings:
            try:
                return str((await _call(client.chat_postMessage(**payload, **destination)))["ts"])
            except Rejected as error:
                if not any(code in str(error) for code in LAYOUT_ERRORS):
                    raise
                last_error = error
                log.error("slack rejected blocks", platform="slack", channel=channel.id, error=str(error))
        raise last_error

    async def update(self, channel: Channel, message_id: str, card: Card) -> None:
        payload, client = render_message(card), await self._client(channel.workspace)
        await _call(client.chat_update(channel=channel.id, ts=message_id, **without_unfurl(payload)))

    async def find(self, channel: Channel, key: str, since: datetime, thread: str = "") -> str | None:
        oldest = f"{(since - CLOCK_SKEW).timestamp():.6f}"
        cursor: str | None = None
        client = await self._client(channel.workspace)
        for _ in range(MAX_PAGES):
            try:
                page = await _call(_page(client, channel.id, thread, oldest, cursor))
            except Rejected as error:
                raise HistoryUnavailable(str(error)) from None
            messages: list[dict[str, Any]] = page.get("messages") or []
            for candidate in messages:
                if _key_of(candidate) == key:
                    return str(candidate["ts"])
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return None
        raise HistoryUnavailable(f"more than {PAGE_SIZE * MAX_PAGES} messages since then")

    async def notify_user(self, channel: Channel, user: str, card: Card) -> None:
        client = await self._client(channel.workspace)
        opened = await _call(client.conversations_open(users=user))
        await self.post(Channel(channel.platform, channel.workspace, str(opened["channel"]["id"])), card)


def _page(
    client: AsyncWebClient, channel: str, thread: str, oldest: str, cursor: str | None
) -> Awaitable[AsyncSlackResponse]:
    window: dict[str, Any] = {"oldest": oldest, "limit": PAGE_SIZE, "include_all_metadata": True, "cursor": cursor}
    if thread:
        return client.conversations_replies(channel=channel, ts=thread, **window)
    return client.conversations_history(channel=channel, **window)


async def _call(call: Awaitable[AsyncSlackResponse]) -> AsyncSlackResponse:
    try:
        return await call
    except (SlackApiError, ValueError, *NETWORK_ERRORS) as error:  # ValueError: the response is not JSON
        raise to_delivery_error(error) from None


def to_delivery_error(error: Exception) -> Exception:
    """The delivery exception that an error of the client means."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return RetryAfter("Slack is not reached", UNREACHABLE_RETRY_S)  # nothing was sent
    if not isinstance(error, SlackApiError):
        return DeliveryUnknown(type(error).__name__)
    code, status = error_code(error), error.response.status_code
    if status == 429 or code in ("ratelimited", "rate_limited"):
        return RetryAfter(code, retry_after_s(error.response.headers))
    if code in BOT_TOKEN_ERRORS:
        return RetryAfter(f"the bot token is refused: {code}", TOKEN_RETRY_S)
    if status >= 500:
        return DeliveryUnknown(code)
    return EXCEPTIONS_BY_CODE.get(code, Rejected)(code)


def retry_after_s(headers: Mapping[str, Any]) -> float:
    """Seconds from the Retry-After header, or DEFAULT_RETRY_S."""
    text = str({name.lower(): value for name, value in headers.items()}.get("retry-after", ""))
    return float(text) if text.isdecimal() else DEFAULT_RETRY_S


def _key_of(posted: Mapping[str, Any]) -> str:
    metadata = posted.get("metadata") or {}
    return str((metadata.get("event_payload") or {}).get("key", "")) if metadata.get("event_type") == EVENT_TYPE else ""
