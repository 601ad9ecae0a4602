"""Hosting providers, recognized by reverse name or AS number. Data: `hosting_providers.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from bot.models import Link

REQUIRED_KEYS = {"name": str, "suffixes": list, "default_names": list, "how": str}
OPTIONAL_KEYS = {"link": dict, "asns": list, "port_25": str, "port_25_link": dict}


class BadProviders(ValueError):
    """The TOML data is invalid; the message names the provider and the key."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A hosting provider.

    `rdns_steps` tells a customer how to set the reverse name. `asns` are its AS numbers; `port_25`
    is its policy for outgoing SMTP.
    """

    id: str
    name: str
    suffixes: tuple[str, ...]
    default_names: tuple[re.Pattern[str], ...]
    rdns_steps: str
    link: Link | None = None
    asns: tuple[int, ...] = ()
    port_25: str = ""
    port_25_link: Link | None = None

    def owns_name(self, host: str) -> bool:
        """Whether the host name belongs to this provider."""
        return any(f".{host}".endswith(f".{suffix}") for suffix in self.suffixes) or self.is_default_name(host)

    def is_default_name(self, host: str) -> bool:
        return any(pattern.fullmatch(host) for pattern in self.default_names)


def provider_of(host: str) -> Provider | None:
    """The provider of a reverse name (lower case), None if the name does not show it."""
    return next((provider for provider in providers().values() if provider.owns_name(host)), None)


def provider_of_network(asn: int) -> Provider | None:
    """The provider of an AS number."""
    return next((provider for provider in providers().values() if asn in provider.asns), None)


@cache
def providers() -> Mapping[str, Provider]:
    """All known providers by id."""
    return parse_providers(files("bot.checks").joinpath("hosting_providers.toml").read_text("utf-8"))


def parse_providers(text: str) -> Mapping[str, Provider]:
    """Parse the TOML text. Raises BadProviders."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadProviders(f"providers: {error}") from None
    return {key: _parse_provider(key, table) for key, table in tables.items()}


def _parse_provider(key: str, table: Any) -> Provider:
    if not isinstance(table, dict):
        raise BadProviders(f"{key}: a provider is a table")
    if wrong_keys := (REQUIRED_KEYS.keys() - table.keys()) | (
        table.keys() - REQUIRED_KEYS.keys() - OPTIONAL_KEYS.keys()
    ):
        raise BadProviders(f"{key}: missing or unknown key {', '.join(sorted(wrong_keys))}")
    for name, kind in (REQUIRED_KEYS | OPTIONAL_KEYS).items():
        if name in table and not isinstance(table[name], kind):
            raise BadProviders(f"{key}.{name}: a {kind.__name__} is wanted")
    return Provider(
        id=key,
        name=table["name"],
        suffixes=tuple(table["suffixes"]),
        default_names=tuple(_parse_pattern(key, pattern) for pattern in table["default_names"]),
        rdns_steps=table["how"],
        link=_parse_link(key, "link", table),
        asns=tuple(table.get("asns", ())),
        port_25=table.get("port_25", ""),
        port_25_link=_parse_link(key, "port_25_link", table),
    )


def _parse_pattern(key: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise BadProviders(f"{key}.default_names: “{pattern}”: {error}") from None


def _parse_link(key: str, name: str, table: Mapping[str, Any]) -> Link | None:
    if name not in table:
        return None
    link = table[name]
    if link.keys() != {"label", "url"} or not str(link["url"]).startswith("https://"):
        raise BadProviders(f"{key}.{name}: a label and an https:// url are wanted")
    return Link(link["label"], link["url"])
