"""Files that people attach in Slack: had from Slack's own file server, with the bot's token, and from nowhere else.

A card's picture as a file of Slack's: a message can show a picture only from the open internet, or from there.
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

from handlers.charts import laid_out
from handlers.charts.png import png
from handlers.http_limits import WITHIN_S, fetched, too_large
from handlers.message import Card
from handlers.ports import Unreadable
from handlers.sanitize import inert
from handlers.slack import block_kit
from handlers.slack.block_kit import NOTHING
from handlers.slack.clients import UNSAID, reason

SERVERS = {"slack.com": "https://files.slack.com", "slack-gov.com": "https://files.slack-gov.com"}
REFUSED = (302, 401, 403, 404)  # where the token does not do, Slack sends people to its login page
NOT_ALLOWED = ("missing_scope", "no_permission", "not_allowed_token_type")
AWAY = "Slack did not hand over the file; please try again in a minute, or paste the lines."
OUT_OF_SIGHT = "I cannot see that file: invite me to the channel it is in, or paste the lines."
WITHOUT_SCOPE = "I may not read files yet: give the app the scope files:read and install it again, or paste the lines."
ELSEWHERE = "That file is not kept by Slack, so I do not fetch it; paste the lines instead."

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Cabinet:
    """Where files are; `client` is that of a workspace, and `server` the one origin that its token is ever sent to."""

    client: Callable[[str], Awaitable[AsyncWebClient]] = field(repr=False)
    server: str

    def file(self, team: str, id: str) -> SlackFile:
        return SlackFile(team, id, self)


@dataclass(frozen=True, slots=True)
class SlackFile:
    """A file by its id; how large it is and where, Slack is asked when it is read."""

    team: str
    id: str
    _cabinet: Cabinet = field(repr=False)

    async def read(self, most: int) -> bytes:
        """Raises Unreadable."""
        try:
            async with asyncio.timeout(WITHIN_S):
                client = await self._cabinet.client(self.team)
                told = (await client.files_info(file=self.id))["file"]
                if int(told.get("size") or 0) > most:
                    raise too_large(most)
                bearer = {"Authorization": f"Bearer {client.token or ''}"}
                return await fetched(address_of(told, self._cabinet.server), most, bearer)
        except SlackApiError as refused:
            why = reason(refused)
            log.info("file not read", platform="slack", why=why)
            raise Unreadable(WITHOUT_SCOPE if why in NOT_ALLOWED else OUT_OF_SIGHT) from None
        except httpx.HTTPStatusError as refused:
            raise Unreadable(OUT_OF_SIGHT if refused.response.status_code in REFUSED else AWAY) from None
        except (httpx.HTTPError, *UNSAID) as broken:
            log.info("file not fetched", platform="slack", why=type(broken).__name__)
            raise Unreadable(AWAY) from None


def server_for(api_url: str) -> str:
    """The origin of Slack's file server that goes with an API; a server of tests keeps its files itself."""
    parts = urlsplit(api_url)
    return SERVERS.get(parts.netloc.lower().removeprefix("www."), f"{parts.scheme}://{parts.netloc}")


def address_of(told: Mapping[str, Any], server: str) -> str:
    """Where the file is. Raises Unreadable for any other place than the file server: the token would go there, too."""
    url = str(told.get("url_private_download") or told.get("url_private") or "")
    parts = urlsplit(url)
    if f"{parts.scheme}://{parts.netloc}" != server:
        raise Unreadable(ELSEWHERE)
    return url


UPLOAD_WITHIN_S = 4.0
LOOKED_AT_AFTER_S = (1.0, 2.0, 4.0)  # until Slack has looked at a new file, it refuses a message that shows it
NAME = "mailcheck.png"

log = structlog.get_logger()


async def uploaded(card: Card, client: AsyncWebClient) -> str:
    """The id of the file; empty where the card has no picture, and where it cannot be uploaded: it is then drawn in
    characters. Nobody sees the file but in a message that shows it."""
    if card.picture is None:
        return ""
    data = await asyncio.to_thread(png, laid_out(card.picture.timeline))
    alt = inert(card.picture.alt, block_kit.ALT_TEXT) or NOTHING
    try:
        async with asyncio.timeout(UPLOAD_WITHIN_S):
            sent = await client.files_upload_v2(filename=NAME, content=data, title=inert(card.title, 150), alt_txt=alt)
    except (ValueError, *UNSAID) as error:  # ValueError: an answer that is no JSON
        log.info("picture not uploaded", platform="slack", why=reason(error))
        return ""
    return str(sent["files"][0]["id"])
