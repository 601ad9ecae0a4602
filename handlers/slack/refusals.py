"""Why Slack did not do what it was asked, in one word; which of these words mean what."""

from __future__ import annotations

import aiohttp
from slack_sdk.errors import SlackApiError, SlackRequestError

from handlers.platform import Later, SpaceGone

NETWORK = (aiohttp.ClientError, TimeoutError, OSError)
UNSAID = (SlackApiError, SlackRequestError, Later, SpaceGone, *NETWORK)
TOKEN_REFUSED = ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "not_allowed_token_type")
# Slack does not like how we drew the message, so the person gets it in plain words and we get an error in the log.
DRAWN_WRONG = ("invalid_blocks", "invalid_blocks_format", "invalid_attachments", "msg_blocks_too_long", "msg_too_long")


def reason(error: Exception) -> str:
    """Slack's word for what went wrong; where it said none, as behind a failing proxy, the HTTP status."""
    if not isinstance(error, SlackApiError):
        return str(error) if isinstance(error, Later | SpaceGone) else type(error).__name__
    said = error.response.data
    return str(said.get("error")) if isinstance(said, dict) else f"status {error.response.status_code}"
