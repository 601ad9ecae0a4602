"""Is it really Teams that calls? The token of a request, checked against Microsoft's keys before anything else is read.

Source: "Authenticate requests from the Bot Connector service" at learn.microsoft.com.

The door in front of the bot: only what Teams sent, of a tenant that is served, in a sane size, gets through.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import structlog
from jwt.types import Options
from starlette.requests import Request
from starlette.responses import Response

from handlers.http_limits import Refused, turned_away, whole_body
from handlers.teams.cloud import Cloud
from handlers.teams.requests import Sent, said, tenant_of
from handlers.teams.throttle import Pace

CHANNEL = "msteams"
LONGEST_TOKEN = 8_192
LEEWAY_S = 300
KEYS_LAST_S = 24 * 3_600
LOOK_AGAIN_S = 60  # for a key that is not known, or one that could not be fetched
FETCH_WITHIN = httpx.Timeout(5.0)

log = structlog.get_logger()


class Unauthorised(Exception):
    """The request did not come from Teams, or cannot be shown to; the message is for the log."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of Microsoft's, and the channels it may speak for; none named means any."""

    public: Any = field(repr=False)
    channels: frozenset[str] = frozenset()


class Keys:
    """Microsoft's keys, fetched once a day, and when an unknown one is named, though not more than once a minute."""

    def __init__(self, http: httpx.AsyncClient, cloud: Cloud, pace: Pace) -> None:
        self._http, self._cloud, self._pace = http, cloud, pace
        self._known: dict[str, Key] = {}
        self._old_at = self._next_look = float("-inf")
        self._looking = asyncio.Lock()

    async def named(self, name: str) -> Key | None:
        if name not in self._known or self._wants_a_look(name):
            async with self._looking:  # whoever comes while they are fetched waits for them
                if self._wants_a_look(name):
                    await self._look()
        return self._known.get(name)

    def _wants_a_look(self, name: str) -> bool:
        now = self._pace.now()
        return now >= self._next_look and (name not in self._known or now >= self._old_at)

    async def _look(self) -> None:
        """Keeps what is known when Microsoft cannot be reached: an old key is still one of theirs."""
        self._next_look = self._pace.now() + LOOK_AGAIN_S
        try:
            where = str((await self._fetch(self._cloud.openid))["jwks_uri"])
            if _origin(where) != _origin(self._cloud.openid):
                raise ValueError("the keys are said to be elsewhere")
            found = {k["kid"]: k for k in (await self._fetch(where))["keys"] if k.get("kty") == "RSA" and "kid" in k}
            self._known = {kid: _key(k) for kid, k in found.items()}
        except (httpx.HTTPError, jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("keys of microsoft not fetched", platform="teams", why=type(error).__name__)
            return
        self._old_at = self._pace.now() + KEYS_LAST_S

    async def _fetch(self, url: str) -> Mapping[str, Any]:
        answer = await self._http.get(url, timeout=FETCH_WITHIN)
        answer.raise_for_status()
        found: Mapping[str, Any] = answer.json()
        return found


@dataclass(frozen=True, slots=True)
class Pass:
    """A good token. It is bound to one service and one channel, so that it cannot lend its trust to another activity."""

    service: str
    channels: frozenset[str]

    def check(self, activity: Sent) -> None:
        """Raises Unauthorised where the token was not given for this activity."""
        service = said(activity, "serviceUrl")
        if not service or self.service.rstrip("/") != service.rstrip("/"):
            raise Unauthorised("for another service address")
        if said(activity, "channelId") != CHANNEL or (self.channels and CHANNEL not in self.channels):
            raise Unauthorised("for another channel")


class Doorman:
    """Lets in what Teams signed for this bot. What a forged token says costs no request to anybody, and no arithmetic
    either while it does not at least name Microsoft, this bot and a key of theirs."""

    def __init__(self, client_id: str, keys: Keys, cloud: Cloud, pace: Pace) -> None:
        self._client_id, self._keys, self._cloud, self._pace = client_id, keys, cloud, pace

    async def look_at(self, authorization: str) -> Pass:
        """Raises Unauthorised where the token is not good."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > LONGEST_TOKEN:
            raise Unauthorised("no token")
        try:
            key = await self._keys.named(self._look_over(jwt.decode_complete(token, options=_UNVERIFIED)))
            if key is None:
                raise Unauthorised("the key is not known")
            claims = jwt.decode(
                token,
                key.public,
                algorithms=["RS256"],
                options=_OURSELVES,
                audience=self._client_id,
                issuer=self._cloud.issuer,
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise Unauthorised(type(error).__name__) from None
        self._is_current(claims)
        return Pass(str(claims.get("serviceurl", "")), key.channels)

    def _look_over(self, token: Mapping[str, Any]) -> str:
        """The name of its key; what can be refused at sight is, so that no key is looked for."""
        header, claims = token["header"], token["payload"]
        if header.get("alg") != "RS256":
            raise Unauthorised("not signed with RS256")
        if claims.get("iss") != self._cloud.issuer:
            raise Unauthorised("another issuer")
        if claims.get("aud") != self._client_id:
            raise Unauthorised("for another bot")
        return str(header.get("kid", ""))

    def _is_current(self, claims: Mapping[str, Any]) -> None:
        now, ends, begins = self._pace.now(), claims.get("exp"), claims.get("nbf", 0)
        if not isinstance(ends, int | float) or now > ends + LEEWAY_S:
            raise Unauthorised("expired")
        if not isinstance(begins, int | float) or now < begins - LEEWAY_S:
            raise Unauthorised("not yet valid")


_UNVERIFIED: Options = {"verify_signature": False}
# The clock is handed in, so the times are compared here and not by the library.
_OURSELVES: Options = {"require": ["exp", "iss", "aud"], "verify_exp": False, "verify_nbf": False, "verify_iat": False}


def _key(found: Mapping[str, Any]) -> Key:
    return Key(jwt.PyJWK(dict(found), "RS256").key, frozenset(map(str, found.get("endorsements") or ())))


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


MOST_OCTETS = 256 * 1024

Behind = Callable[[Sent], Awaitable[Response]]


class Guard:
    """`tenants` are those served, none named means all; without a `doorman` every caller is believed."""

    def __init__(self, doorman: Doorman | None, tenants: frozenset[str], cloud: Cloud, behind: Behind) -> None:
        self._doorman, self._tenants, self._cloud, self._behind = doorman, tenants, cloud, behind

    async def answer(self, request: Request) -> Response:
        try:
            shown = await self._shown(request.headers.getlist("authorization"))
            activity = activity_in(await whole_body(request, MOST_OCTETS))
            self._is_welcome(shown, activity)
        except Refused as refused:
            return turned_away("teams", refused)
        return await self._behind(activity)

    async def _shown(self, authorization: list[str]) -> Pass | None:
        """The token, looked at before a body is read: a forger gets no more of our time than that. Raises Refused."""
        try:
            return await self._doorman.look_at("".join(authorization)) if self._doorman else None
        except Unauthorised as why:
            raise Refused(401, str(why)) from None

    def _is_welcome(self, shown: Pass | None, activity: Sent) -> None:
        """Raises Refused."""
        try:
            if shown:
                shown.check(activity)
        except Unauthorised as why:
            raise Refused(401, str(why)) from None
        if not self._cloud.trusts(said(activity, "serviceUrl")):
            raise Refused(403, "the service address is not one of Microsoft's")
        if self._tenants and tenant_of(activity) not in self._tenants:
            raise Refused(403, "another tenant")


def activity_in(body: bytes) -> Mapping[str, Any]:
    """Raises Refused where there is none."""
    try:
        activity = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "the body is not JSON") from None
    if not isinstance(activity, dict):
        raise Refused(400, "the body is no activity")
    return activity
