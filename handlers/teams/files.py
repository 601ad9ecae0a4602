"""Files that people send to the bot alone in Teams: had from SharePoint, where Teams keeps them, and from nowhere else.

The address opens the file for whoever has it, for some minutes: no token goes there, and no log and no sentence shows it.
Source: "Send and receive files using bot" at learn.microsoft.com/microsoftteams.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import httpx
import structlog

from handlers.http_limits import WITHIN_S, fetched
from handlers.ports import Unreadable
from handlers.teams.cloud import Cloud

NO_LONGER = (302, 401, 403, 404, 410)
NOT_HANDED = "Teams hands me a file only in the chat with me alone; send it there, or paste the lines here."
TOO_LATE = "Teams does not open that file to me any more; send it once more, or paste the lines."
ELSEWHERE = "That file is not kept in SharePoint, so I do not fetch it; paste the lines instead."
AWAY = "SharePoint did not hand over the file; please try again in a minute, or paste the lines."

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TeamsFile:
    """A file by the address that Teams gave for it; an empty one where Teams gave none."""

    address: str = field(repr=False)
    _cloud: Cloud = field(repr=False)

    async def read(self, most: int) -> bytes:
        """Raises Unreadable."""
        if not self.address:
            raise Unreadable(NOT_HANDED)
        if not self._cloud.keeps(self.address):
            log.warning("file not of sharepoint", platform="teams")
            raise Unreadable(ELSEWHERE)
        try:
            async with asyncio.timeout(WITHIN_S):
                return await fetched(self.address, most)
        except httpx.HTTPStatusError as refused:
            status = refused.response.status_code
            log.info("file not read", platform="teams", status=status)
            raise Unreadable(TOO_LATE if status in NO_LONGER else AWAY) from None
        except (httpx.HTTPError, TimeoutError) as broken:
            log.info("file not fetched", platform="teams", why=type(broken).__name__)
            raise Unreadable(AWAY) from None
