"""The names that receivers look up at lists: of the client's address, and of the mail it sends.

Domain lists are asked about at most four names: the typed host, its registered domain, and the PTR
and HELO name of the server. Lists of mail addresses are asked about a hash of the typed address.
"""

from __future__ import annotations

import re
from base64 import b32encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha1, sha256

from bot.checks.dnsbl.catalog import Blocklist, Kind, MailboxHash
from bot.checks.dnsbl.messages import NAME_OF_PROVIDER, NAME_OF_SERVER
from bot.checks.generic_rdns import why_generic
from bot.checks.hosting_providers import provider_of
from bot.checks.lookups import organizational_domain, reverse_name, reversed_ip
from bot.inputs.domain_names import display_domain
from bot.models import Address, CheckRequest, Lookup, LookupFailed

ADDRESS_KINDS = {4: Kind.IP4, 6: Kind.IP6}
MAX_NAME_LENGTH = 190  # leaves room for the zone and its API key
HOST_NAME = re.compile(r"([a-z0-9_-]{1,63}\.)+[a-z0-9-]{2,63}")
GMAIL = frozenset({"gmail.com", "googlemail.com"})


class NameSource(StrEnum):
    """Where a queried name comes from; those of the server are not the user's choice."""

    TYPED = "typed"
    PTR = "PTR"
    HELO = "HELO"


@dataclass(frozen=True, slots=True)
class QueriedName:
    """An address, domain or mail address that lists are asked about.

    `is_providers`: a PTR or HELO name that the provider of the address chose.
    """

    text: str
    label: str
    source: NameSource = NameSource.TYPED
    is_providers: bool = False

    @property
    def display(self) -> str:
        name = display_domain(self.text)
        if self.source is NameSource.TYPED:
            return name
        template = NAME_OF_PROVIDER if self.is_providers else NAME_OF_SERVER
        return template.format(name=name, source=self.source)


NamesByKind = Mapping[Kind, tuple[QueriedName, ...]]


def names_by_kind(request: CheckRequest, ptr_name: str | None = None) -> NamesByKind:
    """Return the names to query at each kind of list."""
    target = request.target
    names: dict[Kind, tuple[QueriedName, ...]] = {}
    if target.ip is not None:
        names[ADDRESS_KINDS[target.ip.version]] = (QueriedName(str(target.ip), reversed_ip(target.ip)),)
    if domains := _domain_names(request, ptr_name):
        names[Kind.DOMAIN] = domains
    if target.mailbox is not None:
        names[Kind.EMAIL] = (QueriedName(target.mailbox, ""),)
    return names


def _domain_names(request: CheckRequest, ptr_name: str | None) -> tuple[QueriedName, ...]:
    ip, domain = request.target.ip, request.target.domain
    typed = (domain, organizational_domain(domain)) if domain else ()
    names = {name: QueriedName(name, name) for name in typed}
    own = {organizational_domain(name) for name in typed}
    for name, source in ((ptr_name, NameSource.PTR), (request.helo, NameSource.HELO)):
        if name and name not in names:
            is_providers = organizational_domain(name) not in own and _is_providers(name, ip)
            names[name] = QueriedName(name, name, source, is_providers)
    return tuple(names.values())


def _is_providers(name: str, ip: Address | None) -> bool:
    return provider_of(name) is not None or (ip is not None and why_generic(name, ip) is not None)


async def ptr_name_of(ip: Address, lookup: Lookup) -> str | None:
    """Return the first usable PTR name of an address, None if there is none or DNS fails."""
    try:
        records = (await lookup(reverse_name(ip), "PTR")).records
    except LookupFailed:
        return None
    names = (record.lower().rstrip(".") for record in sorted(records))
    return next((name for name in names if len(name) <= MAX_NAME_LENGTH and HOST_NAME.fullmatch(name)), None)


def query_label(blocklist: Blocklist, name: QueriedName) -> str:
    """Return the part of the query name before the zone."""
    return name.label or mailbox_label(name.text, blocklist.mailbox_hash)


def mailbox_label(mailbox: str, mailbox_hash: MailboxHash) -> str:
    """Return the label of a mail address, in the one form that stands for all its spellings."""
    return HASHES[mailbox_hash](canonical_mailbox(mailbox).encode())


def canonical_mailbox(mailbox: str) -> str:
    """Return a mail address in lower case, without a tag, and without the dots that Gmail ignores.

    Source: https://msbl.org/ebl-design.html; Spamhaus HBL does the same.
    """
    local, _, domain = mailbox.lower().rpartition("@")
    local = local.partition("+")[0]
    if domain in GMAIL:
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}"


HASHES: Mapping[MailboxHash, Callable[[bytes], str]] = {
    MailboxHash.SHA1: lambda mailbox: sha1(mailbox, usedforsecurity=False).hexdigest(),
    MailboxHash.HBL: lambda mailbox: f"{b32encode(sha256(mailbox).digest()).decode().rstrip('=').lower()}._email",
}
