"""Speaking in Teams: the Bot Connector's REST interface, one call at a time, and what its answers mean.

Teams asks to repeat 412, 429, 502 and 504. Behind the first two nothing was done; behind the others the message may stand
already, and there is no way to look it up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import httpx

from handlers.ports import Later, MessageGone, Rejected, RoomGone, Unsure
from handlers.teams.adaptive_card import Payload
from handlers.teams.cloud import Cloud
from handlers.teams.conversation_references import Conversation, Kind
from handlers.teams.outbound_auth import Login, LoginFailed, LoginRefused
from handlers.teams.throttle import A_CONVERSATION, A_TENANT, Pace, Turns

NOT_DONE = frozenset((412, 429))
WITHIN_S = 7.0  # with the wait for a turn below the ten seconds after which a call is taken for lost
LONGEST_TURN_S = 2.0
SOON_S = 1.0
LOGIN_AGAIN_S = 30.0


class Connector:
    """Each method makes one call, and raises Later, Unsure, RoomGone, MessageGone or Rejected."""

    def __init__(self, http: httpx.AsyncClient, login: Login, cloud: Cloud, pace: Pace) -> None:
        self._http, self._login, self._cloud, self._pace = http, login, cloud, pace
        self._turns, self._tenants = Turns(A_CONVERSATION, pace.now), Turns(A_TENANT, pace.now)

    async def say(self, to: Conversation, payload: Payload, thread: str = "") -> str:
        """Says it in the conversation, in a thread if one is named; returns the id of the message."""
        missing = RoomGone if to.thread(thread) == to.id else MessageGone
        told = await self._call("POST", to, _activities(to, thread), payload, missing)
        return str(told.get("id", ""))

    async def change(self, where: Conversation, message: str, payload: Payload, thread: str = "") -> None:
        """Puts it in the place of an earlier message of the bot."""
        path = f"{_activities(where, thread)}/{quote(message, safe='')}"
        await self._call("PUT", where, path, {**payload, "id": message}, MessageGone)

    async def aside(self, conversation: Conversation, user: str) -> Conversation:
        """The chat with one person of a conversation, opened if need be."""
        tenant = {"id": conversation.tenant}
        wanted = {"isGroup": False, "bot": {"id": conversation.bot}, "members": [{"id": user}]}
        wanted |= {"tenantId": conversation.tenant, "channelData": {"tenant": tenant}}
        told = await self._call("POST", conversation, "/v3/conversations", wanted, RoomGone)
        return replace(conversation, id=str(told.get("id", "")), kind=Kind.PERSONAL, team="")

    async def member(self, place: Conversation, user: str) -> Mapping[str, object]:
        """What Teams tells of a person there, who may be no member: MessageGone. It takes no turn from what is said."""
        path = f"/v3/conversations/{quote(place.id, safe='')}/members/{quote(user, safe='')}"
        return await self._call("GET", place, path, None, MessageGone)

    async def _call(
        self, method: str, place: Conversation, path: str, body: Payload | None, missing: type[Exception]
    ) -> Mapping[str, object]:
        """`missing` is what a 404 means."""
        if not self._cloud.trusts(place.service_url):
            raise RoomGone("its service address is not one of Microsoft's")
        if body is not None:
            await self._turn(place)
        try:
            async with asyncio.timeout(WITHIN_S):
                answer = await self._once(method, place.service_url.rstrip("/") + path, body)
        except (LoginFailed, LoginRefused) as why:
            raise Later(str(why), LOGIN_AGAIN_S) from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as why:
            raise Later(f"not reached ({type(why).__name__})", SOON_S) from None
        except (httpx.HTTPError, TimeoutError) as why:
            raise Unsure(f"no answer ({type(why).__name__})") from None
        if answer.is_success:
            return _json(answer)
        raise self._refusal(place, answer, missing)

    async def _once(self, method: str, url: str, body: Payload | None) -> httpx.Response:
        """One call, and another where the token had been withdrawn."""
        for last in (False, True):
            headers = await self._login.headers()
            answer = await self._http.request(method, url, json=body, headers=headers)
            if answer.status_code != 401 or last:
                break
            self._login.forget(headers)
        return answer

    async def _turn(self, place: Conversation) -> None:
        wait = max(self._turns.wait(_key(place)), self._tenants.wait(place.tenant))
        if wait > LONGEST_TURN_S:
            raise Later("many messages at once", wait)
        self._turns.take(_key(place))
        self._tenants.take(place.tenant)
        if wait > 0:
            await self._pace.sleep(wait)

    def _refusal(self, place: Conversation, answer: httpx.Response, missing: type[Exception]) -> Exception:
        """What a status means. A Retry-After holds for all who speak in that conversation, and for nobody elsewhere."""
        status, why = answer.status_code, f"status {answer.status_code} {_reason(answer)}".strip()
        if status in NOT_DONE:
            wait = max(SOON_S, seconds(answer.headers.get("Retry-After", ""), self._pace.now()))
            self._turns.rest(_key(place), wait)
            return Later(why, wait)
        if status >= 500:
            return Unsure(why)
        return {401: Later(why, LOGIN_AGAIN_S), 403: RoomGone(why), 404: missing(why)}.get(status, Rejected(why))


def _key(place: Conversation) -> str:
    return f"{place.tenant} {place.id}"


def _activities(conversation: Conversation, thread: str) -> str:
    return f"/v3/conversations/{quote(conversation.thread(thread), safe='')}/activities"


def _reason(answer: httpx.Response) -> str:
    """Teams' own word for it, such as MessageWritesBlocked; often there is none."""
    error = _json(answer).get("error")
    return str(error.get("code", ""))[:60] if isinstance(error, Mapping) else ""


def _json(answer: httpx.Response) -> Mapping[str, object]:
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, Mapping) else {}


def seconds(retry_after: str, now: float) -> float:
    """Of a Retry-After header, which is a number or a date; zero where it says nothing."""
    try:
        named = float(retry_after) if retry_after.isdecimal() else parsedate_to_datetime(retry_after).timestamp() - now
    except (ValueError, OverflowError):
        return 0.0
    return max(named, 0.0)
