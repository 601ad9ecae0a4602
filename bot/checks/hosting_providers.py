"""Who can set the reverse name of an address, told from its name or its network; the facts are in `hosting_providers.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from bot.models import Link

KEYS = {"name": str, "suffixes": list, "default_names": list, "how": str}
OPTIONAL = {"link": dict, "asns": list, "port_25": str, "port_25_link": dict}


class BadProviders(ValueError):
    """The file breaks its own rules; the message names the provider and the key."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A company that hands out addresses. `how` is what the user of an address does to set its reverse name.

    `asns` are the networks its addresses are in, `port_25` is what it does to mail that its users send themselves.
    """

    id: str
    name: str
    suffixes: tuple[str, ...]
    default_names: tuple[re.Pattern[str], ...]
    how: str
    link: Link | None = None
    asns: tuple[int, ...] = ()
    port_25: str = ""
    port_25_link: Link | None = None

    def runs(self, host: str) -> bool:
        """Whether the host is called by a name that this provider sets."""
        return any(f".{host}".endswith(f".{suffix}") for suffix in self.suffixes) or self.named_by_default(host)

    def named_by_default(self, host: str) -> bool:
        return any(pattern.fullmatch(host) for pattern in self.default_names)


def provider_of(host: str) -> Provider | None:
    """The provider that set this reverse name (lower case), if the name shows it."""
    return next((provider for provider in providers().values() if provider.runs(host)), None)


def provider_of_network(asn: int) -> Provider | None:
    """The provider whose addresses are in this autonomous system."""
    return next((provider for provider in providers().values() if asn in provider.asns), None)


@cache
def providers() -> Mapping[str, Provider]:
    """All known providers by their id."""
    return read_providers(files("bot.checks").joinpath("hosting_providers.toml").read_text("utf-8"))


def read_providers(text: str) -> Mapping[str, Provider]:
    """Raises BadProviders where the text is not TOML, or a table lacks a key, has one too many or a wrong value."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadProviders(f"providers: {error}") from None
    return {key: _read_provider(key, table) for key, table in tables.items()}


def _read_provider(key: str, table: Any) -> Provider:
    if not isinstance(table, dict):
        raise BadProviders(f"{key}: a provider is a table")
    if wrong := (KEYS.keys() - table.keys()) | (table.keys() - KEYS.keys() - OPTIONAL.keys()):
        raise BadProviders(f"{key}: missing or unknown key {', '.join(sorted(wrong))}")
    for name, kind in (KEYS | OPTIONAL).items():
        if name in table and not isinstance(table[name], kind):
            raise BadProviders(f"{key}.{name}: a {kind.__name__} is wanted")
    return Provider(
        id=key,
        name=table["name"],
        suffixes=tuple(table["suffixes"]),
        default_names=tuple(_read_pattern(key, pattern) for pattern in table["default_names"]),
        how=table["how"],
        link=_read_link(key, "link", table),
        asns=tuple(table.get("asns", ())),
        port_25=table.get("port_25", ""),
        port_25_link=_read_link(key, "port_25_link", table),
    )


def _read_pattern(key: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise BadProviders(f"{key}.default_names: “{pattern}”: {error}") from None


def _read_link(key: str, name: str, table: Mapping[str, Any]) -> Link | None:
    if name not in table:
        return None
    link = table[name]
    if link.keys() != {"label", "url"} or not str(link["url"]).startswith("https://"):
        raise BadProviders(f"{key}.{name}: a label and an https:// url are wanted")
    return Link(link["label"], link["url"])
