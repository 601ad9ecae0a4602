"""Many workspaces, one bot: the pages where an admin of another workspace installs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import structlog
from slack_bolt.error import BoltError
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.state_store.stateless import StatelessOAuthStateStore
from slack_sdk.web.async_client import AsyncWebClient
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.storage import StoreUnavailable
from handlers.slack.clients import api_base, sdk_logger

INSTALL, REDIRECT = "/slack/install", "/slack/oauth_redirect"
STATE_FOR_S = 300

# As in manifest.yml, which says what each is for.
SCOPES = (
    *("commands", "app_mentions:read", "im:history", "files:read", "im:write", "channels:read", "groups:read"),
    *("channels:history", "groups:history", "chat:write", "chat:write.public", "files:write"),
)

Keep = Callable[[str, str], Awaitable[None]]  # a workspace and its token; raises StoreUnavailable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class App:
    """What Slack knows the app by: *Basic Information*, *App Credentials*."""

    client_id: str
    client_secret: str = field(repr=False)
    api_url: str = "https://slack.com/api/"


def install_pages(app: App, keep: Keep) -> list[Route]:
    """`/slack/install` leads to Slack, which leads back to `/slack/oauth_redirect` with a token for `keep`."""
    flow = AsyncOAuthFlow(
        client=AsyncWebClient(base_url=api_base(app.api_url), logger=sdk_logger(), retry_handlers=[]),
        logger=sdk_logger(),
        settings=AsyncOAuthSettings(
            client_id=app.client_id,
            client_secret=app.client_secret,
            scopes=SCOPES,
            install_page_rendering_enabled=False,
            install_path=INSTALL,
            redirect_uri_path=REDIRECT,
            authorization_url=authorize_url(app.api_url),
            installation_store=_Kept(keep),
            state_store=StatelessOAuthStateStore(expiration_seconds=STATE_FOR_S, signing_secret=app.client_secret),
            state_expiration_seconds=STATE_FOR_S,
            logger=sdk_logger(),
        ),
    )

    async def install(request: Request) -> Response:
        return _drawn(await flow.handle_installation(_asked(request)))

    async def redirect(request: Request) -> Response:
        return _drawn(await flow.handle_callback(_asked(request)))

    return [Route(INSTALL, install), Route(REDIRECT, redirect)]


def authorize_url(api_url: str) -> str:
    """Where Slack asks the admin: beside its Web API."""
    base = urlsplit(api_url)
    return f"{base.scheme}://{base.netloc}/oauth/v2/authorize"


class _Kept(AsyncInstallationStore):
    """Of all that Slack says about an installation the bot keeps only what it needs to speak."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep

    async def async_save(self, installation: Installation) -> None:
        if not (installation.team_id and installation.bot_token):
            raise BoltError("an installation for a whole organisation names no workspace")
        try:
            await self._keep(installation.team_id, installation.bot_token)
        except StoreUnavailable as away:
            raise BoltError(str(away)) from None
        log.info("installed", platform="slack", team=installation.team_id)


def _asked(request: Request) -> AsyncBoltRequest:
    return AsyncBoltRequest(body="", query=request.url.query, headers=dict(request.headers))


def _drawn(answer: BoltResponse) -> Response:
    drawn = Response(answer.body, answer.status)
    for name, values in answer.headers.items():
        for value in values:
            drawn.headers.append(name, value)
    return drawn
