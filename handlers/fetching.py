"""Files that a chat platform keeps: fetched in pieces, and never more than may be."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import httpx

from handlers.platform import Unreadable

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
