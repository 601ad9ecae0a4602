"""DNS from a dict: `World` is a Lookup; `tests.support.dns_server` serves it on a socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.models import DnsAnswer, LookupFailed

FAILURES = ("timeout", "servfail", "refused", "formerr", "notimp", "malformed", "truncated", "loop")
Records = Sequence[str] | str
Zone = Mapping[str, Mapping[str, Records]]


class World:
    """`{"example.com": {"TXT": ["v=spf1 -all"], "MX": "timeout"}}`; a word of FAILURES raises it.

    The type `*` stands for every type that a name does not list. A name with names below it exists
    (RFC 8020). `queries` are all lookups, in order.
    """

    def __init__(self, zone: Zone, ttl: int = 300) -> None:
        self.zone: dict[str, Mapping[str, Records]] = {
            name.lower().rstrip("."): records for name, records in zone.items()
        }
        self.ttl = ttl
        self.queries: list[tuple[str, str]] = []

    async def __call__(self, name: str, rdtype: str, /) -> DnsAnswer:
        self.queries.append((name, rdtype))
        return self.answer(name, rdtype)

    def answer(self, name: str, rdtype: str) -> DnsAnswer:
        owner, aliases = name.lower().rstrip("."), ()
        for _ in range(9):
            by_type = self.zone.get(owner, {})
            records = by_type.get(rdtype, by_type.get("*", ()))
            if isinstance(records, str):
                raise LookupFailed(records, f"{name} {rdtype}")
            if records or "CNAME" not in by_type:
                exists = owner in self.zone or any(existing.endswith("." + owner) for existing in self.zone)
                return DnsAnswer(name, rdtype, tuple(records), exists=exists, ttl=self.ttl, aliases=aliases)
            aliases = (*aliases, by_type["CNAME"][0].rstrip("."))
            owner = str(by_type["CNAME"][0]).lower().rstrip(".")
        raise LookupFailed("loop", f"{name} {rdtype}")
