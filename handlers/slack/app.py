"""Slack platform: wires Bolt, the request dispatcher, the poster and the App Home.

Listeners parse, acknowledge and enqueue; they never wait for DNS.
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
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from starlette.routing import Route

from bot.storage.deduplicator import Deduplicator
from handlers.message import Card
from handlers.messages import refusal_card
from handlers.ports import Channel, CommandHandler
from handlers.request_dispatcher import Enqueue, RequestDispatcher
from handlers.slack.app_home import AppHomePublisher, AppHomeResponder, OverviewLoader, empty_overview
from handlers.slack.clients import (
    CALL_ERRORS,
    NETWORK_ERRORS,
    TOKEN_ERRORS,
    Clients,
    TokenLookup,
    TokenStore,
    api_base_url,
    error_code,
    sdk_logger,
    single_token,
    stored_tokens,
)
from handlers.slack.files import SlackFiles, file_server_for
from handlers.slack.http_endpoint import SlackEndpoint
from handlers.slack.listeners import accept_request, register_listeners
from handlers.slack.modals import View
from handlers.slack.oauth import OAuthApp, install_routes
from handlers.slack.poster import SlackPoster
from handlers.slack.requests import RequestContext, SlackRequest
from handlers.slack.responder import SlackResponder, SlackTimeouts
from handlers.slack.socket_mode import SlackConnectionRefused, Watchdog, listen

EVENTS_PATH = "/slack/events"
FORM_NOT_OPENED = "Slack did not open the form; please press the button again."

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Credentials:
    """Tokens and secrets of the Slack app.

    `app_token` enables Socket Mode and `signing_secret` the HTTP endpoint; either or both.
    `bot_token` is for one workspace; with `oauth_app` and `token_store` several can install the
    bot.
    """

    bot_token: str = field(default="", repr=False)
    app_token: str = field(default="", repr=False)
    signing_secret: str = field(default="", repr=False)
    api_url: str = "https://slack.com/api/"
    oauth_app: OAuthApp | None = None
    token_store: TokenStore | None = None

    @property
    def token_lookup(self) -> TokenLookup:
        return stored_tokens(self.token_store) if self.token_store else single_token(self.bot_token)


class SlackPlatform:
    """The platform `slack`.

    `enqueue` hands a job to a process that calls `deliver`; while it fails, requests are answered
    in this process. `deduplicator` is shared by all processes, so that each event and each signed
    request is handled once.
    """

    name = "slack"

    def __init__(
        self,
        credentials: Credentials,
        commands: CommandHandler,
        enqueue: Enqueue,
        deduplicator: Deduplicator | None = None,
        timeouts: SlackTimeouts | None = None,
        load_overview: OverviewLoader = empty_overview,
    ) -> None:
        self._credentials, self._commands, self._timeouts = (credentials, commands, timeouts or SlackTimeouts())
        self._deduplicator = deduplicator or Deduplicator()
        self._clients = Clients(credentials.token_lookup, credentials.api_url)
        self._poster = SlackPoster(self._clients.without_retries, self._timeouts.sleep)
        self._files = SlackFiles(self._clients.with_retries, file_server_for(credentials.api_url))
        self._app_home = AppHomePublisher(self._clients, load_overview, self._timeouts)
        self.dispatcher = RequestDispatcher(
            commands, enqueue, self._read_job, self._responder, self._timeouts.progress_after
        )
        self.deliver = self.dispatcher.deliver
        self._workspace = ""  # workspace of the token, from auth.test
        self._bolt = build_bolt_app(credentials)
        register_listeners(self._bolt, self)

    def routes(self) -> list[Route]:
        """The events endpoint if there is a signing secret, and the OAuth pages if configured."""
        secret, oauth_app, token_store = (
            self._credentials.signing_secret,
            self._credentials.oauth_app,
            self._credentials.token_store,
        )
        endpoint = SlackEndpoint(secret, self._bolt, self._deduplicator, self._timeouts.now)
        events_route = [Route(EVENTS_PATH, endpoint.respond, methods=["POST"])] if secret else []
        return events_route + (
            install_routes(oauth_app, partial(self._on_installed, token_store)) if oauth_app and token_store else []
        )

    async def run(self, watchdog: Watchdog | None = None) -> None:
        """Listen until cancelled, then finish pending work. Raises SlackConnectionRefused."""
        try:
            await self._check_token()
            if self._credentials.app_token:
                await listen(self._bolt, self._credentials.app_token, watchdog or Watchdog())
            else:
                await asyncio.Event().wait()  # requests come through `routes`
        finally:
            await self.drain()

    async def drain(self) -> None:
        await self.dispatcher.drain()

    # Called by the listeners

    def context(self) -> RequestContext:
        return RequestContext(self._timeouts.now(), self._commands.verbs, self._workspace, self._files.file)

    async def is_duplicate(self, request: SlackRequest) -> bool:
        """Whether the event was handled; Slack redelivers, sometimes under another event_id."""
        return await self._deduplicator(f"slack:event:{request.team}:{request.id}")

    def open_form(self, request: SlackRequest, form: View) -> None:
        """Open a modal; if that fails, answer the request without it."""
        self.dispatcher.tasks.start(self._open_form(request, form))

    def on_joined(self, team: str, channel: str) -> None:
        """The bot joined a channel: resume its paused watches."""
        self.dispatcher.tasks.start(self._resume_watches(Channel(self.name, self._workspace or team, channel)))

    async def on_token_revoked(self, team: str) -> None:
        if self._credentials.token_store:
            await self._credentials.token_store.delete(team)
        await self._commands.on_token_revoked(self.name, self._workspace or team)

    def on_home_opened(self, team: str, user: str) -> None:
        """The user opened the App Home."""
        if self._workspace in ("", team):  # external users of a shared channel have no App Home here
            self.dispatcher.tasks.start(self._app_home.publish(team, user))

    def open_home_form(self, team: str, user: str, trigger: str, form: View) -> None:
        """Open a modal from the App Home; a failure is shown on the page."""
        self.dispatcher.tasks.start(self._open_home_form(team, user, trigger, form))

    async def on_uninstalled(self, team: str) -> None:
        if self._credentials.token_store:
            await self._credentials.token_store.delete(team)
        await self._commands.on_uninstalled(self.name, self._workspace or team)

    async def _open_form(self, request: SlackRequest, form: View) -> None:
        try:
            client = await self._clients.with_retries(request.team)
            await client.views_open(trigger_id=request.id, view=form)
        except CALL_ERRORS as error:
            log.info("modal not opened", platform="slack", error=error_code(error))
            accept_request(self, request)

    async def _open_home_form(self, team: str, user: str, trigger: str, form: View) -> None:
        try:
            await (await self._clients.with_retries(team)).views_open(trigger_id=trigger, view=form)
        except CALL_ERRORS as error:
            log.info("modal not opened", platform="slack", error=error_code(error))
            await self._app_home.publish(team, user, refusal_card(FORM_NOT_OPENED))

    async def _resume_watches(self, channel: Channel) -> None:
        if card := await self._commands.on_channel_joined(channel):
            await self.post(channel, card)

    def _read_job(self, job: Mapping[str, str]) -> SlackRequest:
        return replace(SlackRequest.from_job(job, self._commands.verbs), open_file=self._files.file)

    # Unsolicited messages

    async def post(self, channel: Channel, card: Card, thread: str = "", key: str = "", broadcast: bool = False) -> str:
        return await self._poster.post(channel, card, thread, key, broadcast)

    async def update(self, channel: Channel, message: str, card: Card) -> None:
        await self._poster.update(channel, message, card)

    async def find(self, channel: Channel, key: str, since: datetime, thread: str = "") -> str | None:
        return await self._poster.find(channel, key, since, thread)

    async def notify_user(self, channel: Channel, user: str, card: Card) -> None:
        await self._poster.notify_user(channel, user, card)

    def _responder(self, request: SlackRequest) -> SlackResponder | AppHomeResponder:
        if request.from_app_home:
            return AppHomeResponder(self._app_home, request)
        return SlackResponder(request, self._clients.with_retries, self._timeouts)

    # Slack API and Bolt

    async def _on_installed(self, token_store: TokenStore, team: str, token: str) -> None:
        await token_store.save(team, token)
        self.dispatcher.tasks.start(self._commands.on_token_restored(self.name, team))

    async def _check_token(self) -> None:
        """Call auth.test, so that a bad token fails at start and not on the first request."""
        if self._credentials.token_store:
            return
        try:
            client = await self._clients.with_retries("")
            self._workspace = str((await client.auth_test()).get("team_id") or "")
        except (SlackApiError, *NETWORK_ERRORS) as error:
            if (code := error_code(error)) in TOKEN_ERRORS:
                raise SlackConnectionRefused(
                    f"Slack refuses SLACK_BOT_TOKEN ({code}): install the app again."
                ) from None
            log.warning("slack unreachable at start", platform="slack", error=code)
        else:
            self.dispatcher.tasks.start(self._commands.on_token_restored(self.name, self._workspace))


def build_bolt_app(credentials: Credentials) -> AsyncApp:
    """Bolt without its own verification, authorization calls and 10 ms acknowledgement polling.

    HTTP requests are verified by SlackEndpoint; Socket Mode requests come over our own connection.
    """

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=credentials.bot_token or None)

    return AsyncApp(
        name="mailcheck",
        client=AsyncWebClient(base_url=api_base_url(credentials.api_url), logger=sdk_logger()),
        authorize=authorize,
        logger=sdk_logger(),
        process_before_response=True,
        request_verification_enabled=False,
        ssl_check_enabled=False,
        raise_error_for_unhandled_request=True,
    )
