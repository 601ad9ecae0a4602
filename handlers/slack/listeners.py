"""Bolt listeners for the commands, shortcuts and events of `manifest.yml`."""

from __future__ import annotations

import re
from typing import Any, Protocol

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.response import BoltResponse

from handlers.message import Card
from handlers.messages import internal_error_card
from handlers.request_dispatcher import RequestDispatcher
from handlers.slack.app_home import ADD_WATCH, REFRESH
from handlers.slack.block_kit import OPEN_PREFIX, RUN_PREFIX, Payload, render_message
from handlers.slack.http_endpoint import NOT_SLACK
from handlers.slack.modals import FORMS, View, first_input, form_for, from_form, home_watch_form
from handlers.slack.payload_shape import MalformedPayload, SlackPayload
from handlers.slack.requests import (
    RequestContext,
    SlackRequest,
    from_bounce,
    from_button,
    from_command,
    from_direct_message,
    from_mention,
    from_shortcut,
    installed_team,
)

COMMAND = "/mailcheck"
CHECK_SHORTCUT, BOUNCE_SHORTCUT = "check_message", "explain_bounce"
RUN_ACTION = re.compile(f"^{RUN_PREFIX}")
OPEN_ACTION = re.compile(f"^{OPEN_PREFIX}")
FORM_VIEW = re.compile(f"^({'|'.join(FORMS)})$")

log = structlog.get_logger()


class SlackEvents(Protocol):
    """What the listeners call on the platform."""

    @property
    def dispatcher(self) -> RequestDispatcher[SlackRequest]: ...

    def context(self) -> RequestContext: ...

    async def is_duplicate(self, request: SlackRequest) -> bool: ...

    def open_form(self, request: SlackRequest, form: View) -> None: ...

    def on_joined(self, team: str, channel: str) -> None: ...

    async def on_token_revoked(self, team: str) -> None: ...

    async def on_uninstalled(self, team: str) -> None: ...

    def on_home_opened(self, team: str, user: str) -> None: ...

    def open_home_form(self, team: str, user: str, trigger: str, form: View) -> None: ...


def register_listeners(app: AsyncApp, slack: SlackEvents) -> None:
    """Register all listeners."""
    register_commands(app, slack)
    register_interactions(app, slack)
    register_membership(app, slack)
    register_home(app, slack)

    @app.error
    async def on_error(error: Exception, body: dict[str, Any]) -> BoltResponse:
        return error_response(error, body)


def register_commands(app: AsyncApp, slack: SlackEvents) -> None:
    """Slash command, mentions, direct messages and message shortcuts."""

    @app.command(COMMAND)
    async def on_command(ack: AsyncAck, command: dict[str, Any]) -> None:
        request = from_command(command, slack.context())
        if form := form_for(request):
            slack.open_form(request, form)
            await ack()
            return
        await ack(ephemeral(slack.dispatcher.accept_nowait(request).card))

    @app.event("app_mention")
    async def on_mention(body: dict[str, Any]) -> None:
        await accept_event(slack, from_mention(body, slack.context()))

    @app.event("message")
    async def on_message(body: dict[str, Any]) -> None:
        if request := from_direct_message(body, slack.context()):
            await accept_event(slack, request)

    @app.shortcut({"type": "message_action", "callback_id": CHECK_SHORTCUT})
    async def on_shortcut(ack: AsyncAck, shortcut: dict[str, Any]) -> None:
        accept_request(slack, from_shortcut(shortcut, slack.context()))
        await ack()

    @app.shortcut({"type": "message_action", "callback_id": BOUNCE_SHORTCUT})
    async def on_bounce(ack: AsyncAck, shortcut: dict[str, Any]) -> None:
        accept_request(slack, from_bounce(shortcut, slack.context()))
        await ack()


def register_interactions(app: AsyncApp, slack: SlackEvents) -> None:
    """Buttons and modals."""

    @app.action(RUN_ACTION)
    async def on_button(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        request = from_button(body, action, slack.context())
        if form := form_for(request):
            slack.open_form(request, form)
        else:
            accept_request(slack, request)
        await ack()

    @app.view(FORM_VIEW)
    async def on_form(ack: AsyncAck, body: dict[str, Any]) -> None:
        request_ack = slack.dispatcher.accept_nowait(from_form(body, slack.context()))
        if request_ack.needs_work:
            await ack()
        else:
            await ack(response_action="errors", errors={first_input(body): request_ack.card.title})

    @app.action(OPEN_ACTION)
    async def on_link(ack: AsyncAck) -> None:
        await ack()  # the browser opened the page; without an ack Slack shows a warning


def register_home(app: AsyncApp, slack: SlackEvents) -> None:
    """App Home: opened events and its two buttons."""

    @app.event("app_home_opened")
    async def on_home(body: dict[str, Any]) -> None:
        if body["event"].get("tab") == "home":
            slack.on_home_opened(installed_team(body), body["event"]["user"])

    @app.action(REFRESH)
    async def on_again(ack: AsyncAck, body: dict[str, Any]) -> None:
        slack.on_home_opened(body["team"]["id"], body["user"]["id"])
        await ack()

    @app.action(ADD_WATCH)
    async def on_add(ack: AsyncAck, body: dict[str, Any]) -> None:
        form = home_watch_form(slack.context().now)
        slack.open_home_form(body["team"]["id"], body["user"]["id"], body["trigger_id"], form)
        await ack()


def register_membership(app: AsyncApp, slack: SlackEvents) -> None:
    """Channel joins, uninstallation and token revocation."""

    @app.event("member_joined_channel")
    async def on_joined(body: dict[str, Any]) -> None:
        event = body["event"]
        if event["user"] in {authorization.get("user_id") for authorization in body.get("authorizations") or ()}:
            slack.on_joined(installed_team(body), event["channel"])

    @app.event("app_uninstalled")
    async def on_uninstalled(body: dict[str, Any]) -> None:
        await slack.on_uninstalled(installed_team(body))

    @app.event("tokens_revoked")
    async def on_revoked(body: dict[str, Any]) -> None:
        if (body["event"].get("tokens") or {}).get("bot"):  # user tokens are not ours
            await slack.on_token_revoked(installed_team(body))


async def accept_event(slack: SlackEvents, request: SlackRequest) -> None:
    if not await slack.is_duplicate(request):
        accept_request(slack, request)


def accept_request(slack: SlackEvents, request: SlackRequest) -> None:
    """Enqueue a request; an immediate answer is sent, since only a slash command's ack shows it."""
    ack = slack.dispatcher.accept_nowait(request)
    if not ack.needs_work:
        slack.dispatcher.send(request, ack.card)


def error_response(error: Exception, body: SlackPayload) -> BoltResponse:
    """Response to a failed listener: an error card for a slash command, otherwise 200.

    Any other status would make Slack redeliver the event, so only what is not Slack's gets one.
    """
    if isinstance(error, BoltUnhandledRequestError):
        log.info("unhandled request", platform="slack", type=str(body.get("type", "")))
        return BoltResponse(status=200)
    if isinstance(error, MalformedPayload):
        log.info("request refused", platform="slack", status=400, reason=str(error))
        return BoltResponse(status=400, body={"error": NOT_SLACK})
    log.error("listener failed", platform="slack", exc_info=error)
    return BoltResponse(status=200, body=ephemeral(internal_error_card()) if "command" in body else "")


def ephemeral(card: Card) -> Payload:
    """Ephemeral payload, visible only to the user of the slash command."""
    return {**render_message(card), "response_type": "ephemeral"}
