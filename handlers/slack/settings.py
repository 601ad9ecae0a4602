"""The operator's settings of Slack."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, SecretStr
from pydantic_settings import SettingsConfigDict

from bot.settings import Counterparts, EnvironmentSettings, environment_names


def web_address(text: object) -> object:
    if not isinstance(text, str):
        return text
    if not text.startswith(("http://", "https://")):
        raise ValueError("must be a web address that starts with https:// or http://")
    return text.rstrip("/") + "/"


def check_bot_token(text: object) -> object:
    if isinstance(text, str) and text.startswith("xapp-"):
        raise ValueError("holds an app token (xapp-…); it needs the bot token, which starts with xoxb-")
    return text


def check_app_token(text: object) -> object:
    if isinstance(text, str) and text.startswith("xoxb-"):
        raise ValueError("holds a bot token (xoxb-…); it needs the app token, which starts with xapp-")
    return text


class SlackSettings(EnvironmentSettings):
    """Credentials: the app token is for Socket Mode, the signing secret for HTTP, the client for OAuth."""

    model_config = SettingsConfigDict(alias_generator=environment_names("SLACK_"))

    bot_token: Annotated[SecretStr | None, BeforeValidator(check_bot_token)] = None
    app_token: Annotated[SecretStr | None, BeforeValidator(check_app_token)] = None
    signing_secret: SecretStr | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    api_url: Annotated[str, BeforeValidator(web_address)] = "https://slack.com/api/"

    @property
    def is_configured(self) -> bool:
        return bool(self.app_token or self.signing_secret)


COUNTERPARTS: tuple[Counterparts, ...] = (
    (
        "SLACK_APP_TOKEN",
        ("SLACK_BOT_TOKEN", "SLACK_CLIENT_ID"),
        "SLACK_APP_TOKEN needs SLACK_BOT_TOKEN beside it: the app token only opens the connection,"
        " the bot token speaks.",
    ),
    (
        "SLACK_SIGNING_SECRET",
        ("SLACK_BOT_TOKEN", "SLACK_CLIENT_ID"),
        "SLACK_SIGNING_SECRET needs SLACK_BOT_TOKEN beside it: the secret only proves requests, the bot token speaks.",
    ),
    (
        "SLACK_BOT_TOKEN",
        ("SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"),
        ("SLACK_BOT_TOKEN needs SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP) beside it."),
    ),
    ("SLACK_CLIENT_ID", ("SLACK_CLIENT_SECRET",), "SLACK_CLIENT_ID needs SLACK_CLIENT_SECRET beside it."),
    ("SLACK_CLIENT_SECRET", ("SLACK_CLIENT_ID",), "SLACK_CLIENT_SECRET needs SLACK_CLIENT_ID beside it."),
    (
        "SLACK_CLIENT_ID",
        ("SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"),
        "SLACK_CLIENT_ID needs SLACK_SIGNING_SECRET (HTTP) or SLACK_APP_TOKEN (Socket Mode) beside it.",
    ),
)
