"""What the bot listens for in Slack. `manifest.yml` names the same commands, shortcuts and events."""

from __future__ import annotations

import re
from typing import Any, Protocol

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.response import BoltResponse

from handlers.message import Card
from handlers.messages import broken_card, refusal_card
from handlers.ports import Ack
from handlers.slack.app_home import ADD, AGAIN
from handlers.slack.block_kit import OPEN, RUN, Payload, message
from handlers.slack.modals import FORMS, View, first_input, form_for, from_form, watch_form_at_home
from handlers.slack.requests import (
    Errand,
    Sent,
    from_bounce,
    from_button,
    from_command,
    from_direct_message,
    from_mention,
    from_shortcut,
    home_of,
)

COMMAND = "/mailcheck"
SHORTCUT, BOUNCE = "check_message", "explain_bounce"
NOTHING_NAMED = "That message names no address and no domain."

log = structlog.get_logger()


class Hearing(Protocol):
    """What a listener may do with what it heard."""

    def now(self) -> float: ...

    async def heard_before(self, errand: Errand) -> bool: ...

    async def take(self, errand: Errand) -> Ack: ...

    def say(self, errand: Errand, card: Card) -> None: ...

    def open(self, errand: Errand, form: View) -> None: ...

    def joined(self, team: str, channel: str) -> None: ...

    async def silenced(self, team: str) -> None: ...

    async def removed(self, team: str) -> None: ...

    def at_home(self, team: str, user: str) -> None: ...

    def ask_at_home(self, team: str, user: str, trigger: str, form: View) -> None: ...


def register(app: AsyncApp, slack: Hearing) -> None:
    """Hangs every listener on the app."""
    register_words(app, slack)
    register_presses(app, slack)
    register_membership(app, slack)
    register_home(app, slack)

    @app.error
    async def on_error(error: Exception, body: dict[str, Any]) -> BoltResponse:
        return answer_error(error, body)


def register_words(app: AsyncApp, slack: Hearing) -> None:
    """What is typed, and the shortcuts that read what others typed."""

    @app.command(COMMAND)
    async def on_command(ack: AsyncAck, command: dict[str, Any]) -> None:
        errand = from_command(command, slack.now())
        if form := form_for(errand):
            slack.open(errand, form)
            await ack()
            return
        said = await slack.take(errand)
        await ack(to_one(said.card))

    @app.event("app_mention")
    async def on_mention(body: dict[str, Any]) -> None:
        await answer_event(slack, from_mention(body, slack.now()))

    @app.event("message")
    async def on_message(body: dict[str, Any]) -> None:
        if errand := from_direct_message(body, slack.now()):
            await answer_event(slack, errand)

    @app.shortcut({"type": "message_action", "callback_id": SHORTCUT})
    async def on_shortcut(ack: AsyncAck, shortcut: dict[str, Any]) -> None:
        errand = from_shortcut(shortcut, slack.now())
        if errand.text:
            await answer(slack, errand)
        else:
            slack.say(errand, refusal_card(NOTHING_NAMED))
        await ack()

    @app.shortcut({"type": "message_action", "callback_id": BOUNCE})
    async def on_bounce(ack: AsyncAck, shortcut: dict[str, Any]) -> None:
        await answer(slack, from_bounce(shortcut, slack.now()))
        await ack()


def register_presses(app: AsyncApp, slack: Hearing) -> None:
    """Buttons and forms."""

    @app.action(re.compile(f"^{RUN}"))
    async def on_button(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        errand = from_button(body, action, slack.now())
        if form := form_for(errand):
            slack.open(errand, form)
        else:
            await answer(slack, errand)
        await ack()

    @app.view(re.compile(f"^({'|'.join(FORMS)})$"))
    async def on_form(ack: AsyncAck, body: dict[str, Any]) -> None:
        said = await slack.take(from_form(body, slack.now()))
        if said.work:
            await ack()
        else:
            await ack(response_action="errors", errors={first_input(body): said.card.title})

    @app.action(re.compile(f"^{OPEN}"))
    async def on_link(ack: AsyncAck) -> None:
        await ack()  # the page is open already; without this Slack shows a warning sign


def register_home(app: AsyncApp, slack: Hearing) -> None:
    """The App Home: it is drawn when somebody looks, and has two buttons of its own."""

    @app.event("app_home_opened")
    async def on_home(body: dict[str, Any]) -> None:
        if body["event"].get("tab") == "home":
            slack.at_home(home_of(body), body["event"]["user"])

    @app.action(AGAIN)
    async def on_again(ack: AsyncAck, body: dict[str, Any]) -> None:
        slack.at_home(body["team"]["id"], body["user"]["id"])
        await ack()

    @app.action(ADD)
    async def on_add(ack: AsyncAck, body: dict[str, Any]) -> None:
        form = watch_form_at_home(body, slack.now())
        slack.ask_at_home(body["team"]["id"], body["user"]["id"], body["trigger_id"], form)
        await ack()


def register_membership(app: AsyncApp, slack: Hearing) -> None:
    """Where the bot may speak, and where it no longer may."""

    @app.event("member_joined_channel")
    async def on_joined(body: dict[str, Any]) -> None:
        event = body["event"]
        if event["user"] in {one.get("user_id") for one in body.get("authorizations") or ()}:
            slack.joined(home_of(body), event["channel"])

    @app.event("app_uninstalled")
    async def on_uninstalled(body: dict[str, Any]) -> None:
        await slack.removed(home_of(body))

    @app.event("tokens_revoked")
    async def on_revoked(body: dict[str, Any]) -> None:
        if (body["event"].get("tokens") or {}).get("bot"):  # a person's own token is none of ours
            await slack.silenced(home_of(body))


async def answer_event(slack: Hearing, errand: Errand) -> None:
    if not await slack.heard_before(errand):
        await answer(slack, errand)


async def answer(slack: Hearing, errand: Errand) -> None:
    """Hands over, and says what cannot wait for the work: only a slash command has an acknowledgement to carry it."""
    said = await slack.take(errand)
    if not said.work:
        slack.say(errand, said.card)


def answer_error(error: Exception, body: Sent) -> BoltResponse:
    """One plain sentence for whoever typed a command; anything else was not waited for, and must not be sent again."""
    if isinstance(error, BoltUnhandledRequestError):
        log.info("not listened for", platform="slack", type=str(body.get("type", "")))
        return BoltResponse(status=200)
    log.error("listener broke", platform="slack", exc_info=error)
    return BoltResponse(status=200, body=to_one(broken_card()) if "command" in body else "")


def to_one(card: Card) -> Payload:
    """Said to whoever typed the command, and to nobody else in the channel."""
    return {**message(card), "response_type": "ephemeral"}
