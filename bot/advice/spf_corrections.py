"""The text that a misspelled SPF record was meant to be, where the mistake leaves no doubt. Pure."""

from __future__ import annotations

from ipaddress import ip_network

from bot.checks.spf.macros import BadSyntax
from bot.checks.spf.record import MISTAKES, parse_record


def corrected(record: str) -> str:
    """The record with commas as blanks, bare addresses as ip4: and ip6:, and names corrected; empty if still wrong."""
    version, *terms = record.replace(",", " ").split()
    text = " ".join([version, *map(_corrected_term, terms)])
    return text if is_valid(text) else ""


def is_valid(record: str) -> bool:
    """Whether a record keeps to the grammar."""
    try:
        parse_record(record)
    except BadSyntax:
        return False
    return True


def _corrected_term(term: str) -> str:
    bare = term.lstrip("+")
    try:
        return f"ip{ip_network(bare, strict=False).version}:{bare}"
    except ValueError:
        pass
    name, colon, value = term.partition(":")
    right = MISTAKES.get(name.lower()) if colon else None
    return f"{right}:{value}" if right else term
