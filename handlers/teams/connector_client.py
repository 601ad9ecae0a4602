"""Client of the Bot Connector's REST API.

Teams asks to retry 412, 429, 502 and 504. After the first two nothing was done; after the others
the message may have been posted, and there is no way to look it up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import httpx

from bot.resilience.rate_limit import RateLimiter
from handlers.ports import ChannelUnavailable, DeliveryUnknown, MessageNotFound, Rejected, RetryAfter
from handlers.teams.adaptive_card import Payload
from handlers.teams.cloud import Cloud
from handlers.teams.conversation_references import ConversationReference, ConversationType
from handlers.teams.outbound_auth import LoginFailed, LoginRefused, TokenSource
from handlers.teams.throttle import CONVERSATION_RATE, TENANT_RATE, TeamsTimeouts

NOT_DONE = frozenset((412, 429))
CALL_TIMEOUT_S = 7.0  # with the rate-limit wait below the 10 s after which delivery gives a call up
MAX_RATE_LIMIT_WAIT_S = 2.0
MIN_RETRY_S = 1.0
LOGIN_RETRY_S = 30.0


class ConnectorClient:
    """Each method makes one call.

    Raises RetryAfter, DeliveryUnknown, ChannelUnavailable, MessageNotFound or Rejected.
    """

    def __init__(
        self, http: httpx.AsyncClient, token_source: TokenSource, cloud: Cloud, timeouts: TeamsTimeouts
    ) -> None:
        self._http, self._token_source, self._cloud, self._timeouts = (http, token_source, cloud, timeouts)
        self._conversation_limit = RateLimiter(CONVERSATION_RATE, timeouts.now)
        self._tenant_limit = RateLimiter(TENANT_RATE, timeouts.now)

    async def post(self, conversation: ConversationReference, payload: Payload, thread: str = "") -> str:
        """Post a message, in a thread if given; returns its id."""
        missing = ChannelUnavailable if conversation.thread_id(thread) == conversation.id else MessageNotFound
        document = await self._call("POST", conversation, _activities(conversation, thread), payload, missing)
        return str(document.get("id", ""))

    async def update(
        self, conversation: ConversationReference, message: str, payload: Payload, thread: str = ""
    ) -> None:
        """Replace a message of the bot."""
        path = f"{_activities(conversation, thread)}/{quote(message, safe='')}"
        await self._call("PUT", conversation, path, {**payload, "id": message}, MessageNotFound)

    async def personal_chat(self, conversation: ConversationReference, user: str) -> ConversationReference:
        """The personal chat with a user, created if needed."""
        tenant = {"id": conversation.tenant}
        members = {"isGroup": False, "bot": {"id": conversation.bot}, "members": [{"id": user}]}
        members |= {"tenantId": conversation.tenant, "channelData": {"tenant": tenant}}
        document = await self._call("POST", conversation, "/v3/conversations", members, ChannelUnavailable)
        return replace(conversation, id=str(document.get("id", "")), kind=ConversationType.PERSONAL, team="")

    async def member(self, conversation: ConversationReference, user: str) -> Mapping[str, object]:
        """The member record of a user; MessageNotFound if not a member. Not rate-limited."""
        path = f"/v3/conversations/{quote(conversation.id, safe='')}/members/{quote(user, safe='')}"
        return await self._call("GET", conversation, path, None, MessageNotFound)

    async def _call(
        self,
        method: str,
        conversation: ConversationReference,
        path: str,
        body: Payload | None,
        missing: type[Exception],
    ) -> Mapping[str, object]:
        """`missing` is the exception for a 404."""
        if not self._cloud.trusts_service(conversation.service_url):
            raise ChannelUnavailable("its service address is not one of Microsoft's")
        if body is not None:
            await self._wait_for_rate_limit(conversation)
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                response = await self._once(method, conversation.service_url.rstrip("/") + path, body)
        except (LoginFailed, LoginRefused) as error:
            raise RetryAfter(str(error), LOGIN_RETRY_S) from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise RetryAfter(f"not reached ({type(error).__name__})", MIN_RETRY_S) from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise DeliveryUnknown(f"no answer ({type(error).__name__})") from None
        if response.is_success:
            return _json(response)
        raise self._error(conversation, response, missing)

    async def _once(self, method: str, url: str, body: Payload | None) -> httpx.Response:
        """One call, repeated once if the token was rejected."""
        for last in (False, True):
            headers = await self._token_source.headers()
            response = await self._http.request(method, url, json=body, headers=headers)
            if response.status_code != 401 or last:
                break
            self._token_source.discard(headers)
        return response

    async def _wait_for_rate_limit(self, conversation: ConversationReference) -> None:
        wait = max(self._conversation_limit.wait_s(_key(conversation)), self._tenant_limit.wait_s(conversation.tenant))
        if wait > MAX_RATE_LIMIT_WAIT_S:
            raise RetryAfter("many messages at once", wait)
        self._conversation_limit.reserve(_key(conversation))
        self._tenant_limit.reserve(conversation.tenant)
        if wait > 0:
            await self._timeouts.sleep(wait)

    def _error(
        self, conversation: ConversationReference, response: httpx.Response, missing: type[Exception]
    ) -> Exception:
        """The exception for a status. Retry-After blocks this conversation only."""
        status, reason = (response.status_code, f"status {response.status_code} {_reason(response)}".strip())
        if status in NOT_DONE:
            wait = max(MIN_RETRY_S, retry_after_s(response.headers.get("Retry-After", ""), self._timeouts.now()))
            self._conversation_limit.block(_key(conversation), wait)
            return RetryAfter(reason, wait)
        if status >= 500:
            return DeliveryUnknown(reason)
        return {401: RetryAfter(reason, LOGIN_RETRY_S), 403: ChannelUnavailable(reason), 404: missing(reason)}.get(
            status, Rejected(reason)
        )


def _key(conversation: ConversationReference) -> str:
    return f"{conversation.tenant} {conversation.id}"


def _activities(conversation: ConversationReference, thread: str) -> str:
    return f"/v3/conversations/{quote(conversation.thread_id(thread), safe='')}/activities"


def _reason(response: httpx.Response) -> str:
    """Teams' error code, such as MessageWritesBlocked; often empty."""
    error = _json(response).get("error")
    return str(error.get("code", ""))[:60] if isinstance(error, Mapping) else ""


def _json(response: httpx.Response) -> Mapping[str, object]:
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, Mapping) else {}


def retry_after_s(retry_after: str, now: float) -> float:
    """Seconds of a Retry-After header (number or date); 0 if absent or invalid."""
    try:
        named = float(retry_after) if retry_after.isdecimal() else parsedate_to_datetime(retry_after).timestamp() - now
    except (ValueError, OverflowError):
        return 0.0
    return max(named, 0.0)
