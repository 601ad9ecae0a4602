"""Which selectors to ask for when nobody said which ones a domain uses; the table is `selectors.toml`. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

MOST_SELECTORS = 40


@dataclass(frozen=True, slots=True)
class Sender:
    """A service or kind of server that signs mail under known selectors."""

    name: str
    selectors: tuple[str, ...]
    spf: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()
    common: bool = False


def recognise(spf_names: Iterable[str], exchanges: Iterable[str]) -> tuple[Sender, ...]:
    """The senders whose names are among those of the SPF record or among the mail servers of a domain."""
    spf, mx = tuple(spf_names), tuple(exchanges)
    return tuple(sender for sender in senders() if _any_below(spf, sender.spf) or _any_below(mx, sender.mx))


def guesses(recognised: Iterable[Sender]) -> tuple[str, ...]:
    """At most forty selectors, those of the recognised senders first."""
    likely = (*recognised, *(sender for sender in senders() if sender.common))
    names = dict.fromkeys(selector for sender in likely for selector in sender.selectors)
    return tuple(names)[:MOST_SELECTORS]


def spf_names(texts: Iterable[str]) -> tuple[str, ...]:
    """The domains that an SPF record includes or redirects to, in lower case; macros are left alone."""
    terms = (term.lower() for text in texts if text.lower().startswith("v=spf1 ") for term in text.split())
    return tuple(
        term.lstrip("+-~?").partition(":")[2] or term.partition("=")[2]
        for term in terms
        if term.lstrip("+-~?").startswith(("include:", "redirect="))
    )


@cache
def senders() -> tuple[Sender, ...]:
    """All known senders, as in the file."""
    text = files("bot.checks.dkim").joinpath("selectors.toml").read_text("utf-8")
    return tuple(
        Sender(
            name=table["name"],
            selectors=tuple(table["selectors"]),
            spf=tuple(table.get("spf", ())),
            mx=tuple(table.get("mx", ())),
            common=table.get("common", False),
        )
        for table in tomllib.loads(text)["senders"]
    )


def _any_below(names: Iterable[str], suffixes: tuple[str, ...]) -> bool:
    return any(f".{name}".endswith(f".{suffix}") for name in names for suffix in suffixes)
