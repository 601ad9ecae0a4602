"""What the bot listens for in Teams, and how it takes everything else: politely, or Teams would send it again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from starlette.responses import JSONResponse, Response

from handlers.message import Card
from handlers.messages import broken_card
from handlers.ports import Ack
from handlers.sanitize import inert
from handlers.teams import adaptive_card
from handlers.teams.adaptive_card import CARD, MARKS, content, escaped
from handlers.teams.conversation_references import Conversation
from handlers.teams.invoke import Pressed
from handlers.teams.requests import (
    Errand,
    Sent,
    conversation_of,
    departed,
    from_button,
    from_message,
    is_arrival,
    said,
    tenant_of,
)

BUTTON = "adaptiveCard/action"
BAR = "application/vnd.microsoft.activity.message"  # a sentence under the card, for whoever pressed the button
ERROR = "application/vnd.microsoft.error"

log = structlog.get_logger()


class Hearing(Protocol):
    """What a listener may do with what it heard."""

    async def heard_before(self, key: str) -> bool: ...

    async def take(self, errand: Errand) -> Ack: ...

    async def press(self, errand: Errand) -> Pressed:
        """The answer to a button, where it comes while Teams waits."""

    def say(self, errand: Errand, card: Card) -> None: ...

    async def arrive(self, conversation: Conversation) -> None: ...

    async def leave(self, tenant: str, place: str) -> None: ...


async def answer(teams: Hearing, activity: Sent) -> Response:
    """Whatever it is and however it is shaped: no answer that would make Teams send it again."""
    kind = said(activity, "type")
    try:
        return await LISTENERS.get(kind, not_listened_for)(teams, activity)
    except Exception:
        log.exception("listener broke", platform="teams", type=kind[:40])
        return under_the_card(broken_card()) if kind == "invoke" else Response()


async def on_message(teams: Hearing, activity: Sent) -> Response:
    errand = from_message(activity)
    if errand and not await teams.heard_before(errand.id):
        ack = await teams.take(errand)
        if not ack.work:
            teams.say(errand, ack.card)
    return Response()


async def on_invoke(teams: Hearing, activity: Sent) -> Response:
    """A button is answered with the new card, or with a sentence under the one that stays."""
    if said(activity, "name") != BUTTON:
        return Response(status_code=501)  # the word of the protocol for "not this bot"; Teams does not repeat it
    errand = from_button(activity)
    if errand is None:
        error = {"code": "BadRequest", "message": "The button carries no command."}
        return JSONResponse({"statusCode": 400, "type": ERROR, "value": error})
    pressed = await teams.press(errand)
    if pressed.instead:
        return JSONResponse({"statusCode": 200, "type": CARD, "value": content(pressed.instead)})
    return under_the_card(pressed.under)


async def on_news(teams: Hearing, activity: Sent) -> Response:
    """The bot was added or removed, or the place where it was is gone."""
    conversation = conversation_of(activity)
    if place := departed(activity):
        await teams.leave(tenant_of(activity), place)
    elif conversation and is_arrival(activity) and not await teams.heard_before(f"{conversation.id}:arrival"):
        await teams.arrive(conversation)
    return Response()


async def not_listened_for(_: Hearing, activity: Sent) -> Response:
    log.info("not listened for", platform="teams", type=said(activity, "type")[:40])
    return Response()


def under_the_card(card: Card) -> Response:
    sentence = escaped(inert(f"{MARKS[card.tone]} {card.title}", adaptive_card.BAR_TEXT))
    return JSONResponse({"statusCode": 200, "type": BAR, "value": sentence})


LISTENERS: dict[str, Callable[[Hearing, Sent], Awaitable[Response]]] = {
    "message": on_message,
    "invoke": on_invoke,
    "installationUpdate": on_news,
    "conversationUpdate": on_news,
}
