"""DNS from a dict: the one fake of the test suite. `World` is a Lookup; `tests.support.dns_server` serves the same dict on a socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.models import Answer, LookupFailed

FAILURES = ("timeout", "servfail", "refused", "formerr", "notimp", "malformed", "truncated", "loop")
Records = Sequence[str] | str
Zone = Mapping[str, Mapping[str, Records]]


class World:
    """`{"example.com": {"TXT": ["v=spf1 -all"], "MX": "timeout"}}`: a word of FAILURES in place of records raises LookupFailed.

    The kind `*` stands for every kind that a name does not list. A name below which others live exists (RFC 8020).
    `asked` remembers every question in order.
    """

    def __init__(self, zone: Zone, ttl: int = 300) -> None:
        self.zone: dict[str, Mapping[str, Records]] = {name.lower().rstrip("."): kinds for name, kinds in zone.items()}
        self.ttl = ttl
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, name: str, kind: str, /) -> Answer:
        self.asked.append((name, kind))
        return self.answer(name, kind)

    def answer(self, name: str, kind: str) -> Answer:
        owner = name.lower().rstrip(".")
        for _ in range(9):
            kinds = self.zone.get(owner, {})
            records = kinds.get(kind, kinds.get("*", ()))
            if isinstance(records, str):
                raise LookupFailed(records, f"{name} {kind}")
            if records or "CNAME" not in kinds:
                exists = owner in self.zone or any(other.endswith("." + owner) for other in self.zone)
                return Answer(name, kind, tuple(records), exists=exists, ttl=self.ttl)
            owner = str(kinds["CNAME"][0]).lower().rstrip(".")
        raise LookupFailed("loop", f"{name} {kind}")
