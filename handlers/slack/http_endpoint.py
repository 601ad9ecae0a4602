"""HTTP endpoint in front of Bolt: checks signature, age, size and replay of a request.

Bolt alone answers 500 to a malformed header, hashes bodies of any size, accepts replays and logs
whole bodies.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from slack_sdk.signature import SignatureVerifier
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from handlers.http_limits import RequestRefused, read_body, refusal_response

MAX_BODY_BYTES = 64 * 1024
MAX_AGE_S = 300  # docs.slack.dev, "Verifying requests from Slack"
MAX_CLOCK_SKEW_S = 5

Handler = Callable[[str, Headers], Awaitable[Response]]


class SlackEndpoint:
    """Verifies requests and passes them to `handler`; `is_replay` checks a signature."""

    def __init__(
        self,
        signing_secret: str,
        handler: Handler,
        is_replay: Callable[[str], Awaitable[bool]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._verifier = SignatureVerifier(signing_secret)
        self._handler, self._is_replay, self._now = handler, is_replay, now

    async def respond(self, request: Request) -> Response:
        try:
            body = decode_body(await read_body(request, MAX_BODY_BYTES))
            if is_ssl_check(body, request.headers):
                return Response()
            signature = self.verify(body, request.headers)
            if await self._is_replay(f"slack:signature:{signature}"):
                raise RequestRefused(401, "the signature was used before")
        except RequestRefused as refusal:
            return refusal_response("slack", refusal)
        return await self._handler(body, request.headers)

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
    return form and dict(parse_qsl(body)).get("ssl_check") == "1"


def single_header(headers: Headers, name: str) -> str:
    """The single ASCII value of a header. Raises RequestRefused."""
    values = headers.getlist(name)
    if len(values) != 1 or not values[0].isascii():
        raise RequestRefused(401, f"{name} is missing, given twice or not ASCII")
    return values[0]
