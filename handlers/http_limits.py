"""What every door does for which a platform sends requests: take a whole body of a sane size, or say no in few words.

Files that a chat platform keeps: fetched in pieces, and never more than may be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

import httpx
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from handlers.ports import Unreadable

BODY_WITHIN_S = 5.0

log = structlog.get_logger()


class Refused(Exception):
    """The request goes no further; `status` is what the caller is told, the message is for the log."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


async def whole_body(request: Request, most: int) -> bytes:
    """`most` is in octets. Raises Refused as soon as the body is known to be too large or too slow."""
    announced = request.headers.get("content-length", "0")
    if len(announced) > 9 or (announced.isdecimal() and int(announced) > most):
        raise Refused(413, "the body is too large")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise Refused(413, "the body is too large")
    except TimeoutError:
        raise Refused(408, "the body did not arrive in time") from None
    except ClientDisconnect:
        raise Refused(400, "the connection ended before the body") from None
    return bytes(body)


def turned_away(platform: str, refused: Refused) -> Response:
    """The caller, who may be a forger, learns nothing but the status."""
    log.info("request refused", platform=platform, status=refused.status, why=str(refused))
    return JSONResponse({"error": "invalid request"}, refused.status)


WITHIN_S = 30.0  # from the first question to the last octet
TOO_LARGE = "The file is larger than {most} MB; attach the part of the log that matters."
NO_MORE: Mapping[str, str] = MappingProxyType({})


async def fetched(url: str, most: int, headers: Mapping[str, str] = NO_MORE) -> bytes:
    """Redirects are not followed: they lead to a login page, or to where nobody looked.

    Raises Unreadable for more than `most` octets, and httpx.HTTPError: HTTPStatusError for any answer but a file.
    """
    octets = bytearray()
    plain = {**headers, "Accept-Encoding": "identity"}
    async with httpx.AsyncClient(timeout=10.0) as http, http.stream("GET", url, headers=plain) as answer:
        answer.raise_for_status()
        async for piece in answer.aiter_raw():
            octets += piece
            if len(octets) > most:
                raise too_large(most)
    return bytes(octets)


def too_large(most: int) -> Unreadable:
    return Unreadable(TOO_LARGE.format(most=max(1, most // 2**20)))
