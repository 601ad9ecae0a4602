"""Settings of the whole program: those of the core, of the HTTP server and of each chat platform."""

from __future__ import annotations

import os
from dataclasses import dataclass

from bot.settings import Settings, SettingsError, missing_counterparts, read, read_list_keys
from handlers.slack import settings as slack_settings
from handlers.slack.settings import SlackSettings
from handlers.teams import settings as teams_settings
from handlers.teams.settings import TeamsSettings
from handlers.web.settings import WebSettings


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """The settings by part; a chat platform without credentials is None."""

    core: Settings
    web: WebSettings
    slack: SlackSettings | None = None
    teams: TeamsSettings | None = None

    @property
    def platforms(self) -> list[str]:
        """Names of the chat platforms that have credentials."""
        return [name for name, part in (("Slack", self.slack), ("Teams", self.teams)) if part]


def read_settings() -> ServiceSettings:
    """Read all settings. Raises SettingsError with every fault of every part and no values in it."""
    problems: list[str] = []
    core, web = read(Settings, problems), read(WebSettings, problems)
    slack, teams = read(SlackSettings, problems), read(TeamsSettings, problems)
    list_keys, wrong_keys = read_list_keys(os.environ)
    problems += wrong_keys
    problems += missing_counterparts((*slack_settings.COUNTERPARTS, *teams_settings.COUNTERPARTS))
    if problems or not (core and web and slack and teams):
        raise SettingsError(problems)
    core = core.model_copy(update={"list_keys": list_keys})
    return ServiceSettings(core, web, slack if slack.is_configured else None, teams if teams.is_configured else None)
