"""The Teams platform: the endpoint `/api/messages`, and posting through the Bot Connector.

Activities are acknowledged and enqueued; only card actions wait briefly for their card.
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

from bot.storage import StoreUnavailable
from bot.storage.deduplicator import Deduplicator
from bot.storage.record_store import UnreadableRecord
from handlers.message import Card
from handlers.messages import help_card
from handlers.ports import (
    Ack,
    CannotServe,
    Channel,
    ChannelUnavailable,
    CommandHandler,
    HistoryUnavailable,
    Rejected,
    RetryAfter,
)
from handlers.request_dispatcher import Enqueue, RequestDispatcher
from handlers.teams import activities, responder
from handlers.teams.connector_client import ConnectorClient
from handlers.teams.conversation_references import ConversationReference, ConversationReferences
from handlers.teams.files import TeamsFile
from handlers.teams.inbound_auth import SigningKeys, TeamsEndpoint, TokenVerifier
from handlers.teams.invoke import CardInvokes, InvokeResponse
from handlers.teams.membership import MembershipCheck
from handlers.teams.outbound_auth import Credentials, LoginFailed, LoginRefused, TokenSource
from handlers.teams.requests import ActivityJson, TeamsRequest, conversation_of
from handlers.teams.responder import TeamsResponder
from handlers.teams.throttle import TeamsTimeouts

PATH = "/api/messages"
STORE_RETRY_S = 5.0

log = structlog.get_logger()


class TeamsPlatform:
    """`enqueue` hands a job to a process that calls `deliver`; when it fails, it runs here.

    `conversations` and `deduplicator` are shared by all processes, so that any can post and none
    answers an activity twice.
    """

    name = "teams"

    def __init__(
        self,
        credentials: Credentials,
        commands: CommandHandler,
        enqueue: Enqueue,
        conversations: ConversationReferences,
        deduplicator: Deduplicator | None = None,
        timeouts: TeamsTimeouts | None = None,
    ) -> None:
        self._credentials, self._commands, self.verbs = credentials, commands, commands.verbs
        self._conversations, self._timeouts = conversations, timeouts or TeamsTimeouts()
        self._deduplicator = deduplicator or Deduplicator()
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(10.0))
        self._token_source = TokenSource(self._http, credentials, self._timeouts)
        self._connector = ConnectorClient(self._http, self._token_source, credentials.cloud, self._timeouts)
        self._membership = MembershipCheck(self._connector, commands.verbs, self._timeouts)
        self._dispatcher = RequestDispatcher(
            commands, enqueue, self._read_job, self._responder, self._timeouts.progress_after
        )
        self.deliver = self._dispatcher.deliver
        self._invokes = CardInvokes(commands, self._dispatcher.tasks, self._responder, self._timeouts.action_timeout_s)

    def routes(self, host: str) -> list[Route]:
        """The endpoint. Raises CannotServe if callers are not verified and the host is public."""
        app, cloud = self._credentials, self._credentials.cloud
        if not app.has_secret and not is_loopback(host):
            raise CannotServe(f"Teams without TEAMS_CLIENT_SECRET accepts every caller; it is not served on {host}.")
        verifier = (
            TokenVerifier(app.client_id, SigningKeys(self._http, cloud, self._timeouts), cloud, self._timeouts)
            if app.has_secret
            else None
        )
        endpoint = TeamsEndpoint(verifier, frozenset({app.tenant} - {""}), cloud, self._on_activity)
        return [Route(PATH, endpoint.respond, methods=["POST"])]

    async def run(self) -> None:
        """Run until cancelled. Raises CannotServe if the credentials are rejected."""
        try:
            await self._log_in()
            await asyncio.Event().wait()  # requests come through `routes`
        finally:
            await self.drain()

    async def drain(self) -> None:
        await self._dispatcher.drain()

    async def close(self) -> None:
        """Close the connections to Microsoft."""
        await self._http.aclose()

    # Called by activities

    async def is_duplicate(self, key: str) -> bool:
        return await self._deduplicator(f"teams:event:{key}")

    async def accept(self, request: TeamsRequest) -> Ack:
        """Enqueue the request and return the acknowledgement."""
        return await self._dispatcher.accept(await self._membership.mark_external(self._with_files(request)))

    async def invoke(self, request: TeamsRequest) -> InvokeResponse:
        """Answer a card action while Teams waits; all members see the same card."""
        return await self._invokes.handle(await self._membership.mark_external(request))

    def send(self, request: TeamsRequest, card: Card) -> None:
        """Post a card that needs no work."""
        self._dispatcher.send(request, card)

    async def on_added(self, conversation: ConversationReference) -> None:
        """The bot was added: post help, and what was resumed."""
        request = TeamsRequest(f"{conversation.id}:arrival", conversation, user="", command=self.verbs.parse(""))
        self.send(request, help_card(self.verbs.usages))
        if card := await self._commands.on_channel_joined(conversation.channel):
            self.send(request, card)

    async def on_removed(self, tenant: str, conversation_id: str) -> None:
        for channel in await self._conversations.delete(tenant, conversation_id):
            log.info("left", platform="teams", team=channel.workspace, channel=channel.id)
            await self._commands.on_channel_left(channel)

    # The platform interface; handlers.ports names what it raises

    async def post(self, channel: Channel, card: Card, thread: str = "", key: str = "", broadcast: bool = False) -> str:
        """Post a card, in a thread if given."""
        del key, broadcast  # Teams has no hidden metadata, and shows replies in their thread only
        return await responder.post_card(self._connector, await self._reference(channel), card, thread)

    async def update(self, channel: Channel, message: str, card: Card) -> None:
        await responder.update_card(self._connector, await self._reference(channel), message, card)
        self._invokes.message_updated(channel, message, card)

    async def find(self, channel: Channel, key: str, since: datetime, thread: str = "") -> str | None:
        del channel, key, since, thread
        raise HistoryUnavailable("a bot cannot read the history in Teams")

    async def notify_user(self, channel: Channel, user: str, card: Card) -> None:
        await responder.post_card(
            self._connector, await self._connector.personal_chat(await self._reference(channel), user), card
        )

    async def _reference(self, channel: Channel) -> ConversationReference:
        try:
            conversation = await self._conversations.get(channel)
        except StoreUnavailable:
            raise RetryAfter("the store is unavailable", STORE_RETRY_S) from None
        except UnreadableRecord:
            raise Rejected("the stored reference of this conversation cannot be read") from None
        if conversation is None:
            raise ChannelUnavailable("the bot is not installed there")
        return conversation

    def _read_job(self, job: Mapping[str, str]) -> TeamsRequest:
        return self._with_files(TeamsRequest.from_job(job, self.verbs))

    def _with_files(self, request: TeamsRequest) -> TeamsRequest:
        return replace(request, open_file=lambda address: TeamsFile(address, self._credentials.cloud))

    def _responder(self, request: TeamsRequest) -> TeamsResponder:
        return TeamsResponder(request, self._connector, self._timeouts)

    # Teams itself

    async def _on_activity(self, activity: ActivityJson) -> Response:
        """Handle an authenticated activity."""
        if conversation := conversation_of(activity):
            try:
                await self._conversations.store(conversation)
            except StoreUnavailable:
                log.warning("conversation reference not stored", platform="teams", channel=conversation.id)
        return await activities.handle_activity(self, activity)

    async def _log_in(self) -> None:
        """Find rejected credentials at start-up."""
        try:
            await self._token_source.headers()
        except LoginRefused as error:
            raise CannotServe(str(error)) from None
        except LoginFailed as error:
            log.warning("login failed at start-up", platform="teams", reason=str(error))


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
