"""The route of a message: where it entered the reader's organization, and what below that is only a claim.

A border server writes the address that connected to it; names in HELO and all lower hops are the
word of others (RFC 5321 §4.4, RFC 8601 §7.1).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from bot.bounces.received import Hop, organization
from bot.bounces.rule_files import GatewayTable, OperatorsFile, load_file


@dataclass(frozen=True, slots=True)
class Border:
    """Where a message entered: `hop` is the index of the hop that the reader's border server wrote.

    `organizations` are those of the reader's own servers above it; `gateway` names a filter service
    that stands before them, whose servers count as the reader's. None as `hop`: it never entered.
    """

    hop: int | None
    organizations: frozenset[str]
    gateway: str | None = None


@cache
def load_operators() -> OperatorsFile:
    """The table of operators. Raises ValueError that names the bad key."""
    return load_file("mail_operators.toml", OperatorsFile)


@cache
def _operator_by_domain() -> Mapping[str, str]:
    tables = load_operators()
    return {domain: table.name for table in (*tables.operator, *tables.gateway) for domain in table.domains}


def operator_of(domain: str | None) -> str | None:
    """The organization of a registered domain: the operator's name if it has several, else the domain."""
    return _operator_by_domain().get(domain, domain) if domain else None


def find_border(hops: Sequence[Hop], field_names: frozenset[str]) -> Border:
    """Find the border from the newest hop down; `hops` starts with the oldest."""
    own: set[str] = set()
    gateway: str | None = None
    for index in range(len(hops) - 1, -1, -1):
        hop = hops[index]
        if receiver := operator_of(hop.receiver_organization):
            own.add(receiver)
        if _is_internal(hop, own):
            continue
        passed = _gateway(hop, field_names)
        if passed is None:
            return Border(index, frozenset(own), gateway)
        gateway = passed.name
        own.add(gateway)
    return Border(None, frozenset(own), gateway)


def find_author_hop(hops: Sequence[Hop], border: int, forwarder: str) -> int | None:
    """The hop where a forwarder took the message, as its servers say; None if it wrote none."""
    own = {forwarder}
    for index in range(border - 1, -1, -1):
        hop = hops[index]
        receiver = operator_of(hop.receiver_organization)
        if receiver not in (None, forwarder):
            return None
        if hop.is_public and not _is_internal(hop, own):
            return index
    return None


def _is_internal(hop: Hop, own: Collection[str]) -> bool:
    """Whether a hop stays inside the organizations: by its address, or by the name that its reverse DNS gave."""
    if hop.ip is None:
        return operator_of(organization(hop.name)) in (None, *own)
    if not hop.is_public:
        return True
    if hop.resolved and operator_of(organization(hop.resolved)) in own:
        return True
    return any(
        hop.ip in network for table in load_operators().operator if table.name in own for network in table.networks
    )


def _gateway(hop: Hop, field_names: frozenset[str]) -> GatewayTable | None:
    """The gateway that handed the message over, if its inbound filter left a mark."""
    resolved, name = organization(hop.resolved), organization(hop.name)
    for table in load_operators().gateway:
        is_known = resolved in table.domains or (
            name in table.domains and hop.ip is not None and any(hop.ip in network for network in table.networks)
        )
        if is_known and not field_names.isdisjoint(table.marks):
            return table
    return None
