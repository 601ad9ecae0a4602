"""Socket Mode: Slack's events over a connection that the bot opens, watched so that it cannot die in silence."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import structlog
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from handlers.slack.clients import NETWORK, TOKEN_REFUSED, reason, sdk_logger

MOST_CONNECTIONS = 10  # Slack's; beyond it events go to connections that nobody reads

log = structlog.get_logger()


class SlackRefuses(Exception):
    """Slack does not take our credentials; the message is one sentence that says which and what to do."""


@dataclass(frozen=True, slots=True)
class Watchdog:
    """In seconds. The SDK reconnects by itself; after `patience` without a connection the client is built anew."""

    ping_every: float = 10.0
    look_every: float = 5.0
    patience: float = 60.0


async def listen(app: AsyncApp, app_token: str, watchdog: Watchdog) -> None:
    """Serves until cancelled. Raises SlackRefuses."""
    while True:
        handler = AsyncSocketModeHandler(app, app_token, logger=sdk_logger(), ping_interval=watchdog.ping_every)
        handler.client.message_listeners.append(_greeted)
        try:
            await _find_address(handler)
            async with asyncio.timeout(watchdog.patience):  # the SDK would try one dead address for ever
                await handler.connect_async()
            log.info("socket mode connected", platform="slack")
            await _until_dead(handler, watchdog)
        except TimeoutError:
            log.warning("socket mode address dead", platform="slack")
        finally:
            handler.client.auto_reconnect_enabled = False
            await handler.close_async()
        log.warning("socket mode connection rebuilt", platform="slack")


async def _find_address(handler: AsyncSocketModeHandler) -> None:
    """Asks Slack where to connect. Here and not in the SDK, which would repeat a refused token for ever."""
    wait = 1.0
    while True:
        try:
            handler.client.wss_uri = await handler.client.issue_new_wss_url()
            return
        except (SlackApiError, *NETWORK) as error:
            if (why := reason(error)) in TOKEN_REFUSED:
                raise SlackRefuses(
                    f"Slack refuses SLACK_APP_TOKEN ({why}): make an app-level token with connections:write."
                ) from None
            log.warning("socket mode not open", platform="slack", why=why)
        await asyncio.sleep(wait)
        wait = min(wait * 2, 60.0)


async def _until_dead(handler: AsyncSocketModeHandler, watchdog: Watchdog) -> None:
    alive_at = time.monotonic()
    while time.monotonic() - alive_at < watchdog.patience:
        if await handler.client.is_connected():
            alive_at = time.monotonic()
        await asyncio.sleep(watchdog.look_every)


async def _greeted(_client: Any, greeting: dict[str, Any], _raw: str | None = None) -> None:
    """Connections lost behind a NAT go on counting, and Slack sends some of the events to them."""
    connections = greeting.get("num_connections", 0) if greeting.get("type") == "hello" else 0
    if connections > MOST_CONNECTIONS // 2:
        log.warning("many socket mode connections", platform="slack", connections=connections, most=MOST_CONNECTIONS)
