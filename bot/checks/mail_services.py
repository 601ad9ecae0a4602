"""Mail services: how a domain shows that it uses one, and what its customers publish. Data: `mail_services.toml`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from bot.inputs.toml_tables import Flag, Table, Tables, Text, Texts, load_toml


class MailService(Table):
    """A service or kind of server that sends or receives mail: one of `[[services]]`, see the head of the file."""

    name: Text
    selectors: Annotated[Texts, Field(min_length=1)]
    spf: Texts = ()
    mx: Texts = ()
    ptr: Texts = ()
    dkim: Texts = ()
    common: Flag = False
    include: str = ""
    lookups: int = 0
    return_path: Literal["own", "customer"] = "customer"
    receives: Flag = False
    console: str = ""


class MailServicesFile(Table):
    services: Annotated[tuple[MailService, ...], Tables]


@cache
def mail_services() -> tuple[MailService, ...]:
    """Return all known services, in file order."""
    return load_toml(files("bot.checks").joinpath("mail_services.toml"), TypeAdapter(MailServicesFile)).services


def any_below(names: Iterable[str], suffixes: Iterable[str]) -> bool:
    """Whether one of the names is at or below one of the suffixes."""
    return any(f".{name}".endswith(f".{suffix}") for name in names for suffix in suffixes)


def spf_domains(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the domains that an SPF record includes or redirects to, lower-cased; macros stay."""
    terms = (term.lower() for text in texts if text.lower().startswith("v=spf1 ") for term in text.split())
    return tuple(
        term.lstrip("+-~?").partition(":")[2] or term.partition("=")[2]
        for term in terms
        if term.lstrip("+-~?").startswith(("include:", "redirect="))
    )
