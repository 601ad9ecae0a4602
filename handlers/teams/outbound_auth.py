"""OAuth client credentials for calls to the Bot Connector."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx
import structlog

from bot.resilience.single_flight import SingleFlight
from handlers.teams.cloud import Cloud
from handlers.teams.throttle import TeamsTimeouts

MULTI_TENANT = "botframework.com"  # login tenant of a multi-tenant bot
RENEW_BEFORE_S = 300.0
CREDENTIAL_ERRORS = ("invalid_client", "unauthorized_client", "invalid_request")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Credentials:
    """App id, secret, cloud, and the tenant of a single-tenant bot.

    Without a secret no token is sent and every caller is trusted, for tests on one machine.
    """

    client_id: str
    secret: str = field(default="", repr=False)
    tenant: str = ""
    cloud: Cloud = field(default_factory=Cloud)

    @property
    def has_secret(self) -> bool:
        return bool(self.secret)


class LoginFailed(Exception):
    """No token available now; the message is for the log."""


class LoginRefused(Exception):
    """Microsoft rejects the credentials; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token and for how many seconds it is valid."""

    text: str = field(repr=False)
    lasts_s: float


class TokenSource:
    """Token for all calls, renewed before expiry; concurrent calls share one fetch."""

    def __init__(self, http: httpx.AsyncClient, credentials: Credentials, timeouts: TeamsTimeouts) -> None:
        self._http, self._credentials = http, credentials
        self._tokens: SingleFlight[str, Token] = SingleFlight(_usable_s, clock=timeouts.now)

    async def headers(self) -> dict[str, str]:
        """Headers of a call. Raises LoginFailed and LoginRefused."""
        if not self._credentials.has_secret:
            return {}
        token = await self._tokens(self._credentials.client_id, self._fetch)
        return {"Authorization": f"Bearer {token.text}"}

    def discard(self, headers: dict[str, str]) -> None:
        """Drop the token that Teams rejected in these headers."""
        for token in self._tokens.results():
            if headers.get("Authorization") == f"Bearer {token.text}":
                self._tokens.forget(self._credentials.client_id)

    async def _fetch(self) -> Token:
        app = self._credentials
        url = f"{app.cloud.login}/{app.tenant or MULTI_TENANT}/oauth2/v2.0/token"
        form = {"grant_type": "client_credentials", "client_id": app.client_id, "client_secret": app.secret}
        try:
            response = await self._http.post(url, data={**form, "scope": app.cloud.scope})
            document = response.json()
            token, lasts = document.get("access_token"), float(document.get("expires_in", 0))
        except (httpx.HTTPError, ValueError, AttributeError, TypeError) as error:
            raise LoginFailed(type(error).__name__) from None
        if document.get("error") in CREDENTIAL_ERRORS:
            reason = f"Microsoft refuses TEAMS_CLIENT_ID with TEAMS_CLIENT_SECRET ({document['error']})"
            raise LoginRefused(f"{reason}: make a new client secret for the bot.")
        if not isinstance(token, str) or not token:
            raise LoginFailed(str(document.get("error", response.status_code))[:60])
        log.info("token fetched", platform="teams", lasts_s=int(lasts))
        return Token(token, lasts)


def _usable_s(token: Token) -> float:
    return max(token.lasts_s - RENEW_BEFORE_S, 30.0)
