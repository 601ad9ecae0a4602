"""Slack Web API clients per workspace, their loggers and their error codes.

Slack's SDK logs whole requests, response URLs and message texts below ERROR.
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
from handlers.ports import RetryAfter, WorkspaceUnavailable

TOKEN = re.compile(r"xox[a-z]-[\w-]+|xapp-[\w-]+|v0=[0-9a-f]{64}")
LINK = re.compile(r"https?://[^\s'\"]+")
SECRET_PATH = re.compile("/(?:services|commands|actions)/.")
REDACTED = "[secret]"


class RedactingFilter(logging.Filter):
    """Redacts tokens, response URLs and signatures in log records, tracebacks included."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _redact(record.getMessage())
        record.args = ()
        if record.exc_info and not record.exc_text:
            record.exc_text = _redact(logging.Formatter().formatException(record.exc_info))
        return True


def _redact(text: str) -> str:
    return LINK.sub(_redact_link, TOKEN.sub(REDACTED, text))


def _redact_link(link: re.Match[str]) -> str:
    return REDACTED if SECRET_PATH.search(link[0]) else link[0]


def sdk_logger() -> logging.Logger:
    """Logger for Bolt and every SDK client; they copy its level and filters to their own."""
    logger = logging.getLogger("mailcheck.slack.sdk")
    logger.setLevel(logging.ERROR)
    if not logger.filters:
        logger.addFilter(RedactingFilter())
    return logger


NETWORK_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)
CALL_ERRORS = (SlackApiError, SlackRequestError, RetryAfter, WorkspaceUnavailable, *NETWORK_ERRORS)
TOKEN_ERRORS = ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "not_allowed_token_type")
# Slack rejects the blocks: send plain text instead and log an error.
LAYOUT_ERRORS = (
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_attachments",
    "msg_blocks_too_long",
    "msg_too_long",
)


def error_code(error: Exception) -> str:
    """Slack's error code, or the HTTP status if the response has none, as behind a proxy."""
    if not isinstance(error, SlackApiError):
        return str(error) if isinstance(error, RetryAfter | WorkspaceUnavailable) else type(error).__name__
    data = error.response.data
    return str(data.get("error")) if isinstance(data, dict) else f"status {error.response.status_code}"


CALL_TIMEOUT_S = 10
STORE_RETRY_S = 5.0

TokenLookup = Callable[[str], Awaitable[str]]  # by workspace; raises RetryAfter or WorkspaceUnavailable


class TokenStore(Protocol):
    """Bot tokens of the workspaces that installed the app. Methods raise StoreUnavailable."""

    async def save(self, workspace: str, token: str, /) -> None: ...

    async def token(self, workspace: str, /) -> str | None: ...

    async def delete(self, workspace: str, /) -> None: ...


def single_token(token: str) -> TokenLookup:
    """Lookup that returns the token of the environment for every workspace."""

    async def get_token(_team: str) -> str:
        return token

    return get_token


def stored_tokens(token_store: TokenStore) -> TokenLookup:
    """Lookup of the workspace's stored token."""

    async def get_token(team: str) -> str:
        try:
            token = await token_store.token(team)
        except StoreUnavailable:
            raise RetryAfter("the store is unavailable", STORE_RETRY_S) from None
        if token is None:
            raise WorkspaceUnavailable("the bot is not installed there")
        return token

    return get_token


class Clients:
    """Creates the SDK client of a workspace. Methods raise what the token lookup raises."""

    def __init__(self, token_lookup: TokenLookup, api_url: str) -> None:
        self._token_lookup, self._base_url = token_lookup, api_base_url(api_url)

    async def with_retries(self, team: str) -> AsyncWebClient:
        """Client that retries on 429 and on nothing else.

        After a lost response the message may already be in the channel.
        """
        return AsyncWebClient(
            token=await self._token_lookup(team),
            base_url=self._base_url,
            logger=sdk_logger(),
            retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=2)],
        )

    async def without_retries(self, team: str) -> AsyncWebClient:
        """Client without retries; the delivery worker decides what to repeat and when."""
        return AsyncWebClient(
            token=await self._token_lookup(team),
            base_url=self._base_url,
            timeout=CALL_TIMEOUT_S,
            logger=sdk_logger(),
            retry_handlers=[],
        )


def api_base_url(url: str) -> str:
    """The API URL with the trailing `/api/` that the SDK needs to append method names."""
    return url.rstrip("/") + ("/" if urlsplit(url).path.strip("/") else "/api/")
