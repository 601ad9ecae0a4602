"""A card's picture as a file of Slack's: a message can show a picture only from the open internet, or from there."""

from __future__ import annotations

import asyncio

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from handlers.card import Card
from handlers.inert import inert
from handlers.pictures import laid_out
from handlers.pictures.png import png
from handlers.slack import limits
from handlers.slack.blocks import NOTHING
from handlers.slack.refusals import UNSAID, reason

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
    alt = inert(card.picture.alt, limits.ALT_TEXT) or NOTHING
    try:
        async with asyncio.timeout(UPLOAD_WITHIN_S):
            sent = await client.files_upload_v2(filename=NAME, content=data, title=inert(card.title, 150), alt_txt=alt)
    except (ValueError, *UNSAID) as error:  # ValueError: an answer that is no JSON
        log.info("picture not uploaded", platform="slack", why=reason(error))
        return ""
    return str(sent["files"][0]["id"])
