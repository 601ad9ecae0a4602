"""Hosting providers, recognized by reverse name or AS number. Data: `hosting_providers.toml`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter

from bot.inputs.toml_tables import Count, Table, Text, Texts, Url, read_toml, shown, validate
from bot.models import Link


class LinkTable(Table):
    """A page with its label."""

    label: Text
    url: Url

    @property
    def link(self) -> Link:
        return Link(self.label, self.url)


def _compile_pattern(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, TypeError) as error:
        raise ValueError(f"has {shown(pattern)}, which is not a regular expression: {error}") from None


class Provider(Table):
    """A hosting provider, a table of the file; its id is the name of the table.

    `rdns_steps` tells a customer how to set the reverse name. `asns` are its AS numbers; `port_25`
    is its policy for outgoing SMTP.
    """

    id: str
    name: Text
    suffixes: Texts
    default_names: tuple[Annotated[re.Pattern[str], BeforeValidator(_compile_pattern)], ...]
    rdns_steps: Text = Field(alias="how")
    link_table: LinkTable | None = Field(None, alias="link")
    asns: tuple[Count, ...] = ()
    port_25: str = ""
    port_25_link_table: LinkTable | None = Field(None, alias="port_25_link")

    @property
    def link(self) -> Link | None:
        return self.link_table.link if self.link_table else None

    @property
    def port_25_link(self) -> Link | None:
        return self.port_25_link_table.link if self.port_25_link_table else None

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
    return parse_providers(read_toml(files("bot.checks").joinpath("hosting_providers.toml")))


def parse_providers(document: Mapping[str, Any]) -> Mapping[str, Provider]:
    """Return the providers of a TOML document. Raises DataFileError."""
    named = {key: {**table, "id": key} if isinstance(table, dict) else table for key, table in document.items()}
    return validate(named, TypeAdapter(Mapping[str, Provider]), "the providers")
