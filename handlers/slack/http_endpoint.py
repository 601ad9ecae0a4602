"""The HTTP door in front of Bolt: only what Slack signed, lately, once and in a sane size gets through.

Bolt alone answers 500 to a malformed header, hashes a body of any size, takes a replay, and logs whole bodies.
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

from handlers.http_limits import Refused, turned_away, whole_body

MOST_OCTETS = 64 * 1024
OLDEST_S = 300  # docs.slack.dev, "Verifying requests from Slack"
FUTURE_S = 5

Behind = Callable[[str, Headers], Awaitable[Response]]


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
            body = as_text(await whole_body(request, MOST_OCTETS))
            if is_ssl_check(body, request.headers):
                return Response()
            signature = self.verified(body, request.headers)
            if await self._seen(f"slack:signature:{signature}"):
                raise Refused(401, "the signature was used before")
        except Refused as refused:
            return turned_away("slack", refused)
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


def as_text(body: bytes) -> str:
    """Raises Refused where it is none."""
    try:
        return body.decode()
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
