"""Teams in service: the door at `/api/messages`, and the work that answers what came through it.

A listener reads, hands over and answers the request; only a button waits a moment for its card.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address

import httpx
import structlog
from starlette.responses import Response
from starlette.routing import Route

from handlers.background import Away, Fuse, Seen, SharedMemory
from handlers.message import Card
from handlers.messages import help_card
from handlers.ports import Ack, Answering, Blind, CannotServe, Later, Room, RoomGone
from handlers.request_dispatcher import Desk, Enqueue
from handlers.teams import activities, responder
from handlers.teams.connector_client import Connector
from handlers.teams.conversation_references import Conversation, Conversations
from handlers.teams.files import TeamsFile
from handlers.teams.inbound_auth import Doorman, Guard, Keys
from handlers.teams.invoke import Pressed, Presses
from handlers.teams.membership import Guests
from handlers.teams.outbound_auth import Credentials, Login, LoginFailed, LoginRefused
from handlers.teams.requests import Errand, Sent, conversation_of
from handlers.teams.responder import Reply
from handlers.teams.throttle import Pace

PATH = "/api/messages"
STORE_AGAIN_S = 5.0

log = structlog.get_logger()


class Teams:
    """`enqueue` takes a job that some process gives to `deliver`; when it fails, the work is done here and now.

    `conversations` and `seen` are shared by all processes: any of them may speak, and none answers what another has heard.
    Without `seen`, or while it fails, a process knows its own.
    """

    name = "teams"

    def __init__(
        self,
        credentials: Credentials,
        commands: Answering,
        enqueue: Enqueue,
        conversations: Conversations,
        seen: SharedMemory | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._credentials, self._commands = credentials, commands
        self._conversations, self._pace = conversations, pace or Pace()
        self._store = Fuse()  # one for all uses: when the store hangs, a person waits for it once
        self._seen = Seen(seen, self._store)
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(10.0))
        self._login = Login(self._http, credentials, self._pace)
        self._connector = Connector(self._http, self._login, credentials.cloud, self._pace)
        self._guests = Guests(self._connector, commands, self._pace)
        self._desk = Desk(commands, enqueue, self._store, self._reply, self._pace.progress_after)
        self._presses = Presses(commands, self._desk.work, self._reply, self._pace.press_within)

    def routes(self, listening: str) -> list[Route]:
        """The door, on this host. Raises CannotServe where callers are not checked and come from anywhere."""
        who, cloud = self._credentials, self._credentials.cloud
        if not who.proven and not is_loopback(listening):
            raise CannotServe(
                f"Teams without TEAMS_CLIENT_SECRET believes every caller; it is not served on {listening}."
            )
        doorman = Doorman(who.client_id, Keys(self._http, cloud, self._pace), cloud, self._pace) if who.proven else None
        guard = Guard(doorman, frozenset({who.tenant} - {""}), cloud, self._heard)
        return [Route(PATH, guard.answer, methods=["POST"])]

    async def run(self) -> None:
        """Serves until cancelled. Raises CannotServe when the credentials are no good."""
        try:
            await self._introduce()
            await asyncio.Event().wait()  # requests come through `routes`
        finally:
            await self.drain()

    async def drain(self) -> None:
        await self._desk.drain()

    async def close(self) -> None:
        """Ends the connections to Microsoft; nothing can be said after it."""
        await self._http.aclose()

    # What the listeners call

    async def heard_before(self, key: str) -> bool:
        return await self._seen(f"teams:event:{key}")

    async def take(self, errand: Errand) -> Ack:
        """Hands the errand over, and returns what to say at once."""
        return await self._desk.take(await self._guests.marked(self._opening(errand)))

    async def press(self, errand: Errand) -> Pressed:
        """The answer to a button, where it comes while Teams waits; it is there for everybody else, too."""
        return await self._presses.answer(await self._guests.marked(errand))

    def say(self, errand: Errand, card: Card) -> None:
        """Says a card that nothing has to be looked up for."""
        self._desk.say(errand, card)

    async def arrive(self, conversation: Conversation) -> None:
        """The bot may speak there, perhaps again: says what it can do, and what goes on from before."""
        errand = Errand(f"{conversation.id}:arrival", conversation, user="", text="help")
        self.say(errand, help_card())
        if card := await self._commands.rejoined(conversation.room):
            self.say(errand, card)

    async def leave(self, tenant: str, place: str) -> None:
        for room in await self._conversations.forget(tenant, place):
            log.info("left", platform="teams", team=room.space, channel=room.channel)
            await self._commands.removed_from(room)

    # The work, and what the bot says unasked: see handlers.ports for what is raised

    async def deliver(self, job: Mapping[str, str]) -> None:
        """Answers an errand that came through the queue."""
        await self._desk.answer_job(self._opening(Errand.of(job)))

    async def post(self, room: Room, card: Card, thread: str = "", key: str = "", broadcast: bool = False) -> str:
        """Says a card in a room, below a message if one is named."""
        del key, broadcast  # Teams carries nothing unseen along, and shows a reply in its thread only
        return await responder.say(self._connector, await self._where(room), card, thread)

    async def update(self, room: Room, message: str, card: Card) -> None:
        await responder.change(self._connector, await self._where(room), message, card)
        self._presses.redrawn(room, message, card)

    async def find(self, room: Room, key: str, since: datetime, thread: str = "") -> str | None:
        del room, key, since, thread
        raise Blind("a bot cannot read back what stands in Teams")

    async def tell(self, room: Room, user: str, card: Card) -> None:
        await responder.say(self._connector, await self._connector.aside(await self._where(room), user), card)

    async def _where(self, room: Room) -> Conversation:
        try:
            conversation = await self._store.through(lambda: self._conversations.recall(room))
        except Away:
            raise Later("the store is away", STORE_AGAIN_S) from None
        if conversation is None:
            raise RoomGone("the bot is not installed there")
        return conversation

    def _opening(self, errand: Errand) -> Errand:
        return replace(errand, opens=lambda address: TeamsFile(address, self._credentials.cloud))

    def _reply(self, errand: Errand) -> Reply:
        return Reply(errand, self._connector, self._pace)

    # Teams itself

    async def _heard(self, activity: Sent) -> Response:
        """An activity that the guard let through."""
        if conversation := conversation_of(activity):
            try:
                await self._store.through(lambda: self._conversations.remember(conversation))
            except Away:
                log.warning("conversation not remembered", platform="teams", channel=conversation.id)
        return await activities.answer(self, activity)

    async def _introduce(self) -> None:
        """Finds bad credentials at the start, and not when the first person waits for an answer."""
        try:
            await self._login.headers()
        except LoginRefused as why:
            raise CannotServe(str(why)) from None
        except LoginFailed as why:
            log.warning("microsoft not reached at the start", platform="teams", why=str(why))


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
