"""The door in front of the bot: only what Teams sent, of a tenant that is served, in a sane size, gets through."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from handlers.door import Refused, turned_away, whole_body
from handlers.teams.cloud import Cloud
from handlers.teams.errands import Sent, said, tenant_of
from handlers.teams.tokens import Doorman, Pass, Unauthorised

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
