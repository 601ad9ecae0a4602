"""Sends answers through the response URL or as a message, whichever works."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from handlers.message import Card
from handlers.slack import block_kit
from handlers.slack.block_kit import Payload, render_message
from handlers.slack.clients import CALL_ERRORS, LAYOUT_ERRORS, NETWORK_ERRORS, error_code, sdk_logger
from handlers.slack.files import PROCESSING_DELAYS_S, upload_chart
from handlers.slack.requests import SlackRequest

MAX_WAIT_S = 30.0
SEND_TIMEOUT_S = 10
RESERVED_USES = 2  # of a response URL: one may get 429
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SlackTimeouts:
    """Clock, sleep, and `progress_after`: seconds until the first progress message."""

    progress_after: float = 2.0
    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class ResponseUrl:
    """Slack allows five uses within 30 minutes; this stops one short of both."""

    def __init__(self, request: SlackRequest, timeouts: SlackTimeouts) -> None:
        self._request, self._timeouts = request, timeouts
        self._uses_left = block_kit.RESPONSE_URL_USES - 1 if request.response_url else 0
        self._expires_at = request.requested_at + block_kit.RESPONSE_URL_SECONDS - 60

    @property
    def uses_left(self) -> int:
        """Remaining uses."""
        return self._uses_left

    async def send(self, payload: Payload) -> str:
        """Send; returns an error code, empty on success.

        Retries once after 429 or 5xx, waiting for Retry-After.
        """
        error = "spent"
        for wait in (True, False):
            if self._uses_left <= 0 or self._timeouts.now() > self._expires_at:
                return error
            self._uses_left -= 1
            status, error, retry_after = await self._send_once(payload)
            if status == 200:
                return ""
            if status in (403, 404, 410):
                self._uses_left = 0
            elif wait and (status == 429 or status >= 500):
                await self._timeouts.sleep(min(retry_after, MAX_WAIT_S))
            else:
                return error
        return error

    async def _send_once(self, payload: Payload) -> tuple[int, str, float]:
        url = AsyncWebhookClient(
            self._request.response_url, timeout=SEND_TIMEOUT_S, logger=sdk_logger(), retry_handlers=[]
        )
        try:
            answer = await url.send_dict(payload)
        except NETWORK_ERRORS as error:
            return 503, type(error).__name__, 1.0
        return (answer.status_code, answer.body.strip()[:60], retry_after_s(answer.headers.get("Retry-After")))


class SlackResponder:
    """Answers one request: progress, then the answer, each by the best method still open."""

    def __init__(
        self, request: SlackRequest, client: Callable[[str], Awaitable[AsyncWebClient]], timeouts: SlackTimeouts
    ) -> None:
        self._request, self._client, self._timeouts = request, client, timeouts
        self._response_url = ResponseUrl(request, timeouts)
        self._progress_ts = ""  # ts of the progress message, to edit

    async def progress(self, card: Card) -> None:
        """Show progress.

        Through the response URL while enough uses are left for the answer, or in a message that is
        edited and becomes the answer.
        """
        request = self._request
        if not request.posts_first:
            if self._response_url.uses_left > RESERVED_USES:
                await self._response_url.send(self._url_payload(render_message(card), ephemeral=True))
        elif not request.command.private:
            try:
                self._progress_ts = await self._show_progress(render_message(card))
            except CALL_ERRORS as error:
                log.info("progress not sent", **self._log_context(error_code(error)))

    async def _show_progress(self, payload: Payload) -> str:
        """Post or edit the progress message; returns its ts."""
        if not self._progress_ts:
            return await self._post(payload)
        client = await self._client(self._request.team)
        await client.chat_update(channel=self._request.channel, ts=self._progress_ts, **without_unfurl(payload))
        return self._progress_ts

    async def send(self, card: Card) -> None:
        ephemeral = card.private or self._request.command.private
        if card.chart and await self._send_with_image(card, ephemeral):
            return
        payload = render_message(card)
        methods = [self._via_response_url, self._via_message]
        for send in reversed(methods) if self._request.posts_first else methods:
            error = await send(payload, ephemeral)
            if any(word in error for word in LAYOUT_ERRORS):
                log.error("slack rejected blocks", **self._log_context(error))
                error = await send(plain_text_payload(payload), ephemeral)
            if not error:
                return
            log.info("answer method failed", **self._log_context(error))
        log.warning("answer not delivered", **self._log_context("all methods failed"))

    async def _send_with_image(self, card: Card, ephemeral: bool) -> bool:
        """Post with the chart as an image, retrying until Slack has processed the file.

        False if that fails.
        """
        try:
            file = await upload_chart(card, await self._client(self._request.team))
        except CALL_ERRORS as error:
            log.info("chart not uploaded", **self._log_context(error_code(error)))
            return False
        for wait in (*PROCESSING_DELAYS_S, 0.0) if file else ():
            failure = await self._via_message(render_message(card, file), ephemeral)
            if not failure:
                return True
            log.info("chart not shown", **self._log_context(failure))
            if not wait or not any(word in failure for word in LAYOUT_ERRORS):
                break
            await self._timeouts.sleep(wait)
        return False

    async def _via_response_url(self, payload: Payload, ephemeral: bool) -> str:
        return await self._response_url.send(self._url_payload(payload, ephemeral))

    async def _via_message(self, payload: Payload, ephemeral: bool) -> str:
        try:
            client = await self._client(self._request.team)
            if self._progress_ts:
                await client.chat_update(channel=self._request.channel, ts=self._progress_ts, **without_unfurl(payload))
            elif ephemeral:
                await client.chat_postEphemeral(
                    channel=self._request.channel,
                    user=self._request.user,
                    thread_ts=self._request.thread or None,
                    **without_unfurl(payload),
                )
            else:
                await self._post(payload)
        except CALL_ERRORS as error:
            return error_code(error)
        return ""

    async def _post(self, payload: Payload) -> str:
        request, client = self._request, await self._client(self._request.team)
        response = await client.chat_postMessage(channel=request.channel, thread_ts=request.thread or None, **payload)
        return str(response["ts"])

    def _url_payload(self, payload: Payload, ephemeral: bool) -> Payload:
        response_type = "ephemeral" if ephemeral else "in_channel"
        replace_original = ephemeral and self._request.replaces
        thread = {"thread_ts": self._request.thread} if self._request.thread else {}
        return {**payload, "response_type": response_type, "replace_original": replace_original, **thread}

    def _log_context(self, error: str) -> dict[str, str]:
        return {"platform": "slack", "team": self._request.team, "channel": self._request.channel, "error": error}


def without_unfurl(payload: Payload) -> Payload:
    """The fields that chat.update and chat.postEphemeral accept; they have no unfurl flags."""
    return {name: payload[name] for name in ("text", "blocks", "attachments") if name in payload}


def plain_text_payload(payload: Payload) -> Payload:
    return {name: value for name, value in payload.items() if name not in ("blocks", "attachments")}


def retry_after_s(retry_after: object) -> float:
    """Seconds from a Retry-After header; 1.0 if it has none."""
    text = str(retry_after or "")
    return float(text) if text.isdecimal() else 1.0
