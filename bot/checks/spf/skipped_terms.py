"""Terms of an SPF record that receivers skip without an error: what their author meant has no effect. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network

from bot.checks.spf.record import MECHANISM_NAMES, Directive, Network, Record
from bot.inputs.domain_names import quoted

IpNetwork = IPv4Network | IPv6Network
MAPPED_PREFIX = 96  # ::ffff:0:0/96 holds the IPv4-mapped addresses (RFC 4291 §2.5.5.2)
MODIFIER_NAMES = ("redirect", "exp")
KNOWN_NAMES = (*MODIFIER_NAMES, *sorted(MECHANISM_NAMES))
SIMILARITY = 0.8  # of a misspelled name with the right one: `inlcude`, `redirct`


@dataclass(frozen=True, slots=True)
class SkippedTerm:
    """A term without effect: the variant of the finding's words, and values for them."""

    variant: str
    term: str
    values: Mapping[str, str] = field(default_factory=dict)


def skipped_terms(record: Record) -> Iterator[SkippedTerm]:
    """Yield every term that has no effect where it stands, in the order of the rules."""
    for rule in RULES:
        yield from rule(record)


def _after_all(record: Record) -> Iterator[SkippedTerm]:
    unread = record.directives[len(record.reachable) :]
    if (default := record.default_directive) and unread:
        terms = " ".join(directive.text for directive in unread)
        yield SkippedTerm("after-all", terms, {"default": default.text})


def _redirect_beside_all(record: Record) -> Iterator[SkippedTerm]:
    if (default := record.default_directive) and record.redirect is not None:
        yield SkippedTerm("redirect", f"redirect={record.redirect}", {"default": default.text})


def _modifiers(record: Record) -> Iterator[SkippedTerm]:
    """Unknown modifiers are allowed (RFC 7208 §6), so a mechanism or a modifier that is misspelled is no error."""
    for name, value in record.modifiers:
        term = f"{name}={value}"
        if term.lower() == "v=spf1":
            yield SkippedTerm("version", term)
        elif name.lower() in MECHANISM_NAMES:
            yield SkippedTerm("modifier", term, {"right": quoted(f"{name.lower()}:{value}")})
        elif right := next(iter(get_close_matches(name.lower(), KNOWN_NAMES, 1, SIMILARITY)), ""):
            separator = "=" if right in MODIFIER_NAMES else ":"
            yield SkippedTerm("modifier", term, {"right": quoted(f"{right}{separator}{value}")})


def _mapped_addresses(record: Record) -> Iterator[SkippedTerm]:
    """An IPv4 sender is never compared with ip6 (RFC 7208 §5.6)."""
    for directive in record.reachable:
        network = _network(directive)
        mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
        if mapped and network and network.prefixlen >= MAPPED_PREFIX:
            prefix = "" if network.prefixlen == 128 else f"/{network.prefixlen - MAPPED_PREFIX}"
            yield SkippedTerm("mapped", directive.text, {"right": quoted(f"ip4:{mapped}{prefix}")})


def _shadowed(record: Record) -> Iterator[SkippedTerm]:
    """A network that is forbidden only after a term that already allows it."""
    networks = [(directive, network) for directive in record.reachable if (network := _network(directive))]
    for index, (directive, network) in enumerate(networks):
        earlier = (wider.text for wider, outer in networks[:index] if wider.qualifier == "+" and _holds(outer, network))
        if directive.qualifier != "+" and (first := next(earlier, "")):
            yield SkippedTerm("shadowed", directive.text, {"earlier": quoted(first)})


def _repeated(record: Record) -> Iterator[SkippedTerm]:
    """The same term again matches nothing new, and costs its lookups again."""
    terms = Counter(str(directive).lower() for directive in record.reachable if not _network(directive))
    for term, count in terms.items():
        if count > 1:
            yield SkippedTerm("repeated", term)


def _network(directive: Directive) -> IpNetwork | None:
    return directive.mechanism.network if isinstance(directive.mechanism, Network) else None


def _holds(outer: IpNetwork, inner: IpNetwork) -> bool:
    return inner.version == outer.version and inner.prefixlen >= outer.prefixlen and inner.network_address in outer


RULES: tuple[Callable[[Record], Iterator[SkippedTerm]], ...] = (
    _after_all,
    _redirect_beside_all,
    _modifiers,
    _mapped_addresses,
    _shadowed,
    _repeated,
)
