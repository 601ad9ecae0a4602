"""Authenticates requests from Teams: token, tenant, body size.

Source: "Authenticate requests from the Bot Connector service" at learn.microsoft.com.
"""

from __future__ import annotations

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

from bot.resilience.single_flight import SingleFlight
from handlers.http_limits import RequestRefused, read_body, refusal_response
from handlers.teams.cloud import Cloud
from handlers.teams.requests import ActivityJson, tenant_of, text_at
from handlers.teams.throttle import TeamsTimeouts

CHANNEL = "msteams"
MAX_TOKEN_LENGTH = 8_192
LEEWAY_S = 300
KEYS_TTL_S = 24 * 3_600
MIN_REFETCH_S = 60  # after an unknown key or a failed fetch
FETCH_TIMEOUT = httpx.Timeout(5.0)

log = structlog.get_logger()


class Unauthorized(Exception):
    """The request is not proven to come from Teams; the message is for the log."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A signing key of Microsoft's and the channels it endorses; empty means any."""

    public_key: Any = field(repr=False)
    channels: frozenset[str] = frozenset()


class SigningKeys:
    """Microsoft's keys, fetched daily and for an unknown key id, at most once a minute."""

    def __init__(self, http: httpx.AsyncClient, cloud: Cloud, timeouts: TeamsTimeouts) -> None:
        self._http, self._cloud, self._timeouts = http, cloud, timeouts
        self._known: dict[str, SigningKey] = {}
        self._stale_at = float("-inf")
        self._refreshes: SingleFlight[str, None] = SingleFlight(MIN_REFETCH_S, clock=timeouts.now)

    async def get(self, key_id: str) -> SigningKey | None:
        if key_id not in self._known or self._timeouts.now() >= self._stale_at:
            await self._refreshes(self._cloud.openid, self._refresh)
        return self._known.get(key_id)

    async def _refresh(self) -> None:
        """Fetch the keys; a failure keeps the known ones, which stay valid."""
        try:
            jwks_uri = str((await self._fetch(self._cloud.openid))["jwks_uri"])
            if _origin(jwks_uri) != _origin(self._cloud.openid):
                raise ValueError("jwks_uri is on another host")
            keys = {k["kid"]: k for k in (await self._fetch(jwks_uri))["keys"] if k.get("kty") == "RSA" and "kid" in k}
            self._known = {kid: _key(k) for kid, k in keys.items()}
        except (httpx.HTTPError, jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("signing keys not fetched", platform="teams", why=type(error).__name__)
            return
        self._stale_at = self._timeouts.now() + KEYS_TTL_S

    async def _fetch(self, url: str) -> Mapping[str, Any]:
        response = await self._http.get(url, timeout=FETCH_TIMEOUT)
        response.raise_for_status()
        document: Mapping[str, Any] = response.json()
        return document


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A verified token, valid for one service URL and its endorsed channels."""

    service_url: str
    channels: frozenset[str]

    def check(self, activity: ActivityJson) -> None:
        """Raises Unauthorized where the token was not issued for this activity."""
        service_url = text_at(activity, "serviceUrl")
        if not service_url or self.service_url.rstrip("/") != service_url.rstrip("/"):
            raise Unauthorized("for another service address")
        if text_at(activity, "channelId") != CHANNEL or (self.channels and CHANNEL not in self.channels):
            raise Unauthorized("for another channel")


class TokenVerifier:
    """Verifies bearer tokens.

    Header and claims are checked first, so a forged token costs no request, and no signature
    check unless it names the issuer, this bot and a known key.
    """

    def __init__(self, client_id: str, keys: SigningKeys, cloud: Cloud, timeouts: TeamsTimeouts) -> None:
        self._client_id, self._keys, self._cloud, self._timeouts = client_id, keys, cloud, timeouts

    async def verify(self, authorization: str) -> VerifiedToken:
        """Raises Unauthorized for an invalid token."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN_LENGTH:
            raise Unauthorized("no token")
        try:
            key = await self._keys.get(self._precheck(jwt.decode_complete(token, options=_UNVERIFIED)))
            if key is None:
                raise Unauthorized("the key is not known")
            claims = jwt.decode(
                token,
                key.public_key,
                algorithms=["RS256"],
                options=_SIGNATURE_ONLY,
                audience=self._client_id,
                issuer=self._cloud.issuer,
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise Unauthorized(type(error).__name__) from None
        self._is_current(claims)
        return VerifiedToken(str(claims.get("serviceurl", "")), key.channels)

    def _precheck(self, token: Mapping[str, Any]) -> str:
        """The key id, after the checks that need no key."""
        header, claims = token["header"], token["payload"]
        if header.get("alg") != "RS256":
            raise Unauthorized("not signed with RS256")
        if claims.get("iss") != self._cloud.issuer:
            raise Unauthorized("another issuer")
        if claims.get("aud") != self._client_id:
            raise Unauthorized("for another bot")
        return str(header.get("kid", ""))

    def _is_current(self, claims: Mapping[str, Any]) -> None:
        now, ends, begins = self._timeouts.now(), claims.get("exp"), claims.get("nbf", 0)
        if not isinstance(ends, int | float) or now > ends + LEEWAY_S:
            raise Unauthorized("expired")
        if not isinstance(begins, int | float) or now < begins - LEEWAY_S:
            raise Unauthorized("not yet valid")


_UNVERIFIED: Options = {"verify_signature": False}
# The clock is injected, so the times are compared here and not by the library.
_SIGNATURE_ONLY: Options = {
    "require": ["exp", "iss", "aud"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}


def _key(jwk: Mapping[str, Any]) -> SigningKey:
    channels = frozenset(map(str, jwk.get("endorsements") or ()))
    return SigningKey(jwt.PyJWK(dict(jwk), "RS256").key, channels)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


MAX_BODY_BYTES = 256 * 1024
STORED_FIELDS = ("id", "from", "recipient", "conversation", "channelData", "replyToId")

ActivityHandler = Callable[[ActivityJson], Awaitable[Response]]


class TeamsEndpoint:
    """The `/api/messages` endpoint; empty `tenants` serves all, no verifier trusts every caller."""

    def __init__(
        self, verifier: TokenVerifier | None, tenants: frozenset[str], cloud: Cloud, handle: ActivityHandler
    ) -> None:
        self._verifier, self._tenants, self._cloud, self._handle = verifier, tenants, cloud, handle

    async def respond(self, request: Request) -> Response:
        try:
            token = await self._verify(request.headers.getlist("authorization"))
            activity = parse_activity(await read_body(request, MAX_BODY_BYTES))
            self._authorize(token, activity)
        except RequestRefused as refused:
            return refusal_response("teams", refused)
        return await self._handle(activity)

    async def _verify(self, authorization: list[str]) -> VerifiedToken | None:
        """Verify the token before the body is read. Raises RequestRefused."""
        try:
            return await self._verifier.verify("".join(authorization)) if self._verifier else None
        except Unauthorized as error:
            raise RequestRefused(401, str(error)) from None

    def _authorize(self, token: VerifiedToken | None, activity: ActivityJson) -> None:
        """Raises RequestRefused."""
        try:
            if token:
                token.check(activity)
        except Unauthorized as error:
            raise RequestRefused(401, str(error)) from None
        if not self._cloud.trusts_service(text_at(activity, "serviceUrl")):
            raise RequestRefused(403, "the service address is not one of Microsoft's")
        if self._tenants and tenant_of(activity) not in self._tenants:
            raise RequestRefused(403, "another tenant")


def parse_activity(body: bytes) -> Mapping[str, Any]:
    """The activity of a body. Raises RequestRefused."""
    try:
        activity = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestRefused(400, "the body is not JSON") from None
    if not isinstance(activity, dict):
        raise RequestRefused(400, "the body is no activity")
    try:
        identifiers = [activity.get(name) for name in STORED_FIELDS]
        json.dumps(identifiers, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate, which the store cannot hold
        raise RequestRefused(400, "an id is not text") from None
    return activity
