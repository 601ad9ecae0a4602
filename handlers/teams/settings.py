"""The operator's settings of Microsoft Teams."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from bot.settings import Counterparts, EnvironmentSettings, environment_names


class TeamsSettings(EnvironmentSettings):
    """Credentials of the bot; a tenant is named for a single-tenant bot only."""

    model_config = SettingsConfigDict(alias_generator=environment_names("TEAMS_"))

    client_id: str | None = None
    client_secret: SecretStr | None = None
    tenant_id: str | None = None

    @property
    def is_configured(self) -> bool:
        return self.client_id is not None


COUNTERPARTS: tuple[Counterparts, ...] = (
    ("TEAMS_CLIENT_ID", ("TEAMS_CLIENT_SECRET",), "TEAMS_CLIENT_ID needs TEAMS_CLIENT_SECRET beside it."),
    ("TEAMS_CLIENT_SECRET", ("TEAMS_CLIENT_ID",), "TEAMS_CLIENT_SECRET needs TEAMS_CLIENT_ID beside it."),
    ("TEAMS_TENANT_ID", ("TEAMS_CLIENT_ID",), "TEAMS_TENANT_ID needs TEAMS_CLIENT_ID beside it."),
)
