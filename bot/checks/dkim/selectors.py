"""Selectors to query when none is known; the table of senders is `selectors.toml`. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from bot.inputs.toml_tables import Flag, Table, Tables, Text, Texts, load_toml

MAX_SELECTORS = 40


class Sender(Table):
    """A service or server type that sends mail: one of `[[senders]]`, see the head of the file."""

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


class SelectorsFile(Table):
    senders: Annotated[tuple[Sender, ...], Tables]


def recognize(include_domains: Iterable[str], mx_hosts: Iterable[str]) -> tuple[Sender, ...]:
    """Return the senders found in the SPF record or among the MX hosts of a domain."""
    spf, mx = tuple(include_domains), tuple(mx_hosts)
    return tuple(sender for sender in known_senders() if _any_below(spf, sender.spf) or _any_below(mx, sender.mx))


def candidate_selectors(recognized: Iterable[Sender]) -> tuple[str, ...]:
    """Return at most forty selectors, those of recognized senders first."""
    candidates = (*recognized, *(sender for sender in known_senders() if sender.common))
    names = dict.fromkeys(selector for sender in candidates for selector in sender.selectors)
    return tuple(names)[:MAX_SELECTORS]


def spf_domains(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the domains that an SPF record includes or redirects to, lower-cased; macros stay."""
    terms = (term.lower() for text in texts if text.lower().startswith("v=spf1 ") for term in text.split())
    return tuple(
        term.lstrip("+-~?").partition(":")[2] or term.partition("=")[2]
        for term in terms
        if term.lstrip("+-~?").startswith(("include:", "redirect="))
    )


@cache
def known_senders() -> tuple[Sender, ...]:
    """Return all known senders, in file order."""
    return load_toml(files("bot.checks.dkim").joinpath("selectors.toml"), TypeAdapter(SelectorsFile)).senders


def _any_below(names: Iterable[str], suffixes: tuple[str, ...]) -> bool:
    return any(f".{name}".endswith(f".{suffix}") for name in names for suffix in suffixes)
