"""Dispatches Teams activities; unknown ones get 200, or Teams would resend them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog
from starlette.responses import JSONResponse, Response

from handlers.message import Card
from handlers.messages import internal_error_card
from handlers.ports import Ack
from handlers.sanitize import sanitize
from handlers.teams import adaptive_card
from handlers.teams.adaptive_card import CARD, SYMBOLS, card_content, escape_markdown
from handlers.teams.conversation_references import ConversationReference
from handlers.teams.invoke import InvokeResponse
from handlers.teams.requests import (
    ActivityJson,
    TeamsRequest,
    conversation_of,
    from_action,
    from_message,
    is_added,
    left_conversation,
    tenant_of,
    text_at,
)
from handlers.verbs import VerbTable

BUTTON = "adaptiveCard/action"
BAR = "application/vnd.microsoft.activity.message"  # a sentence below the card
ERROR = "application/vnd.microsoft.error"

log = structlog.get_logger()


class TeamsEvents(Protocol):
    """What the platform does with an activity."""

    @property
    def verbs(self) -> VerbTable[Any]: ...

    async def is_duplicate(self, key: str) -> bool: ...

    async def accept(self, request: TeamsRequest) -> Ack: ...

    async def invoke(self, request: TeamsRequest) -> InvokeResponse:
        """Answer a card action while Teams waits."""

    def send(self, request: TeamsRequest, card: Card) -> None: ...

    async def on_added(self, conversation: ConversationReference) -> None: ...

    async def on_removed(self, tenant: str, conversation_id: str) -> None: ...


async def handle_activity(teams: TeamsEvents, activity: ActivityJson) -> Response:
    """Answer any activity without a status that makes Teams resend it."""
    kind = text_at(activity, "type")
    try:
        return await HANDLERS.get(kind, ignore)(teams, activity)
    except Exception:
        log.exception("activity handler failed", platform="teams", type=kind[:40])
        return text_response(internal_error_card()) if kind == "invoke" else Response()


async def on_message(teams: TeamsEvents, activity: ActivityJson) -> Response:
    request = from_message(activity, teams.verbs)
    if request and not await teams.is_duplicate(request.id):
        ack = await teams.accept(request)
        if not ack.needs_work:
            teams.send(request, ack.card)
    return Response()


async def on_invoke(teams: TeamsEvents, activity: ActivityJson) -> Response:
    """Answer a card action with the new card, or with a sentence below the old one."""
    if text_at(activity, "name") != BUTTON:
        return Response(status_code=501)  # "not implemented" in the protocol; Teams does not resend
    request = from_action(activity, teams.verbs)
    if request is None:
        error = {"code": "BadRequest", "message": "The button carries no command."}
        return JSONResponse({"statusCode": 400, "type": ERROR, "value": error})
    response = await teams.invoke(request)
    if response.replacement:
        return JSONResponse({"statusCode": 200, "type": CARD, "value": card_content(response.replacement)})
    return text_response(response.text_card)


async def on_membership(teams: TeamsEvents, activity: ActivityJson) -> Response:
    """The bot was added or removed, or its conversation was deleted."""
    conversation = conversation_of(activity)
    if conversation_id := left_conversation(activity):
        await teams.on_removed(tenant_of(activity), conversation_id)
    elif conversation and is_added(activity) and not await teams.is_duplicate(f"{conversation.id}:arrival"):
        await teams.on_added(conversation)
    return Response()


async def ignore(_: TeamsEvents, activity: ActivityJson) -> Response:
    log.info("activity ignored", platform="teams", type=text_at(activity, "type")[:40])
    return Response()


def text_response(card: Card) -> Response:
    sentence = escape_markdown(sanitize(f"{SYMBOLS[card.tone]} {card.title}", adaptive_card.ACTION_TEXT))
    return JSONResponse({"statusCode": 200, "type": BAR, "value": sentence})


HANDLERS: dict[str, Callable[[TeamsEvents, ActivityJson], Awaitable[Response]]] = {
    "message": on_message,
    "invoke": on_invoke,
    "installationUpdate": on_membership,
    "conversationUpdate": on_membership,
}
