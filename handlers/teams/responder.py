"""Sends answers in Teams: in the thread, replacing a message, or in a personal chat."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from handlers.charts import layout_timeline
from handlers.charts.png import render_png
from handlers.message import Card
from handlers.ports import ChannelUnavailable, DeliveryUnknown, MessageNotFound, Rejected, RetryAfter
from handlers.teams.adaptive_card import Payload, message, plain_text_message
from handlers.teams.connector_client import ConnectorClient
from handlers.teams.conversation_references import ConversationReference
from handlers.teams.requests import TeamsRequest
from handlers.teams.throttle import TeamsTimeouts

T = TypeVar("T")

NO_PERSONAL_CHAT = "Add mailcheck to your own apps first: only then can it write to you alone."
DELIVERY_ERRORS = (RetryAfter, DeliveryUnknown, ChannelUnavailable, MessageNotFound, Rejected)

log = structlog.get_logger()


async def post_card(
    connector: ConnectorClient, conversation: ConversationReference, card: Card, thread: str = ""
) -> str:
    """Post a card, or its plain text if Teams rejects it; returns the id. Raises as the client."""
    for payload in await renderings(card):
        try:
            return await connector.post(conversation, payload, thread)
        except Rejected as error:
            log.error("card rejected by teams, sending plain text", platform="teams", reason=str(error))
    return await connector.post(conversation, plain_text_message(card), thread)


async def update_card(
    connector: ConnectorClient, conversation: ConversationReference, message_id: str, card: Card, thread: str = ""
) -> None:
    """Replace an earlier message in the same way."""
    for payload in await renderings(card):
        try:
            return await connector.update(conversation, message_id, payload, thread)
        except Rejected as error:
            log.error("card rejected by teams, sending plain text", platform="teams", reason=str(error))
    return await connector.update(conversation, message_id, plain_text_message(card), thread)


async def renderings(card: Card) -> list[Payload]:
    """Renderings of the card, best first: with its chart as image, and without."""
    if card.chart is None:
        return [message(card)]
    return [message(card, await asyncio.to_thread(render_png, layout_timeline(card.chart.timeline))), message(card)]


async def with_retries(timeouts: TeamsTimeouts, call: Callable[[], Awaitable[T]]) -> T:
    """Retry a few times. Answers are rather posted twice than not at all."""
    for failures in range(1, timeouts.tries):
        try:
            return await call()
        except (RetryAfter, DeliveryUnknown) as error:
            retry_after = error.seconds if isinstance(error, RetryAfter) else 0.0
            wait = min(max(retry_after, timeouts.wait(failures)), timeouts.max_backoff)
            log.info("retrying call", platform="teams", reason=str(error), wait_s=round(wait, 2), failures=failures)
            await timeouts.sleep(wait)
    return await call()


class TeamsResponder:
    """Sends progress and the answer of one request. Raises nothing."""

    def __init__(self, request: TeamsRequest, connector: ConnectorClient, timeouts: TeamsTimeouts) -> None:
        self._request, self._connector, self._timeouts = request, connector, timeouts
        self._conversation, self._thread, self._message = (request.conversation, request.thread, request.replaces)
        self._is_personal = self._has_progress = False

    async def progress(self, card: Card) -> None:
        """Post progress, if the answer can replace it."""
        if (self._message and not self._has_progress) or not await self._ensure_private():
            return
        try:
            if self._has_progress:
                await update_card(self._connector, self._conversation, self._message, card, self._thread)
            else:
                self._message, self._has_progress = (
                    await post_card(self._connector, self._conversation, card, self._thread),
                    True,
                )
        except DELIVERY_ERRORS as error:
            log.info("progress not posted", **self._log_context(str(error)))

    async def send(self, card: Card) -> None:
        allowed = await self._ensure_private()
        try:
            await self._send(card if allowed else Card(NO_PERSONAL_CHAT, private=True))
        except DELIVERY_ERRORS as error:
            log.warning("answer not delivered", **self._log_context(str(error)))

    async def _send(self, card: Card) -> None:
        if self._message:
            try:
                return await self._retry(
                    lambda: update_card(self._connector, self._conversation, self._message, card, self._thread)
                )
            except MessageNotFound as error:
                log.info("message gone, posting anew", **self._log_context(str(error)))
        await self._retry(lambda: post_card(self._connector, self._conversation, card, self._thread))
        return None

    async def _ensure_private(self) -> bool:
        """Switch to the personal chat for private answers; False if there is none."""
        if not self._request.command.private or self._is_personal:
            return True
        try:
            self._conversation = await self._retry(
                lambda: self._connector.personal_chat(self._conversation, self._request.user)
            )
        except DELIVERY_ERRORS as error:
            log.info("no personal chat with user", **self._log_context(str(error)))
            return False
        self._thread, self._is_personal = "", True
        return True

    async def _retry(self, call: Callable[[], Awaitable[T]]) -> T:
        return await with_retries(self._timeouts, call)

    def _log_context(self, reason: str) -> dict[str, str]:
        channel = self._request.conversation.channel
        return {"platform": "teams", "team": channel.workspace, "channel": channel.id, "reason": reason}
