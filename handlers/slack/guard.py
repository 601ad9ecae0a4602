"""The HTTP door in front of Bolt: only what Slack signed, lately, once and in a sane size gets through.

Bolt alone answers 500 to a malformed header, hashes a body of any size, takes a replay, and logs whole bodies.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

import structlog
from slack_sdk.signature import SignatureVerifier
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

MOST_OCTETS = 64 * 1024
OLDEST_S = 300  # docs.slack.dev, "Verifying requests from Slack"
FUTURE_S = 5
BODY_WITHIN_S = 5.0

Behind = Callable[[str, Headers], Awaitable[Response]]

log = structlog.get_logger()


class Refused(Exception):
    """The request goes no further; `status` is what Slack is told, the message is for the log."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Guard:
    """`seen` says whether a signature came before; `behind` is where a good request goes."""

    def __init__(
        self,
        signing_secret: str,
        behind: Behind,
        seen: Callable[[str], Awaitable[bool]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._verifier = SignatureVerifier(signing_secret)
        self._behind, self._seen, self._now = behind, seen, now

    async def answer(self, request: Request) -> Response:
        try:
            body = await whole_body(request)
            if is_ssl_check(body, request.headers):
                return Response()
            signature = self.verified(body, request.headers)
            if await self._seen(f"slack:signature:{signature}"):
                raise Refused(401, "the signature was used before")
        except Refused as refused:
            log.info("request refused", platform="slack", status=refused.status, why=str(refused))
            return JSONResponse({"error": "invalid request"}, refused.status)
        return await self._behind(body, request.headers)

    def verified(self, body: str, headers: Headers) -> str:
        """The signature, which fits the body and is fresh. Raises Refused."""
        stamp, signature = only(headers, "x-slack-request-timestamp"), only(headers, "x-slack-signature")
        if not (stamp.isdigit() and len(stamp) <= 12):
            raise Refused(401, "the timestamp is not a number")
        age = self._now() - int(stamp)
        if not -FUTURE_S <= age <= OLDEST_S:
            raise Refused(401, "the timestamp is too old or in the future")
        expected = self._verifier.generate_signature(timestamp=stamp, body=body) or ""
        if not hmac.compare_digest(expected, signature):
            raise Refused(401, "the signature does not fit")
        return signature


async def whole_body(request: Request) -> str:
    """The body as text. Raises Refused as soon as it is known to be too large, too slow or no text."""
    announced = request.headers.get("content-length", "0")
    if len(announced) > 9 or (announced.isdecimal() and int(announced) > MOST_OCTETS):
        raise Refused(413, "the body is too large")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_OCTETS:
                    raise Refused(413, "the body is too large")
        return body.decode()
    except TimeoutError:
        raise Refused(408, "the body did not arrive in time") from None
    except ClientDisconnect:
        raise Refused(400, "the connection ended before the body") from None
    except UnicodeDecodeError:
        raise Refused(401, "the body is not text") from None


def is_ssl_check(body: str, headers: Headers) -> bool:
    """Slack looks now and then whether the certificate is good, and signs nothing for it."""
    form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    return form and dict(parse_qsl(body)).get("ssl_check") == "1"


def only(headers: Headers, name: str) -> str:
    """The one value of a header, in ASCII. Raises Refused."""
    values = headers.getlist(name)
    if len(values) != 1 or not values[0].isascii():
        raise Refused(401, f"{name} is missing, given twice or not ASCII")
    return values[0]
