"""Microsoft's endpoints: token issuer, login, connector services and file hosts."""

from __future__ import annotations

import re
from dataclasses import dataclass

PLAIN_ADDRESS = re.compile(r"(https?://[a-z0-9.-]+(?::\d{1,5})?)(?:/[A-Za-z0-9_-]+)*/?")

# Whole host names: any Azure account can register other names below trafficmanager.net.
SERVICES = frozenset(
    (
        "https://smba.trafficmanager.net",
        "https://smba.infra.gcc.teams.microsoft.com",
        "https://smba.infra.gov.teams.microsoft.us",
        "https://smba.infra.dod.teams.microsoft.us",
    )
)

# Hosts of a tenant's files, also in GCC. In GCC High and DoD bots get no files.
DRIVES = re.compile(r"https://[a-z0-9-]+\.sharepoint\.com", re.IGNORECASE | re.ASCII)
PATH = re.compile(r"/[!-~]{1,8000}")


@dataclass(frozen=True, slots=True)
class Cloud:
    """Endpoints of the public cloud by default.

    `services` are scheme and host, compared literally; `drives` matches file hosts.
    """

    issuer: str = "https://api.botframework.com"
    openid: str = "https://login.botframework.com/v1/.well-known/openidconfiguration"
    login: str = "https://login.microsoftonline.com"
    scope: str = "https://api.botframework.com/.default"
    services: frozenset[str] = SERVICES
    drives: re.Pattern[str] = DRIVES

    def trusts_service(self, service_url: str) -> bool:
        """Whether our token may be sent to this URL; only a plain host and path are accepted."""
        plain = PLAIN_ADDRESS.fullmatch(service_url)
        return plain is not None and plain[1] in self.services

    def is_file_url(self, url: str) -> bool:
        """Whether this is the URL of a file, matched from the left as every URL parser does."""
        drive = self.drives.match(url)
        return drive is not None and PATH.fullmatch(url, drive.end()) is not None
