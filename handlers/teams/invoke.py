"""Card actions, answered while Teams waits with the card that replaces the old one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from handlers.background import TaskSet
from handlers.message import Card
from handlers.ports import Channel, CommandHandler
from handlers.request_dispatcher import busy_ack
from handlers.teams.requests import TeamsRequest
from handlers.teams.responder import TeamsResponder


@dataclass(frozen=True, slots=True)
class InvokeResponse:
    """The response to an action: a replacing card, or a sentence below the old one."""

    text_card: Card
    replacement: Card | None = None


@dataclass(slots=True, eq=False)
class _Action:
    """An action in progress; `updated` is the card that its command put in place meanwhile."""

    request: TeamsRequest
    updated: Card | None = None


class CardInvokes:
    """Answers card actions within `timeout_s`; slower answers are posted afterwards."""

    def __init__(
        self,
        commands: CommandHandler,
        tasks: TaskSet,
        responder: Callable[[TeamsRequest], TeamsResponder],
        timeout_s: float,
    ) -> None:
        self._commands, self._tasks, self._responder = commands, tasks, responder
        self._timeout_s = timeout_s
        self._pending: set[_Action] = set()

    def message_updated(self, channel: Channel, message: str, card: Card) -> None:
        """A message was updated; pending actions on it answer with the same card."""
        for action in self._pending:
            if (action.request.conversation.channel, action.request.action_message) == (channel, message):
                action.updated = card

    async def handle(self, request: TeamsRequest) -> InvokeResponse:
        ack = self._commands.acknowledge(request.chat_request)
        if not ack.needs_work:
            return InvokeResponse(ack.card)
        action = _Action(request)
        answer_task = asyncio.create_task(self._run(action))
        await asyncio.wait({answer_task}, timeout=self._timeout_s)
        in_time = answer_task.done()
        if not self._tasks.start(self._post_answer(action, answer_task, in_time)) and not in_time:
            answer_task.cancel()
            return InvokeResponse(busy_ack().card)
        if not in_time:
            return InvokeResponse(ack.card)
        return InvokeResponse(answer_task.result(), _replacement(action, answer_task.result()))

    async def _run(self, action: _Action) -> Card:
        self._pending.add(action)
        try:
            return await self._commands.handle(action.request.chat_request)
        finally:
            self._pending.discard(action)

    async def _post_answer(self, action: _Action, answer_task: asyncio.Task[Card], in_time: bool) -> None:
        """Post the answer for everyone; a private one only if the action was not answered yet."""
        card, request = await answer_task, action.request
        if card == action.updated:
            return
        if card.private:
            request = replace(request, in_place=False)
        if not (card.private and in_time):
            await self._responder(request).send(card)


def _replacement(action: _Action, card: Card) -> Card | None:
    return action.updated or (card if action.request.in_place and not card.private else None)
