"""The ways an answer reaches a person in Slack: the response URL of what they did, and messages of the bot."""

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
from handlers.slack.block_kit import Payload, message
from handlers.slack.clients import DRAWN_WRONG, NETWORK, UNSAID, reason, sdk_logger
from handlers.slack.files import LOOKED_AT_AFTER_S, uploaded
from handlers.slack.requests import Errand

LONGEST_WAIT_S = 30.0
SEND_WITHIN_S = 10
USES_FOR_THE_ANSWER = 2  # of a response URL: one may be told to come later
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """Time, handed in; in seconds. `progress_after` is when a person hears that the work goes on."""

    progress_after: float = 2.0
    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class ResponseUrl:
    """Slack takes five uses within 30 minutes; we stop one short of both."""

    def __init__(self, errand: Errand, pace: Pace) -> None:
        self._errand, self._pace = errand, pace
        self._left = block_kit.RESPONSE_URL_USES - 1 if errand.response_url else 0
        self._until = errand.asked + block_kit.RESPONSE_URL_SECONDS - 60

    @property
    def left(self) -> int:
        """How many uses there are still."""
        return self._left

    async def send(self, payload: Payload) -> str:
        """Empty when Slack took it, else one word for why not. Waits and tries once more when told to slow down."""
        why = "spent"
        for wait in (True, False):
            if self._left <= 0 or self._pace.now() > self._until:
                return why
            self._left -= 1
            status, why, retry_after = await self._use(payload)
            if status == 200:
                return ""
            if status in (403, 404, 410):
                self._left = 0
            elif wait and (status == 429 or status >= 500):
                await self._pace.sleep(min(retry_after, LONGEST_WAIT_S))
            else:
                return why
        return why

    async def _use(self, payload: Payload) -> tuple[int, str, float]:
        url = AsyncWebhookClient(
            self._errand.response_url, timeout=SEND_WITHIN_S, logger=sdk_logger(), retry_handlers=[]
        )
        try:
            answer = await url.send_dict(payload)
        except NETWORK as error:
            return 503, type(error).__name__, 1.0
        return answer.status_code, answer.body.strip()[:60], seconds(answer.headers.get("Retry-After"))


class Reply:
    """Everything said to one errand: how far it is, then the answer, each on the best way still open."""

    def __init__(self, errand: Errand, client: Callable[[str], Awaitable[AsyncWebClient]], pace: Pace) -> None:
        self._errand, self._client, self._pace = errand, client, pace
        self._url = ResponseUrl(errand, pace)
        self._progress = ""  # the ts of our own message, to be edited

    async def progress(self, card: Card) -> None:
        """That the work goes on: in the place of what the person sees, as long as enough uses are left for the answer; or as
        a message that becomes the answer."""
        errand = self._errand
        if not errand.posts_first:
            if self._url.left > USES_FOR_THE_ANSWER:
                await self._url.send(self._for_url(message(card), hidden=True))
        elif not errand.private:
            try:
                self._progress = await self._moved_on(message(card))
            except UNSAID as error:
                log.info("progress not said", **self._about(reason(error)))

    async def _moved_on(self, payload: Payload) -> str:
        """The message that says how far it is; one that was edited stays the same."""
        if not self._progress:
            return await self._post(payload)
        client = await self._client(self._errand.team)
        await client.chat_update(channel=self._errand.channel, ts=self._progress, **shown(payload))
        return self._progress

    async def say(self, card: Card) -> None:
        hidden = card.private or self._errand.private
        if card.picture and await self._pictured(card, hidden):
            return
        payload = message(card)
        roads = [self._through_url, self._as_message]
        for road in reversed(roads) if self._errand.posts_first else roads:
            why = await road(payload, hidden)
            if any(word in why for word in DRAWN_WRONG):
                log.error("slack refused how a message was drawn", **self._about(why))
                why = await road(in_words(payload), hidden)
            if not why:
                return
            log.info("a way to answer is closed", **self._about(why))
        log.warning("answer not delivered", **self._about("no way open"))

    async def _pictured(self, card: Card, hidden: bool) -> bool:
        """With its picture, as a message of the bot's own, which can be sent again until Slack has looked at the file; False
        where that is no way."""
        try:
            file = await uploaded(card, await self._client(self._errand.team))
        except UNSAID as error:
            log.info("picture not uploaded", **self._about(reason(error)))
            return False
        for wait in (*LOOKED_AT_AFTER_S, 0.0) if file else ():
            why = await self._as_message(message(card, file), hidden)
            if not why:
                return True
            log.info("picture not shown", **self._about(why))
            if not wait or not any(word in why for word in DRAWN_WRONG):
                break
            await self._pace.sleep(wait)
        return False

    async def _through_url(self, payload: Payload, hidden: bool) -> str:
        return await self._url.send(self._for_url(payload, hidden))

    async def _as_message(self, payload: Payload, hidden: bool) -> str:
        try:
            client = await self._client(self._errand.team)
            if self._progress:
                await client.chat_update(channel=self._errand.channel, ts=self._progress, **shown(payload))
            elif hidden:
                await client.chat_postEphemeral(
                    channel=self._errand.channel,
                    user=self._errand.user,
                    thread_ts=self._errand.thread or None,
                    **shown(payload),
                )
            else:
                await self._post(payload)
        except UNSAID as error:
            return reason(error)
        return ""

    async def _post(self, payload: Payload) -> str:
        errand, client = self._errand, await self._client(self._errand.team)
        sent = await client.chat_postMessage(channel=errand.channel, thread_ts=errand.thread or None, **payload)
        return str(sent["ts"])

    def _for_url(self, payload: Payload, hidden: bool) -> Payload:
        response_type = "ephemeral" if hidden else "in_channel"
        replaces = hidden and self._errand.replaces
        place = {"thread_ts": self._errand.thread} if self._errand.thread else {}
        return {**payload, "response_type": response_type, "replace_original": replaces, **place}

    def _about(self, why: str) -> dict[str, str]:
        return {"platform": "slack", "team": self._errand.team, "channel": self._errand.channel, "why": why}


def shown(payload: Payload) -> Payload:
    """What chat.update and chat.postEphemeral take: they never unfurl, so they know no flags for it."""
    return {name: payload[name] for name in ("text", "blocks", "attachments") if name in payload}


def in_words(payload: Payload) -> Payload:
    return {name: value for name, value in payload.items() if name not in ("blocks", "attachments")}


def seconds(retry_after: object) -> float:
    """Of a Retry-After header; one second where it says nothing."""
    text = str(retry_after or "")
    return float(text) if text.isdecimal() else 1.0
