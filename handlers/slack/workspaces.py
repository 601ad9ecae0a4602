"""Whom the bot speaks as: in each workspace with the token that it gave, and with as much patience as the call deserves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol
from urllib.parse import urlsplit

from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from bot.store import StoreUnavailable
from handlers.platform import Later, SpaceGone
from handlers.slack.quiet import sdk_logger

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
