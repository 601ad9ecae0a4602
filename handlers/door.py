"""What every door does for which a platform sends requests: take a whole body of a sane size, or say no in few words."""

from __future__ import annotations

import asyncio

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

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
