"""The token that the bot shows to Teams when it speaks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import httpx
import structlog

from handlers.teams.cloud import Cloud
from handlers.teams.throttle import Pace

MANY_TENANTS = "botframework.com"  # the tenant in whose name a bot that serves several asks
RENEW_BEFORE_S = 300.0
NOT_OURS = ("invalid_client", "unauthorized_client", "invalid_request")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who the bot is, in which cloud, and in which tenant if it serves only one.

    Without a `secret` it shows no token and believes every caller, which is for a test on one machine.
    """

    client_id: str
    secret: str = field(default="", repr=False)
    tenant: str = ""
    cloud: Cloud = field(default_factory=Cloud)

    @property
    def proven(self) -> bool:
        return bool(self.secret)


class LoginFailed(Exception):
    """No token could be had just now; the message is a word for the log."""


class LoginRefused(Exception):
    """Microsoft does not take our credentials; the message is one sentence that says what to do."""


class Login:
    """One token for all calls, renewed before it ends, fetched once however many wait for it."""

    def __init__(self, http: httpx.AsyncClient, credentials: Credentials, pace: Pace) -> None:
        self._http, self._credentials, self._pace = http, credentials, pace
        self._token, self._good_until = "", 0.0
        self._fetching = asyncio.Lock()

    async def headers(self) -> dict[str, str]:
        """What goes with a call. Raises LoginFailed and LoginRefused."""
        if not self._credentials.proven:
            return {}
        async with self._fetching:
            if self._pace.now() >= self._good_until:
                await self._fetch()
        return {"Authorization": f"Bearer {self._token}"}

    def forget(self, refused: dict[str, str]) -> None:
        """Teams did not take the token in these headers."""
        if refused.get("Authorization") == f"Bearer {self._token}":
            self._good_until = 0.0

    async def _fetch(self) -> None:
        who = self._credentials
        url = f"{who.cloud.login}/{who.tenant or MANY_TENANTS}/oauth2/v2.0/token"
        form = {"grant_type": "client_credentials", "client_id": who.client_id, "client_secret": who.secret}
        try:
            answer = await self._http.post(url, data={**form, "scope": who.cloud.scope})
            told = answer.json()
            token, lasts = told.get("access_token"), float(told.get("expires_in", 0))
        except (httpx.HTTPError, ValueError, AttributeError, TypeError) as error:
            raise LoginFailed(type(error).__name__) from None
        if told.get("error") in NOT_OURS:
            why = f"Microsoft refuses TEAMS_CLIENT_ID with TEAMS_CLIENT_SECRET ({told['error']})"
            raise LoginRefused(f"{why}: make a new client secret for the bot.")
        if not isinstance(token, str) or not token:
            raise LoginFailed(str(told.get("error", answer.status_code))[:60])
        self._token, self._good_until = token, self._pace.now() + max(lasts - RENEW_BEFORE_S, 30.0)
        log.info("token fetched", platform="teams", lasts_s=int(lasts))
