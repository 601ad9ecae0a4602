"""Socket Mode connection with a watchdog that replaces dead connections."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import structlog
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from handlers.slack.clients import NETWORK_ERRORS, TOKEN_ERRORS, error_code, sdk_logger

MAX_CONNECTIONS = 10  # Slack's limit; stale connections beyond it receive events

log = structlog.get_logger()


class SlackConnectionRefused(Exception):
    """Slack rejects our credentials; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Watchdog:
    """Intervals in seconds.

    The SDK reconnects by itself; after `reconnect_timeout` without a connection a new client is
    made.
    """

    ping_interval: float = 10.0
    poll_interval: float = 5.0
    reconnect_timeout: float = 60.0


async def listen(app: AsyncApp, app_token: str, watchdog: Watchdog) -> None:
    """Serve until cancelled. Raises SlackConnectionRefused."""
    while True:
        handler = AsyncSocketModeHandler(app, app_token, logger=sdk_logger(), ping_interval=watchdog.ping_interval)
        handler.client.message_listeners.append(_on_hello)
        try:
            await _request_url(handler)
            async with asyncio.timeout(watchdog.reconnect_timeout):  # the SDK would retry a dead URL forever
                await handler.connect_async()
            log.info("socket mode connected", platform="slack")
            await _wait_until_dead(handler, watchdog)
        except TimeoutError:
            log.warning("socket mode url dead", platform="slack")
        finally:
            handler.client.auto_reconnect_enabled = False
            await handler.close_async()
        log.warning("socket mode connection rebuilt", platform="slack")


async def _request_url(handler: AsyncSocketModeHandler) -> None:
    """Request the WebSocket URL (apps.connections.open).

    Not left to the SDK, which would retry a rejected token forever.
    """
    delay = 1.0
    while True:
        try:
            handler.client.wss_uri = await handler.client.issue_new_wss_url()
            return
        except (SlackApiError, *NETWORK_ERRORS) as error:
            if (code := error_code(error)) in TOKEN_ERRORS:
                raise SlackConnectionRefused(
                    f"Slack refuses SLACK_APP_TOKEN ({code}): make an app-level token with connections:write."
                ) from None
            log.warning("socket mode not opened", platform="slack", error=code)
        await asyncio.sleep(delay)
        delay = min(delay * 2, 60.0)


async def _wait_until_dead(handler: AsyncSocketModeHandler, watchdog: Watchdog) -> None:
    alive_at = time.monotonic()
    while time.monotonic() - alive_at < watchdog.reconnect_timeout:
        if await handler.client.is_connected():
            alive_at = time.monotonic()
        await asyncio.sleep(watchdog.poll_interval)


async def _on_hello(_client: Any, message: dict[str, Any], _raw: str | None = None) -> None:
    """Warn of many connections: stale ones still count, and Slack sends events to them."""
    connections = message.get("num_connections", 0) if message.get("type") == "hello" else 0
    if connections > MAX_CONNECTIONS // 2:
        log.warning("many socket mode connections", platform="slack", connections=connections, most=MAX_CONNECTIONS)
