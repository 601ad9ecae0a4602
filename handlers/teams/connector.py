"""Speaking in Teams: the Bot Connector's REST interface, with its limits and its bad days.

Teams asks to repeat 412, 429, 502 and 504; behind a 502 or 504 the message may stand already, and there is no way to look
it up. So a message is said at least once, and twice only when Teams lost the answer to the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import httpx
import structlog

from handlers.teams.adaptive import Payload
from handlers.teams.cloud import Cloud
from handlers.teams.conversations import Conversation, Kind
from handlers.teams.login import Login, LoginFailed, LoginRefused
from handlers.teams.pace import A_CONVERSATION, A_TENANT, Pace, Turns

AGAIN = frozenset((412, 429, 502, 504))
CLOSED = frozenset((403, 404))
DRAWN_WRONG = frozenset((400, 413))
WITHIN = httpx.Timeout(10.0)

log = structlog.get_logger()


class NotSaid(Exception):
    """Teams did not take it; `status` is zero where there was no answer."""

    def __init__(self, why: str, status: int = 0) -> None:
        super().__init__(why)
        self.status = status


class RoomGone(NotSaid):
    """The bot was removed or blocked there, or the conversation is no more; there is no point in trying again."""


class MessageGone(NotSaid):
    """The message that was to be changed is no more."""


class Connector:
    """Raises NotSaid from every method, RoomGone and MessageGone where it is known to be for good."""

    def __init__(self, http: httpx.AsyncClient, login: Login, cloud: Cloud, pace: Pace) -> None:
        self._http, self._login, self._cloud, self._pace = http, login, cloud, pace
        self._turns, self._tenants = Turns(A_CONVERSATION, pace.now), Turns(A_TENANT, pace.now)

    async def say(self, to: Conversation, payload: Payload, thread: str = "") -> str:
        """Says it in the conversation, in a thread if one is named; returns the id of the message."""
        told = await self._call("POST", to, f"{_activities(to, thread)}", payload)
        return str(told.get("id", ""))

    async def change(self, where: Conversation, message: str, payload: Payload, thread: str = "") -> None:
        """Puts it in the place of an earlier message of the bot."""
        path = f"{_activities(where, thread)}/{quote(message, safe='')}"
        await self._call("PUT", where, path, {**payload, "id": message})

    async def aside(self, conversation: Conversation, user: str) -> Conversation:
        """The chat with one person of a conversation, opened if need be."""
        tenant = {"id": conversation.tenant}
        wanted = {"isGroup": False, "bot": {"id": conversation.bot}, "members": [{"id": user}]}
        wanted |= {"tenantId": conversation.tenant, "channelData": {"tenant": tenant}}
        told = await self._call("POST", conversation, "/v3/conversations", wanted)
        return replace(conversation, id=str(told.get("id", "")), kind=Kind.PERSONAL, team="")

    async def _call(self, method: str, place: Conversation, path: str, body: Payload) -> Mapping[str, object]:
        if not self._cloud.trusts(place.service_url):
            raise NotSaid("the service address is not one of Microsoft's")
        url = place.service_url.rstrip("/") + path
        why = "gave up"
        for failures in range(1, self._pace.tries + 1):
            await self._turn(place)
            try:
                answer = await self._once(method, url, body)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, LoginFailed) as error:
                why, wait = type(error).__name__, self._pace.wait(failures)  # nothing has been sent
            except httpx.HTTPError as error:
                raise NotSaid(f"no answer ({type(error).__name__})") from None
            except LoginRefused as refused:
                raise NotSaid(str(refused)) from None
            else:
                if answer.status_code not in AGAIN:
                    return _taken(method, answer)
                why, wait = f"status {answer.status_code}", self._asked_to_wait(place, answer, failures)
            log.info("trying again", platform="teams", why=why, wait_s=round(wait, 2), failures=failures)
            if wait > 0 and failures < self._pace.tries:
                await self._pace.sleep(wait)
        raise NotSaid(why)

    async def _once(self, method: str, url: str, body: Payload) -> httpx.Response:
        """One call, and another where the token had been withdrawn."""
        for last in (False, True):
            headers = await self._login.headers()
            answer = await self._http.request(method, url, json=body, headers=headers, timeout=WITHIN)
            if answer.status_code != 401 or last:
                break
            self._login.forget(headers)
        return answer

    async def _turn(self, place: Conversation) -> None:
        wait = max(self._turns.take(f"{place.tenant} {place.id}"), self._tenants.take(place.tenant))
        if wait > 0:
            await self._pace.sleep(wait)

    def _asked_to_wait(self, place: Conversation, answer: httpx.Response, failures: int) -> float:
        """A Retry-After holds for everybody who speaks in that conversation, and for nobody elsewhere."""
        named = seconds(answer.headers.get("Retry-After", ""), self._pace.now())
        if named is None:
            return self._pace.wait(failures)
        wait = min(named, self._pace.longest)
        self._turns.rest(f"{place.tenant} {place.id}", wait)
        return 0.0


def _activities(conversation: Conversation, thread: str) -> str:
    return f"/v3/conversations/{quote(conversation.thread(thread), safe='')}/activities"


def _taken(method: str, answer: httpx.Response) -> Mapping[str, object]:
    """What Teams answered. Raises NotSaid."""
    status = answer.status_code
    if answer.is_success:
        return _json(answer)
    why = f"status {status} {_reason(answer)}".strip()
    if status == 404 and method == "PUT":
        raise MessageGone(why, status)
    raise (RoomGone if status in CLOSED else NotSaid)(why, status)


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


def seconds(retry_after: str, now: float) -> float | None:
    """Of a Retry-After header, which is a number or a date; None where it is neither."""
    try:
        return float(retry_after) if retry_after.isdecimal() else parsedate_to_datetime(retry_after).timestamp() - now
    except (ValueError, OverflowError):
        return None
