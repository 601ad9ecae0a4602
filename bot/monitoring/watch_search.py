"""Finds watches by what people call them: id, name, address, an address inside a watched range, or domain. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_network
from typing import TypeVar

from bot.models import Address
from bot.monitoring.models import Network, Watch

QUOTES = "\"'“”„‟‘’‚«»"

FoundT = TypeVar("FoundT")


def find_watches(query: str, found: Sequence[FoundT], watch_of: Callable[[FoundT], Watch]) -> tuple[FoundT, ...]:
    """All matches of the most exact kind that has any; none for an empty query.

    Case, quotes and runs of spaces do not matter. The kinds: id, name, whole subject, and then
    every word of the query an address, a range or the domain of the watch.
    """
    text = " ".join(query.strip().strip(QUOTES).lower().split())
    if not text:
        return ()
    kinds: tuple[Callable[[Watch], bool], ...] = (
        lambda watch: watch.id == text,
        lambda watch: " ".join(watch.name.lower().split()) == text,
        lambda watch: watch.subject.lower() == text,
        lambda watch: all(_concerns(watch, word) for word in text.replace(",", " ").split()),
    )
    for matches in kinds:
        if result := tuple(item for item in found if matches(watch_of(item))):
            return result
    return ()


def _concerns(watch: Watch, word: str) -> bool:
    if watch.domain is not None and word.rstrip(".") == watch.domain.lower():
        return True
    network = _network(word)
    return network is not None and watch.network is not None and is_inside(network, watch.network)


def is_inside(network: Network, whole: Network) -> bool:
    """Whether a network is all or part of another one; False for two versions of IP."""
    if network.version != whole.version:
        return False
    return int(whole[0]) <= int(network[0]) and int(network[-1]) <= int(whole[-1])


def covers(target: str, ip: Address) -> bool:
    """Whether a poll target, such as `mta 203.0.113.0/28 example.com`, includes an address."""
    network = _network(" ".join(target.split()[1:2]))
    return network is not None and ip in network


def _network(word: str) -> Network | None:
    try:
        return ip_network(word, strict=False)
    except ValueError:
        return None
