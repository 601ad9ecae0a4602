"""A world behind a validating resolver: every answer is proven, but for the names that are said not to be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bot.models import Answer
from tests.support.dns_world import World, Zone


class SignedWorld(World):
    """`unproven` holds names, or pairs of a name and a kind; a name below an unproven one is unproven too."""

    def __init__(self, zone: Zone, unproven: Iterable[str | tuple[str, str]] = ()) -> None:
        super().__init__(zone)
        self.unproven = frozenset(unproven)

    def answer(self, name: str, kind: str) -> Answer:
        labels = name.split(".")
        above = {".".join(labels[start:]) for start in range(len(labels))}
        proven = not self.unproven & above and (name, kind) not in self.unproven
        return replace(super().answer(name, kind), authentic=proven)
