"""Microsoft's side, as addresses: who signs what the bot hears, who gives it a token and may be shown it, who keeps files."""

from __future__ import annotations

import re
from dataclasses import dataclass

PLAIN_ADDRESS = re.compile(r"(https?://[a-z0-9.-]+(?::\d{1,5})?)(?:/[A-Za-z0-9_-]+)*/?")

# Only these hosts, whole: anybody with an Azure account can have another name below trafficmanager.net.
SERVICES = frozenset(
    (
        "https://smba.trafficmanager.net",
        "https://smba.infra.gcc.teams.microsoft.com",
        "https://smba.infra.gov.teams.microsoft.us",
        "https://smba.infra.dod.teams.microsoft.us",
    )
)

# A tenant's own name below it; GCC keeps its files there, too. In GCC High and DoD a bot is handed no files.
DRIVES = re.compile(r"https://[a-z0-9-]+\.sharepoint\.com", re.IGNORECASE | re.ASCII)
PATH = re.compile(r"/[!-~]{1,8000}")


@dataclass(frozen=True, slots=True)
class Cloud:
    """The public cloud, unless a field says otherwise. `services` are scheme and host, compared as written, and
    `drives` is what they look like where files are."""

    issuer: str = "https://api.botframework.com"
    openid: str = "https://login.botframework.com/v1/.well-known/openidconfiguration"
    login: str = "https://login.microsoftonline.com"
    scope: str = "https://api.botframework.com/.default"
    services: frozenset[str] = SERVICES
    drives: re.Pattern[str] = DRIVES

    def trusts(self, service_url: str) -> bool:
        """May our token go there? Anything in the address but a host and plain folders is a no."""
        plain = PLAIN_ADDRESS.fullmatch(service_url)
        return plain is not None and plain[1] in self.services

    def keeps(self, address: str) -> bool:
        """Is that a file's address? Read from the left, so that it means the same to whoever takes it apart."""
        drive = self.drives.match(address)
        return drive is not None and PATH.fullmatch(address, drive.end()) is not None
