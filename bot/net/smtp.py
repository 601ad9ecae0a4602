"""The only door to other people's port 25."""

from __future__ import annotations

import asyncio

from bot.addresses import special
from bot.model import Address

PORT = 25
CONNECT_WITHIN_S = 8.0


async def reaches(ip: Address, within_s: float = CONNECT_WITHIN_S) -> bool:
    """Does a TCP connection to port 25 of this public address open? It is closed again without a word.

    Raises ValueError for a special-purpose address: the bot connects to none, ever.
    """
    if reserved := special(ip):
        raise ValueError(f"{ip} is {reserved.name}")
    try:
        async with asyncio.timeout(within_s):
            _, writer = await asyncio.open_connection(str(ip), PORT)
    except (TimeoutError, OSError):
        return False
    writer.close()
    return True
