"""The networks whose senders pass the SPF records of a domain, as far as they were read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from bot.checks.spf.include_tree import ADDRESS_RDTYPES, IncludeTree
from bot.checks.spf.record import Directive, Hosts, Network
from bot.checks.spf.result import MAX_NAMES

IpNetwork = IPv4Network | IPv6Network
PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))  # no senders


@dataclass(frozen=True, slots=True)
class AllowedNetwork:
    """A network that passes: the record and the term that allow it."""

    where: str
    term: str
    network: IpNetwork


def trusted(include_tree: IncludeTree) -> set[str]:
    """Return the domains whose pass is a pass of the top domain, over + includes and redirects."""
    names: set[str] = set()
    queue = [include_tree.domain]
    while queue:
        node = include_tree.nodes.get(queue.pop())
        if node and node.domain not in names:
            names.add(node.domain)
            queue += [
                node.redirect_target,
                *(target for directive, target in node.directives_with_targets if directive.qualifier == "+"),
            ]
    return names


def allowed_networks(include_tree: IncludeTree) -> Iterator[AllowedNetwork]:
    """Yield the networks of the + terms of all trusted records."""
    names = trusted(include_tree)
    for node, directive, target in include_tree.walk():
        if node.domain in names and directive.qualifier == "+":
            for network in _networks(include_tree, directive, target):
                if network not in PRIVATE:
                    yield AllowedNetwork(node.domain, directive.text, network)


def ipv4_addresses(networks: Iterable[IpNetwork]) -> int:
    """Return how many IPv4 addresses these networks hold together."""
    unique = {network for network in networks if isinstance(network, IPv4Network)}
    return sum(network.num_addresses for network in collapse_addresses(unique))


def _networks(include_tree: IncludeTree, directive: Directive, target: str) -> Iterator[IpNetwork]:
    mechanism = directive.mechanism
    if isinstance(mechanism, Network):
        yield mechanism.network
    elif isinstance(mechanism, Hosts):
        for host in include_tree.host_names(directive, target)[:MAX_NAMES]:
            for rdtype in ADDRESS_RDTYPES:
                for address in include_tree.answers.get((host, rdtype), ()):
                    yield ip_network(f"{address}/{mechanism.v6 if ':' in address else mechanism.v4}", strict=False)
