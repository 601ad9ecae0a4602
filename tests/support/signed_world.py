"""Test zones behind a validating resolver: all answers are authentic except the listed ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bot.models import DnsAnswer
from tests.support.dns_world import World, Zone


class SignedWorld(World):
    """`unproven` has names or (name, type) pairs; names below an unproven one are unproven too."""

    def __init__(self, zone: Zone, unproven: Iterable[str | tuple[str, str]] = ()) -> None:
        super().__init__(zone)
        self.unproven = frozenset(unproven)

    def answer(self, name: str, rdtype: str) -> DnsAnswer:
        labels = name.split(".")
        ancestors = {".".join(labels[start:]) for start in range(len(labels))}
        is_authentic = not self.unproven & ancestors and (name, rdtype) not in self.unproven
        return replace(super().answer(name, rdtype), authentic=is_authentic)
