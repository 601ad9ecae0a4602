"""OAuth pages where other workspaces install the app."""

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
from handlers.slack.clients import api_base_url, sdk_logger

INSTALL_PATH, REDIRECT_PATH = "/slack/install", "/slack/oauth_redirect"
STATE_TTL_S = 300

# As in manifest.yml, which explains each.
SCOPES = (
    *("commands", "app_mentions:read", "im:history", "files:read", "im:write", "channels:read", "groups:read"),
    *("channels:history", "groups:history", "chat:write", "chat:write.public", "files:write"),
)

SaveToken = Callable[[str, str], Awaitable[None]]  # workspace, token; raises StoreUnavailable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OAuthApp:
    """The app's credentials (*Basic Information*, *App Credentials*)."""

    client_id: str
    client_secret: str = field(repr=False)
    api_url: str = "https://slack.com/api/"


def install_routes(app: OAuthApp, save_token: SaveToken) -> list[Route]:
    """Routes of the OAuth flow: `/slack/install` and `/slack/oauth_redirect`.

    The latter passes workspace and bot token to `save_token`.
    """
    flow = AsyncOAuthFlow(
        client=AsyncWebClient(base_url=api_base_url(app.api_url), logger=sdk_logger(), retry_handlers=[]),
        logger=sdk_logger(),
        settings=AsyncOAuthSettings(
            client_id=app.client_id,
            client_secret=app.client_secret,
            scopes=SCOPES,
            install_page_rendering_enabled=False,
            install_path=INSTALL_PATH,
            redirect_uri_path=REDIRECT_PATH,
            authorization_url=authorize_url(app.api_url),
            installation_store=_InstallationStore(save_token),
            state_store=StatelessOAuthStateStore(expiration_seconds=STATE_TTL_S, signing_secret=app.client_secret),
            state_expiration_seconds=STATE_TTL_S,
            logger=sdk_logger(),
        ),
    )

    async def install(request: Request) -> Response:
        return _starlette_response(await flow.handle_installation(_bolt_request(request)))

    async def redirect(request: Request) -> Response:
        return _starlette_response(await flow.handle_callback(_bolt_request(request)))

    return [Route(INSTALL_PATH, install), Route(REDIRECT_PATH, redirect)]


def authorize_url(api_url: str) -> str:
    """Slack's authorization page for an API URL."""
    base = urlsplit(api_url)
    return f"{base.scheme}://{base.netloc}/oauth/v2/authorize"


class _InstallationStore(AsyncInstallationStore):
    """Stores only workspace and bot token of an installation."""

    def __init__(self, save_token: SaveToken) -> None:
        self._save_token = save_token

    async def async_save(self, installation: Installation) -> None:
        if not (installation.team_id and installation.bot_token):
            raise BoltError("an installation for a whole organisation names no workspace")
        try:
            await self._save_token(installation.team_id, installation.bot_token)
        except StoreUnavailable as error:
            raise BoltError(str(error)) from None
        log.info("app installed", platform="slack", team=installation.team_id)


def _bolt_request(request: Request) -> AsyncBoltRequest:
    return AsyncBoltRequest(body="", query=request.url.query, headers=dict(request.headers))


def _starlette_response(bolt_response: BoltResponse) -> Response:
    response = Response(bolt_response.body, bolt_response.status)
    for name, values in bolt_response.headers.items():
        for value in values:
            response.headers.append(name, value)
    return response
