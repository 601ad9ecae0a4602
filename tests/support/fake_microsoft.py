"""Fake Microsoft: signing keys, login and the Bot Connector, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from handlers.teams.cloud import Cloud
from tests.support.teams_activities import TENANT
from tests.support.teams_validator import faults

ISSUER = "https://api.botframework.com"
SECRET = "a client secret for tests"
TOKEN = "a-token-that-must-go-to-nobody-else"
DOWN = "http://127.0.0.1:9"  # a service of Microsoft's that nobody answers for

Payload = dict[str, Any]


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True)
class PostedCall:
    """A call that reached a conversation: POST is a new message, PUT replaces `message`."""

    method: str
    conversation: str
    message: str
    payload: Payload

    @property
    def words(self) -> str:
        return json.dumps(self.payload, ensure_ascii=False)


@dataclass
class FakeMicrosoft:
    """`mishaps` are error responses (status, headers), one per connector call.

    `lost` are statuses returned after a message was accepted, `answers_lost` counts them by
    method. `people` holds member records by id. `slow` delays the keys until it is set; `calls`
    counts requests by path. `files` are served in pieces (`sent_pieces`); `bearers` are the
    received tokens.
    """

    said: list[PostedCall] = field(default_factory=list)
    refused: list[list[str]] = field(default_factory=list)
    mishaps: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    opened: list[Payload] = field(default_factory=list)
    known: dict[str, dict[str, Any]] = field(default_factory=lambda: {"k1": {"endorsements": ["msteams", "webchat"]}})
    slow: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    ids: count[int] = field(default_factory=lambda: count(1_700_000_000_000))
    login_error: str = ""
    lost: list[int] = field(default_factory=list)
    answers_lost: Counter[str] = field(default_factory=Counter)
    people: dict[str, dict[str, str]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    file_status: int = 200
    sent_pieces: int = 0
    bearers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.slow.set()

    @property
    def app(self) -> Starlette:
        speaking = "/service/v3/conversations/{conversation}/activities"
        return Starlette(
            routes=[
                Route("/v1/.well-known/openidconfiguration", self._openid),
                Route("/v1/.well-known/keys", self._keys),
                Route("/{tenant}/oauth2/v2.0/token", self._login, methods=["POST"]),
                Route("/personal/{file}", self._file),
                Route("/service/v3/conversations", self._open, methods=["POST"]),
                Route(speaking, self._receive, methods=["POST"]),
                Route(speaking + "/{message}", self._receive, methods=["PUT"]),
                Route("/service/v3/conversations/{conversation}/members/{person}", self._member),
            ]
        )

    @staticmethod
    def cloud(url: str) -> Cloud:
        openid, drives = (f"{url}/v1/.well-known/openidconfiguration", re.compile(f"{re.escape(url)}|{DOWN}"))
        return Cloud(ISSUER, openid, url, services=frozenset({url, DOWN}), drives=drives)

    async def until(self, enough: Callable[[list[PostedCall]], bool], within: float = 5.0) -> list[PostedCall]:
        async with asyncio.timeout(within), self.news:
            await self.news.wait_for(lambda: enough(self.said))
        return self.said

    async def _openid(self, request: Request) -> Response:
        self.calls["openid"] += 1
        self.asked.set()
        await self.slow.wait()
        return JSONResponse({"issuer": ISSUER, "jwks_uri": str(request.base_url) + "v1/.well-known/keys"})

    async def _keys(self, _: Request) -> Response:
        self.calls["keys"] += 1
        jwks = [
            {**RSAAlgorithm.to_jwk(key(kid).public_key(), as_dict=True), "kid": kid, **m}
            for kid, m in self.known.items()
        ]
        return JSONResponse({"keys": [{"kty": "EC", "kid": "another-kind"}, *jwks]})

    async def _login(self, request: Request) -> Response:
        self.calls["login"] += 1
        asked = dict(parse_qsl((await request.body()).decode()))
        good = asked["client_secret"] == SECRET and asked["grant_type"] == "client_credentials"
        if self.login_error or not good:
            return JSONResponse({"error": self.login_error or "invalid_client"}, 401)
        return JSONResponse({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})

    async def _open(self, request: Request) -> Response:
        if (mishap := self._mishap(request)) is not None:
            return mishap
        self.opened.append(await request.json())
        return JSONResponse({"id": "a:alone"}, 201)

    async def _member(self, request: Request) -> Response:
        if (mishap := self._mishap(request)) is not None:
            return mishap
        person = request.path_params["person"]
        self.calls[f"who is {person}"] += 1
        known = {"id": person, "userRole": "user", "tenantId": TENANT, **self.people.get(person, {})}
        return JSONResponse(known)

    async def _file(self, request: Request) -> Response:
        self.bearers += request.headers.getlist("authorization")
        if self.file_status != 200:
            return Response(status_code=self.file_status, headers={"Location": f"{request.base_url}personal/other"})
        return StreamingResponse(self._pieces(self.files[request.path_params["file"]]))

    async def _pieces(self, octets: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(octets), 65_536):
            self.sent_pieces += 1
            yield octets[start : start + 65_536]

    async def _receive(self, request: Request) -> Response:
        if (mishap := self._mishap(request)) is not None:
            return mishap
        payload = await request.json()
        if wrong := faults(payload):
            self.refused.append(wrong)
            return JSONResponse({"error": {"code": "BadSyntax"}}, 400)
        message = request.path_params.get("message") or str(next(self.ids))
        async with self.news:
            self.said.append(PostedCall(request.method, request.path_params["conversation"], message, payload))
            self.news.notify_all()
        if self.lost:
            self.answers_lost[request.method] += 1
            return JSONResponse({}, self.lost.pop(0))
        return JSONResponse({"id": message}, 201 if request.method == "POST" else 200)

    def _mishap(self, request: Request) -> Response | None:
        self.calls["connector"] += 1
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse({}, 401)
        if not self.mishaps:
            return None
        status, headers = self.mishaps.pop(0)
        return JSONResponse({"error": {"code": "Mishap"}}, status, headers)


def token(claims: dict[str, Any], signed_with: str = "k1", kid: str = "k1", algorithm: str = "RS256") -> str:
    secret = {"RS256": key(signed_with), "HS256": b"k" * 32, "none": None}[algorithm]
    return jwt.encode(claims, secret, algorithm, headers={"kid": kid})
