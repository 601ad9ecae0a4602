"""The guard before every connection to somebody else's server: a name is resolved once, and only to public addresses."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

from bot.inputs.special_addresses import special
from bot.models import Address, Answer, Lookup, LookupFailed
from bot.probe_results import Trouble, VisitFailed


async def resolve_public(host: str, lookup: Lookup) -> tuple[Address, ...]:
    """The addresses of a host, IPv4 first. Connect to these and never to the name: a second lookup may say another thing.

    Raises VisitFailed: SPECIAL where any of them is special-purpose, NO_ADDRESS where there is none, NO_ANSWER where the
    DNS does not say. A host that is an address in text form stands for itself.
    """
    addresses = _literal(host) or await _addresses(host, lookup)
    for ip in addresses:
        refuse_special(ip)
    return addresses


def refuse_special(ip: Address) -> None:
    """Raises VisitFailed(SPECIAL) for an address that is no ordinary place of the internet."""
    if special(ip):
        raise VisitFailed(Trouble.SPECIAL, str(ip))


def _literal(host: str) -> tuple[Address, ...]:
    try:
        return (ip_address(host),)
    except ValueError:
        return ()


async def _addresses(host: str, lookup: Lookup) -> tuple[Address, ...]:
    replies = await asyncio.gather(*(_ask(lookup, host, kind) for kind in ("A", "AAAA")))
    answers = [reply for reply in replies if isinstance(reply, Answer)]
    failures = [reply for reply in replies if isinstance(reply, LookupFailed)]
    found = tuple(ip_address(text) for answer in answers for text in answer.records)
    if found:
        return found
    raise VisitFailed(Trouble.NO_ANSWER, failures[0].reason) if failures else VisitFailed(Trouble.NO_ADDRESS, host)


async def _ask(lookup: Lookup, name: str, kind: str) -> Answer | LookupFailed:
    try:
        return await lookup(name, kind)
    except LookupFailed as failed:
        return failed
