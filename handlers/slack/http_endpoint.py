"""HTTP endpoint in front of Bolt: checks signature, age, size and replay of a request.

Bolt alone answers 500 to a malformed header, hashes bodies of any size, accepts replays and logs
whole bodies.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.signature import SignatureVerifier
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from handlers.http_limits import LARGE_BODIES, RequestRefused, read_body, refusal_response
from handlers.slack.payload_shape import SHAPE_ERRORS, check_shape

MAX_TEXT = 40_000  # characters of a message; Slack cuts longer ones
TEXT_COPIES = 2  # `text` and `blocks`
OCTETS_PER_CHARACTER = len("%5Cud83d%5Cude00")  # an emoji as JSON in a form
ENVELOPE_BYTES = 64 * 1024
MAX_BODY_BYTES = MAX_TEXT * TEXT_COPIES * OCTETS_PER_CHARACTER + ENVELOPE_BYTES
MAX_SSL_CHECK_BYTES = 1024  # parsed before the signature is checked
MAX_AGE_S = 300  # docs.slack.dev, "Verifying requests from Slack"
MAX_CLOCK_SKEW_S = 5
NOT_SLACK = "not a request of Slack's"

log = structlog.get_logger()


class SlackEndpoint:
    """Verifies requests and passes them to Bolt; `is_replay` checks a signature."""

    def __init__(
        self,
        signing_secret: str,
        bolt: AsyncApp,
        is_replay: Callable[[str], Awaitable[bool]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._verifier = SignatureVerifier(signing_secret)
        self._bolt, self._is_replay, self._now = bolt, is_replay, now
        self._large_bodies = asyncio.Semaphore(LARGE_BODIES)

    async def respond(self, request: Request) -> Response:
        try:
            body = decode_body(await read_body(request, MAX_BODY_BYTES, self._large_bodies))
            if is_ssl_check(body, request.headers):
                return Response()
            signature = self.verify(body, request.headers)
            if await self._is_replay(f"slack:signature:{signature}"):
                raise RequestRefused(401, "the signature was used before")
        except RequestRefused as refusal:
            return refusal_response("slack", refusal)
        try:
            bolt_request = AsyncBoltRequest(body=body, headers=dict(request.headers))
            check_shape(bolt_request.body)
            response = await self._bolt.async_dispatch(bolt_request)
        except SHAPE_ERRORS as error:  # Bolt parses before it validates
            log.info("request refused", platform="slack", status=400, reason=type(error).__name__)
            return JSONResponse({"error": NOT_SLACK}, 400)
        return Response(response.body, response.status, response.first_headers())

    def verify(self, body: str, headers: Headers) -> str:
        """The signature, after checking it and its age. Raises RequestRefused."""
        timestamp, signature = (
            single_header(headers, "x-slack-request-timestamp"),
            single_header(headers, "x-slack-signature"),
        )
        if not (timestamp.isdigit() and len(timestamp) <= 12):
            raise RequestRefused(401, "the timestamp is not a number")
        age = self._now() - int(timestamp)
        if not -MAX_CLOCK_SKEW_S <= age <= MAX_AGE_S:
            raise RequestRefused(401, "the timestamp is too old or in the future")
        expected = self._verifier.generate_signature(timestamp=timestamp, body=body) or ""
        if not hmac.compare_digest(expected, signature):
            raise RequestRefused(401, "the signature does not fit")
        return signature


def decode_body(body: bytes) -> str:
    """The body as text. Raises RequestRefused unless it is UTF-8."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise RequestRefused(401, "the body is not text") from None


def is_ssl_check(body: str, headers: Headers) -> bool:
    """Whether this is Slack's periodic certificate check, which is not signed."""
    form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    return form and len(body) <= MAX_SSL_CHECK_BYTES and dict(parse_qsl(body)).get("ssl_check") == "1"


def single_header(headers: Headers, name: str) -> str:
    """The single ASCII value of a header. Raises RequestRefused."""
    values = headers.getlist(name)
    if len(values) != 1 or not values[0].isascii():
        raise RequestRefused(401, f"{name} is missing, given twice or not ASCII")
    return values[0]
