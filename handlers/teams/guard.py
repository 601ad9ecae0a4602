"""The door in front of the bot: only what Teams sent, of a tenant that is served, in a sane size, gets through."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from handlers.teams.cloud import Cloud
from handlers.teams.errands import Sent, said, tenants_of
from handlers.teams.tokens import Doorman, Unauthorised

MOST_OCTETS = 256 * 1024
BODY_WITHIN_S = 5.0

Behind = Callable[[Sent], Awaitable[Response]]

log = structlog.get_logger()


class Refused(Exception):
    """The request goes no further; `status` is what the caller is told, the message is for the log."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Guard:
    """`tenants` are those served, none named means all; without a `doorman` every caller is believed."""

    def __init__(self, doorman: Doorman | None, tenants: frozenset[str], cloud: Cloud, behind: Behind) -> None:
        self._doorman, self._tenants, self._cloud, self._behind = doorman, tenants, cloud, behind

    async def answer(self, request: Request) -> Response:
        try:
            activity = activity_in(await whole_body(request))
            await self._is_welcome(request.headers.getlist("authorization"), activity)
        except Refused as refused:
            log.info("request refused", platform="teams", status=refused.status, why=str(refused))
            return JSONResponse({"error": "invalid request"}, refused.status)
        return await self._behind(activity)

    async def _is_welcome(self, authorization: list[str], activity: Sent) -> None:
        """Raises Refused."""
        if self._doorman:
            try:
                await self._doorman.check("".join(authorization), activity)
            except Unauthorised as why:
                raise Refused(401, str(why)) from None
        if not self._cloud.trusts(said(activity, "serviceUrl")):
            raise Refused(403, "the service address is not one of Microsoft's")
        named = tenants_of(activity)
        if self._tenants and (not named or named - self._tenants):
            raise Refused(403, "another tenant")


async def whole_body(request: Request) -> bytes:
    """Raises Refused as soon as the body is known to be too large or too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_OCTETS:
                    raise Refused(413, "the body is too large")
    except TimeoutError:
        raise Refused(408, "the body did not arrive in time") from None
    except ClientDisconnect:
        raise Refused(400, "the connection ended before the body") from None
    return bytes(body)


def activity_in(body: bytes) -> Mapping[str, Any]:
    """Raises Refused where there is none."""
    try:
        activity = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "the body is not JSON") from None
    if not isinstance(activity, dict):
        raise Refused(400, "the body is no activity")
    return activity
