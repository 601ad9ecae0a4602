"""Loggers for Slack's own libraries. They log whole requests, response URLs and message texts below ERROR.

Why Slack did not do what it was asked, in one word; which of these words mean what.

Whom the bot speaks as: in each workspace with the token that it gave, and with as much patience as the call deserves.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError, SlackRequestError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from bot.storage import StoreUnavailable
from handlers.ports import Later, SpaceGone

SECRET = re.compile(
    r"xox[a-z]-[\w-]+|xapp-[\w-]+|https?://[^\s'\"]*/(?:services|commands|actions)/[^\s'\"]+|v0=[0-9a-f]{64}"
)


class Redacted(logging.Filter):
    """Takes tokens, response URLs and signatures out of a record, those in its traceback too."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = SECRET.sub("[secret]", record.getMessage())
        record.args = ()
        if record.exc_info and not record.exc_text:
            record.exc_text = SECRET.sub("[secret]", logging.Formatter().formatException(record.exc_info))
        return True


def sdk_logger() -> logging.Logger:
    """To be handed to Bolt and to every client of the SDK; they copy its level and its filters to their own."""
    logger = logging.getLogger("mailcheck.slack.sdk")
    logger.setLevel(logging.ERROR)
    if not logger.filters:
        logger.addFilter(Redacted())
    return logger


NETWORK = (aiohttp.ClientError, TimeoutError, OSError)
UNSAID = (SlackApiError, SlackRequestError, Later, SpaceGone, *NETWORK)
TOKEN_REFUSED = ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "not_allowed_token_type")
# Slack does not like how we drew the message, so the person gets it in plain words and we get an error in the log.
DRAWN_WRONG = ("invalid_blocks", "invalid_blocks_format", "invalid_attachments", "msg_blocks_too_long", "msg_too_long")


def reason(error: Exception) -> str:
    """Slack's word for what went wrong; where it said none, as behind a failing proxy, the HTTP status."""
    if not isinstance(error, SlackApiError):
        return str(error) if isinstance(error, Later | SpaceGone) else type(error).__name__
    said = error.response.data
    return str(said.get("error")) if isinstance(said, dict) else f"status {error.response.status_code}"


CALL_WITHIN_S = 10
STORE_AGAIN_S = 5.0

Token = Callable[[str], Awaitable[str]]  # of a workspace; raises Later or SpaceGone


class Installed(Protocol):
    """The workspaces that installed the bot, each with its token. Every method raises StoreUnavailable."""

    async def keep(self, space: str, token: str, /) -> None: ...

    async def token(self, space: str, /) -> str | None: ...

    async def forget(self, space: str, /) -> None: ...


def one_for_all(token: str) -> Token:
    """The token of the environment, which is that of the only workspace."""

    async def of(_team: str) -> str:
        return token

    return of


def one_for_each(installed: Installed) -> Token:
    async def of(team: str) -> str:
        try:
            token = await installed.token(team)
        except StoreUnavailable:
            raise Later("the store is away", STORE_AGAIN_S) from None
        if token is None:
            raise SpaceGone("the bot is not installed there")
        return token

    return of


class Clients:
    """The SDK's client for a workspace. Every method raises what `token` raises."""

    def __init__(self, token: Token, api_url: str) -> None:
        self._token, self._base = token, api_base(api_url)

    async def patient(self, team: str) -> AsyncWebClient:
        """Waits when told to. It repeats nothing else: a message whose reply was lost may stand in the channel already."""
        return AsyncWebClient(
            token=await self._token(team),
            base_url=self._base,
            logger=sdk_logger(),
            retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=2)],
        )

    async def plain(self, team: str) -> AsyncWebClient:
        """For what nobody waits for: the delivery decides what to repeat, and when."""
        return AsyncWebClient(
            token=await self._token(team),
            base_url=self._base,
            timeout=CALL_WITHIN_S,
            logger=sdk_logger(),
            retry_handlers=[],
        )


def api_base(url: str) -> str:
    """The SDK joins names of methods to the base as text, so it has to end with `/api/`."""
    return url.rstrip("/") + ("/" if urlsplit(url).path.strip("/") else "/api/")
