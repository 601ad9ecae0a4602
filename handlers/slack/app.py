"""Slack in service: Bolt's listeners over Socket Mode and HTTP, and the work that answers what they heard.

A listener reads, acknowledges and hands over; it never waits for DNS, and for the queue only a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from handlers.background import Fuse, Seen, SharedMemory
from handlers.message import Card
from handlers.messages import refusal_card
from handlers.ports import Ack, Answering, Room
from handlers.request_dispatcher import Desk, Enqueue
from handlers.slack.app_home import Homes, Look, OnHome, nothing
from handlers.slack.clients import (
    NETWORK,
    TOKEN_REFUSED,
    UNSAID,
    Clients,
    Installed,
    Token,
    api_base,
    one_for_all,
    one_for_each,
    reason,
    sdk_logger,
)
from handlers.slack.files import Cabinet, server_for
from handlers.slack.http_endpoint import Guard
from handlers.slack.listeners import register
from handlers.slack.modals import View
from handlers.slack.oauth import App, install_pages
from handlers.slack.poster import Speaker
from handlers.slack.requests import Errand
from handlers.slack.responder import Pace, Reply
from handlers.slack.socket_mode import SlackRefuses, Watchdog, listen

PATH = "/slack/events"
NOT_OPENED = "Slack did not open the form; please press the button again."

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Credentials:
    """`app_token` opens Socket Mode, `signing_secret` serves HTTP; either, or both. `bot_token` is that of the one workspace;
    where many may install the bot, `app` says what it is called by Slack, and `installed` which did."""

    bot_token: str = field(default="", repr=False)
    app_token: str = field(default="", repr=False)
    signing_secret: str = field(default="", repr=False)
    api_url: str = "https://slack.com/api/"
    app: App | None = None
    installed: Installed | None = None

    @property
    def token(self) -> Token:
        return one_for_each(self.installed) if self.installed else one_for_all(self.bot_token)


class Slack:
    """`enqueue` takes a job that some process gives to `deliver`; when it fails, the work is done here and now.

    `seen` remembers a key, and says whether it knew it; shared by all processes, it keeps each from answering an event, or
    letting in a request, that another has had. Without it, or while it fails, a process knows its own.
    """

    name = "slack"

    def __init__(
        self,
        credentials: Credentials,
        commands: Answering,
        enqueue: Enqueue,
        seen: SharedMemory | None = None,
        pace: Pace | None = None,
        look: Look = nothing,
    ) -> None:
        self._credentials, self._commands, self._pace = credentials, commands, pace or Pace()
        store = Fuse()  # one for both uses: when the store hangs, a person waits for it once
        self._seen = Seen(seen, store)
        self._clients = Clients(credentials.token, credentials.api_url)
        self._speaker = Speaker(self._clients.plain, self._pace.sleep)
        self._cabinet = Cabinet(self._clients.patient, server_for(credentials.api_url))
        self._homes = Homes(self._clients, look, self._pace)
        self._desk = Desk(commands, enqueue, store, self._reply, self._pace.progress_after)
        self._home = ""  # the workspace of the token, once Slack has said it
        self._bolt = bolt(credentials)
        register(self._bolt, self)

    def routes(self) -> list[Route]:
        """The door for HTTP, where there is a signing secret; and the pages where other workspaces install the bot."""
        secret, app, installed = self._credentials.signing_secret, self._credentials.app, self._credentials.installed
        guard = Guard(secret, self._dispatch, self._seen, self._pace.now)
        door = [Route(PATH, guard.answer, methods=["POST"])] if secret else []
        return door + (install_pages(app, partial(self._installed, installed)) if app and installed else [])

    async def run(self, watchdog: Watchdog | None = None) -> None:
        """Listens until cancelled, then finishes what was begun. Raises SlackRefuses when the tokens are no good."""
        try:
            await self._introduce()
            if self._credentials.app_token:
                await listen(self._bolt, self._credentials.app_token, watchdog or Watchdog())
            else:
                await asyncio.Event().wait()  # requests come through `routes`
        finally:
            await self.drain()

    async def drain(self) -> None:
        await self._desk.drain()

    # What the listeners call

    def now(self) -> float:
        return self._pace.now()

    async def heard_before(self, errand: Errand) -> bool:
        """Slack sends an event again when it is in doubt, sometimes under another id and without saying so."""
        return await self._seen(f"slack:event:{errand.team}:{errand.id}")

    async def take(self, errand: Errand) -> Ack:
        """What to say at once; the errand is handed over behind it, so that an acknowledgement waits for nothing."""
        return self._desk.take_unwaited(self._at_home(errand))

    async def handed_over(self) -> None:
        """Waits until the queue has, or has refused, what was taken so far."""
        await self._desk.handed_over()

    def say(self, errand: Errand, card: Card) -> None:
        """Says a card where an acknowledgement cannot carry it."""
        self._desk.say(errand, card)

    def open(self, errand: Errand, form: View) -> None:
        """Shows a form; where that fails, the errand is answered without one."""
        self._desk.work.start(self._open(errand, form))

    def joined(self, team: str, channel: str) -> None:
        """The bot was invited: watches of the channel that rested go on."""
        self._desk.work.start(self._welcome(Room(self.name, self._home or team, channel)))

    async def silenced(self, team: str) -> None:
        if self._credentials.installed:
            await self._credentials.installed.forget(team)
        await self._commands.silenced(self.name, self._home or team)

    def at_home(self, team: str, user: str) -> None:
        """Somebody looks at the App Home."""
        if self._home in ("", team):  # a stranger from a workspace that shares a channel has no page here
            self._desk.work.start(self._homes.draw(team, user))

    def ask_at_home(self, team: str, user: str, trigger: str, form: View) -> None:
        """Shows a form that was asked for on the App Home; where that fails, the page says so."""
        self._desk.work.start(self._ask_at_home(team, user, trigger, form))

    async def removed(self, team: str) -> None:
        if self._credentials.installed:
            await self._credentials.installed.forget(team)
        await self._commands.removed(self.name, self._home or team)

    async def _open(self, errand: Errand, form: View) -> None:
        try:
            client = await self._clients.patient(errand.team)
            await client.views_open(trigger_id=errand.id, view=form)
        except UNSAID as error:
            log.info("form not opened", platform="slack", why=reason(error))
            said = await self.take(errand)
            if not said.work:
                self.say(errand, said.card)

    async def _ask_at_home(self, team: str, user: str, trigger: str, form: View) -> None:
        try:
            await (await self._clients.patient(team)).views_open(trigger_id=trigger, view=form)
        except UNSAID as error:
            log.info("form not opened", platform="slack", why=reason(error))
            await self._homes.draw(team, user, refusal_card(NOT_OPENED))

    async def _welcome(self, room: Room) -> None:
        if card := await self._commands.rejoined(room):
            await self.post(room, card)

    def _at_home(self, errand: Errand) -> Errand:
        """In a channel that workspaces share, what Slack names may be the workspace of the one who speaks."""
        errand = replace(errand, opens=self._cabinet.file)
        if not self._home or errand.team == self._home:
            return errand
        return replace(errand, team=self._home, stranger=True)

    # The work

    async def deliver(self, job: Mapping[str, str]) -> None:
        """Answers an errand that came through the queue."""
        await self._desk.answer_job(replace(Errand.of(job), opens=self._cabinet.file))

    # Speaking unasked

    async def post(self, room: Room, card: Card, thread: str = "", key: str = "", broadcast: bool = False) -> str:
        return await self._speaker.post(room, card, thread, key, broadcast)

    async def update(self, room: Room, message: str, card: Card) -> None:
        await self._speaker.update(room, message, card)

    async def find(self, room: Room, key: str, since: datetime, thread: str = "") -> str | None:
        return await self._speaker.find(room, key, since, thread)

    async def tell(self, room: Room, user: str, card: Card) -> None:
        await self._speaker.tell(room, user, card)

    def _reply(self, errand: Errand) -> Reply | OnHome:
        if errand.at_home:
            return OnHome(self._homes, errand)
        return Reply(errand, self._clients.patient, self._pace)

    # Slack itself

    async def _dispatch(self, body: str, headers: Headers) -> Response:
        """A request that the guard let through, given to Bolt."""
        try:
            request = AsyncBoltRequest(body=body, headers=dict(headers))
        except (ValueError, TypeError, AttributeError):  # Bolt reads before it checks what it was given
            return JSONResponse({"error": "not a request of Slack's"}, 400)
        answer = await self._bolt.async_dispatch(request)
        return Response(answer.body, answer.status, answer.first_headers())

    async def _installed(self, installed: Installed, team: str, token: str) -> None:
        await installed.keep(team, token)
        self._desk.work.start(self._commands.returned(self.name, team))

    async def _introduce(self) -> None:
        """Finds a bad token at the start, and not when the first person waits for an answer."""
        if self._credentials.installed:
            return
        try:
            client = await self._clients.patient("")
            self._home = str((await client.auth_test()).get("team_id") or "")
        except (SlackApiError, *NETWORK) as error:
            if (why := reason(error)) in TOKEN_REFUSED:
                raise SlackRefuses(f"Slack refuses SLACK_BOT_TOKEN ({why}): install the app again.") from None
            log.warning("slack not reached at the start", platform="slack", why=why)
        else:
            self._desk.work.start(self._commands.returned(self.name, self._home))


def bolt(credentials: Credentials) -> AsyncApp:
    """Bolt without its waits: it would poll every 10 ms for the acknowledgement, and ask Slack who we are before it.

    Requests over HTTP were verified by the guard, those of Socket Mode come over our own connection.
    """

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=credentials.bot_token or None)

    return AsyncApp(
        name="mailcheck",
        client=AsyncWebClient(base_url=api_base(credentials.api_url), logger=sdk_logger()),
        authorize=authorize,
        logger=sdk_logger(),
        process_before_response=True,
        request_verification_enabled=False,
        ssl_check_enabled=False,
        raise_error_for_unhandled_request=True,
    )
