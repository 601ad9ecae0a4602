"""Size and time limits of request bodies and file downloads."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import MappingProxyType

import httpx
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from handlers.ports import FileUnreadable

BODY_TIMEOUT_S = 5.0
SMALL_BODY_BYTES = 64 * 1024  # what each connection may hold in memory
LARGE_BODIES = 16  # read at a time

log = structlog.get_logger()


class RequestRefused(Exception):
    """The request is rejected with `status`; the message is for the log only."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


async def read_body(request: Request, max_bytes: int, large_bodies: asyncio.Semaphore | None = None) -> bytes:
    """Read the body. Raises RequestRefused as soon as it is too large or too slow.

    `large_bodies` limits how many above SMALL_BODY_BYTES are read at a time; others wait for their turn.
    """
    announced = request.headers.get("content-length", "0")
    if len(announced) > 9 or (announced.isdecimal() and int(announced) > max_bytes):
        raise RequestRefused(413, "the body is too large")
    body = bytearray()
    try:
        async with AsyncExitStack() as turn, asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                if large_bodies and len(body) <= SMALL_BODY_BYTES < len(body) + len(chunk):
                    await turn.enter_async_context(large_bodies)
                body += chunk
                if len(body) > max_bytes:
                    raise RequestRefused(413, "the body is too large")
    except TimeoutError:
        raise RequestRefused(408, "the body did not arrive in time") from None
    except ClientDisconnect:
        raise RequestRefused(400, "the connection ended before the body") from None
    return bytes(body)


def refusal_response(platform: str, refused: RequestRefused) -> Response:
    """A response without details, since the sender may be forged."""
    log.info("request refused", platform=platform, status=refused.status, reason=str(refused))
    return JSONResponse({"error": "invalid request"}, refused.status)


DOWNLOAD_TIMEOUT_S = 30.0  # for the whole download
TOO_LARGE = "The file is larger than {megabytes} MB; attach the part of the log that matters."
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


async def download(url: str, max_bytes: int, headers: Mapping[str, str] = NO_HEADERS) -> bytes:
    """Download a file without following redirects, which lead to login pages.

    Raises FileUnreadable for more than `max_bytes`, and httpx.HTTPError.
    """
    content = bytearray()
    identity = {**headers, "Accept-Encoding": "identity"}
    async with httpx.AsyncClient(timeout=10.0) as http, http.stream("GET", url, headers=identity) as response:
        response.raise_for_status()
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > max_bytes:
                raise too_large(max_bytes)
    return bytes(content)


def too_large(max_bytes: int) -> FileUnreadable:
    return FileUnreadable(TOO_LARGE.format(megabytes=max(1, max_bytes // 2**20)))
