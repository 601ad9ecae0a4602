"""The problems of a range, put together for the store: what is the same at many addresses is written once. Pure.

A /24 that is on fifty lists has thousands of problems that differ only in their address, and a look reads and writes them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from bot.watching.model import Observation, Problem

Address = IPv4Address | IPv6Address

HERE = "{address}"  # stands for the address in a sentence, a step or a link


def packed(problems: Iterable[Problem]) -> list[tuple[Problem, str]]:
    """Problems without an address, each with the addresses where it is: `203.0.113.0-203.0.113.7 203.0.113.9`, or nothing."""
    alike: dict[Problem, list[str]] = {}
    groups: list[tuple[Problem, list[str]]] = []
    for problem in problems:
        common = _without_address(problem)
        if common is problem:
            groups.append((problem, []))
        elif common in alike:
            alike[common].append(problem.sight.address)
        else:
            alike[common] = [problem.sight.address]
            groups.append((common, alike[common]))
    return [(common, _runs(addresses)) for common, addresses in groups]


def unpacked(common: Problem, addresses: str) -> Iterator[Problem]:
    """The inverse. Raises ValueError for addresses that are none."""
    if not addresses:
        yield common
    for address in _addresses(addresses):
        yield replace(common, sight=_moved(common.sight, address, HERE, address))


def _without_address(problem: Problem) -> Problem:
    """The problem itself where it has no address, or names the placeholder as it is."""
    sight = problem.sight
    if not sight.address:
        return problem
    common = _moved(sight, "", sight.address, HERE)
    return replace(problem, sight=common) if _moved(common, sight.address, HERE, sight.address) == sight else problem


def _moved(sight: Observation, address: str, old: str, new: str) -> Observation:
    links = tuple(replace(link, url=link.url.replace(old, new)) for link in sight.links)
    says, step = sight.says.replace(old, new), sight.step.replace(old, new)
    return replace(sight, address=address, says=says, step=step, links=links)


def _runs(addresses: Iterable[str]) -> str:
    """Addresses of one range, those that follow each other as first and last."""
    runs: list[list[Address]] = []
    for address in sorted(map(ip_address, addresses), key=int):
        if runs and int(address) == int(runs[-1][1]) + 1:
            runs[-1][1] = address
        else:
            runs.append([address, address])
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _addresses(text: str) -> Iterator[str]:
    for run in text.split():
        first, _, last = run.partition("-")
        start, end = ip_address(first), ip_address(last or first)
        yield from (str(start + more) for more in range(int(end) - int(start) + 1))
