"""Downloads files sent to the bot in a personal chat; only from SharePoint.

The download URL is a short-lived secret: it is sent no token and never logged or shown.
Source: "Send and receive files using bot" at learn.microsoft.com/microsoftteams.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import httpx
import structlog

from handlers.http_limits import DOWNLOAD_TIMEOUT_S, download
from handlers.ports import FileUnreadable
from handlers.teams.cloud import Cloud

EXPIRED_STATUSES = (302, 401, 403, 404, 410)
FILE_WITHHELD = "Teams hands me a file only in the chat with me alone; send it there, or paste the lines here."
LINK_EXPIRED = "Teams does not open that file to me any more; send it once more, or paste the lines."
NOT_SHAREPOINT = "That file is not kept in SharePoint, so I do not fetch it; paste the lines instead."
UNAVAILABLE = "SharePoint did not hand over the file; please try again in a minute, or paste the lines."

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TeamsFile:
    """A file by its download URL; an empty URL where Teams gave none."""

    address: str = field(repr=False)
    _cloud: Cloud = field(repr=False)

    async def read(self, max_bytes: int) -> bytes:
        """Raises FileUnreadable."""
        if not self.address:
            raise FileUnreadable(FILE_WITHHELD)
        if not self._cloud.is_file_url(self.address):
            log.warning("file is not on SharePoint", platform="teams")
            raise FileUnreadable(NOT_SHAREPOINT)
        try:
            async with asyncio.timeout(DOWNLOAD_TIMEOUT_S):
                return await download(self.address, max_bytes)
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            log.info("file not read", platform="teams", status=status)
            raise FileUnreadable(LINK_EXPIRED if status in EXPIRED_STATUSES else UNAVAILABLE) from None
        except (httpx.HTTPError, TimeoutError) as error:
            log.info("file not fetched", platform="teams", reason=type(error).__name__)
            raise FileUnreadable(UNAVAILABLE) from None
