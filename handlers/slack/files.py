"""Files in Slack: downloads attachments with the bot token, uploads charts as PNG.

Attachments are downloaded from Slack's own file server only. A message can show an image only from
a public URL or from an uploaded file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from handlers.charts import layout_timeline
from handlers.charts.png import render_png
from handlers.http_limits import DOWNLOAD_TIMEOUT_S, download, too_large
from handlers.message import Card
from handlers.ports import FileUnreadable
from handlers.sanitize import sanitize
from handlers.slack import block_kit
from handlers.slack.block_kit import EMPTY_TEXT
from handlers.slack.clients import CALL_ERRORS, error_code

FILE_SERVERS = {"slack.com": "https://files.slack.com", "slack-gov.com": "https://files.slack-gov.com"}
NO_ACCESS_STATUSES = (302, 401, 403, 404)  # without access, Slack redirects to its login page
SCOPE_ERRORS = ("missing_scope", "no_permission", "not_allowed_token_type")
FILE_UNAVAILABLE = "Slack did not hand over the file; please try again in a minute, or paste the lines."
FILE_NOT_VISIBLE = "I cannot see that file: invite me to the channel it is in, or paste the lines."
MISSING_SCOPE = "I may not read files yet: give the app the scope files:read and install it again, or paste the lines."
EXTERNAL_FILE = "That file is not kept by Slack, so I do not fetch it; paste the lines instead."

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SlackFiles:
    """Opens files; `origin` is the only origin that receives the token."""

    client: Callable[[str], Awaitable[AsyncWebClient]] = field(repr=False)
    origin: str

    def file(self, team: str, id: str) -> SlackFile:
        return SlackFile(team, id, self)


@dataclass(frozen=True, slots=True)
class SlackFile:
    """An attached file by its id; size and URL are looked up when it is read."""

    team: str
    id: str
    _files: SlackFiles = field(repr=False)

    async def read(self, max_bytes: int) -> bytes:
        """Raises FileUnreadable."""
        try:
            async with asyncio.timeout(DOWNLOAD_TIMEOUT_S):
                client = await self._files.client(self.team)
                file_info = (await client.files_info(file=self.id))["file"]
                if int(file_info.get("size") or 0) > max_bytes:
                    raise too_large(max_bytes)
                headers = {"Authorization": f"Bearer {client.token or ''}"}
                return await download(download_url(file_info, self._files.origin), max_bytes, headers)
        except SlackApiError as error:
            code = error_code(error)
            log.info("file not read", platform="slack", error=code)
            raise FileUnreadable(MISSING_SCOPE if code in SCOPE_ERRORS else FILE_NOT_VISIBLE) from None
        except httpx.HTTPStatusError as error:
            raise FileUnreadable(
                FILE_NOT_VISIBLE if error.response.status_code in NO_ACCESS_STATUSES else FILE_UNAVAILABLE
            ) from None
        except (httpx.HTTPError, *CALL_ERRORS) as error:
            log.info("file not downloaded", platform="slack", error=type(error).__name__)
            raise FileUnreadable(FILE_UNAVAILABLE) from None


def file_server_for(api_url: str) -> str:
    """Origin of the file server for an API URL; other hosts serve files themselves (tests)."""
    url = urlsplit(api_url)
    return FILE_SERVERS.get(url.netloc.lower().removeprefix("www."), f"{url.scheme}://{url.netloc}")


def download_url(file_info: Mapping[str, Any], server: str) -> str:
    """Download URL. Raises FileUnreadable for another origin, which would get the token."""
    url = str(file_info.get("url_private_download") or file_info.get("url_private") or "")
    parsed = urlsplit(url)
    if f"{parsed.scheme}://{parsed.netloc}" != server:
        raise FileUnreadable(EXTERNAL_FILE)
    return url


UPLOAD_TIMEOUT_S = 4.0
PROCESSING_DELAYS_S = (1.0, 2.0, 4.0)  # Slack rejects messages that show a file it has not processed yet
UPLOAD_NAME = "mailcheck.png"


async def upload_chart(card: Card, client: AsyncWebClient) -> str:
    """Upload the card's chart; returns the file id.

    Empty if the card has no chart or the upload fails; the chart is then rendered as text. The file
    is visible only in messages that show it.
    """
    if card.chart is None:
        return ""
    data = await asyncio.to_thread(render_png, layout_timeline(card.chart.timeline))
    alt = sanitize(card.chart.alt, block_kit.ALT_TEXT) or EMPTY_TEXT
    try:
        async with asyncio.timeout(UPLOAD_TIMEOUT_S):
            response = await client.files_upload_v2(
                filename=UPLOAD_NAME, content=data, title=sanitize(card.title, 150), alt_txt=alt
            )
    except (ValueError, *CALL_ERRORS) as error:  # ValueError: the response is not JSON
        log.info("chart not uploaded", platform="slack", error=error_code(error))
        return ""
    return str(response["files"][0]["id"])
