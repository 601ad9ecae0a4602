"""Replies of the test DNS server: true ones from a World, and faults.

A fault is a word for a name and all names below it:

* another answer: `nxdomain`, `nodata`, `servfail` (`servfail-2`: to the first two copies of each query),
  `refused`, `formerr`, `notimp`, `nxdomain-with-answer`, `cname-loop`, `stops-at-alias`, `referral`,
  `parked` (always 203.0.113.7), `sinkhole` (always 0.0.0.0)
* a resolver that spoils some answers: `rewritten` (203.0.113.7 for names that do not exist),
  `stripped` (none in 127/8)
* no EDNS: `formerr-with-edns` (a bare header), `badvers`
* TC=1, and then over TCP: `truncated` (the true reply), `truncated-refused`, `truncated-cut`,
  `truncated-silent`
* time: `silence`, `late-400` (milliseconds), `drop-2` (the first two copies of each query),
  `shuffled`
* a wrong packet, alone or, with `-first`, before the true one: `wrong-id`, `wrong-question`,
  `wrong-case`, `wrong-source`, `no-response-bit`, `garbage`, `empty`, `cut`
* `case-lost` (the name comes back in lower case), `duplicate`
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.txtbase
import dns.rrset
from dns.rcode import Rcode
from dns.rdataclass import IN

from tests.support.dns_world import World

HEADER = 12
FORGED_ADDRESS = "127.0.0.66"
PARKED, SINKHOLE = "203.0.113.7", "0.0.0.0"
FAULT_OF_FAILURE = {
    "timeout": "silence",
    "malformed": "nxdomain-with-answer",
    "truncated": "truncated-cut",
    "loop": "cname-loop",
}
RCODES = {"nxdomain": 3, "nodata": 0, "servfail": 2, "refused": 5, "formerr": 1, "notimp": 4}
ANSWERED, TRUNCATED = b"\x85\x80", b"\x87\x80"  # QR AA RD RA, and TC


@dataclass(frozen=True, slots=True)
class ReceivedQuery:
    """A query as received: the packet, the end of its question, name and type."""

    packet: bytes
    end: int
    name: str
    rdtype: str

    @property
    def question(self) -> bytes:
        return self.packet[HEADER : self.end]

    @property
    def edns(self) -> bool:
        return self.packet[11] == 1


@dataclass(frozen=True, slots=True)
class Datagram:
    """A datagram to send after so many seconds, from the server's port or from another one."""

    payload: bytes
    delay_s: float = 0.0
    from_other_port: bool = False


def parse_query(packet: bytes) -> ReceivedQuery:
    labels, offset = [], HEADER
    while length := packet[offset]:
        labels.append(packet[offset + 1 : offset + 1 + length].decode("latin-1"))
        offset += 1 + length
    rdtype = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(int.from_bytes(packet[offset + 1 : offset + 3], "big")))
    return ReceivedQuery(packet, offset + 5, ".".join(labels).lower() or ".", rdtype)


class Script:
    """Replies from the world and its faults; built once, then patched with id and case."""

    def __init__(self, world: World, faults: Mapping[str, str], seed: int = 0) -> None:
        self.world = world
        self.faults = {zone.lower(): fault for zone, fault in faults.items()}
        self._query_counts: Counter[tuple[str, str]] = Counter()
        self._cache: dict[tuple[str, str, bool, str], bytes] = {}
        self._random = random.Random(seed)
        self.clear_cache()

    def clear_cache(self) -> None:
        """Drop the replies built from the old zone."""
        self._cache.clear()
        names = self.world.zone
        self._parents = {name.split(".", cut)[-1] for name in names for cut in range(1, name.count(".") + 1)}

    def datagrams(self, query: ReceivedQuery) -> list[Datagram]:
        fault = self._fault(query)
        fault_name, _, value = fault.rpartition("-")
        if fault == "silence" or (fault_name == "drop" and self._count(query) <= int(value)):
            return []
        if fault_name == "servfail":
            fault = fault_name if self._count(query) <= int(value) else ""
        if fault.startswith("truncated"):
            return [Datagram(query.packet[:2] + TRUNCATED + b"\0\1\0\0\0\0\0\0" + query.question)]
        true_reply = self._reply(query, fault)
        if fault_name == "late":
            return [Datagram(true_reply, int(value) / 1000)]
        if fault == "shuffled":
            return [Datagram(true_reply, self._random.uniform(0, 0.01))]
        if fault == "duplicate":
            return [Datagram(true_reply), Datagram(true_reply)]
        if fault == "case-lost":
            return [
                Datagram(true_reply[:HEADER] + true_reply[HEADER : query.end - 4].lower() + true_reply[query.end - 4 :])
            ]
        forgery = fault.removesuffix("-first")
        if forgery not in FORGERIES:
            return [Datagram(true_reply)]
        original = true_reply if forgery == "cut" else self._reply(query, "lie")
        wrong_datagram = Datagram(FORGERIES[forgery](original), from_other_port=forgery == "wrong-source")
        return [wrong_datagram, Datagram(true_reply)] if fault.endswith("-first") else [wrong_datagram]

    def message(self, query: ReceivedQuery) -> bytes | None:
        """The TCP reply with its length, possibly cut; None to stay silent."""
        fault = self._fault(query)
        if fault in ("silence", "truncated-silent"):
            return None
        reply = self._reply(query, fault)
        framed = len(reply).to_bytes(2, "big") + reply
        return {"truncated-refused": b"", "truncated-cut": framed[: len(framed) // 2]}.get(fault, framed)

    def _fault(self, query: ReceivedQuery) -> str:
        zone = query.name
        while zone:
            if fault := self.faults.get(zone):
                return fault
            zone = zone.partition(".")[2]
        by_type = self.world.zone.get(query.name, {})
        records = by_type.get(query.rdtype, by_type.get("*", ()))
        return FAULT_OF_FAILURE.get(records, records) if isinstance(records, str) else ""

    def _count(self, query: ReceivedQuery) -> int:
        self._query_counts[query.name, query.rdtype] += 1
        return self._query_counts[query.name, query.rdtype]

    def _of_resolver(self, query: ReceivedQuery, fault: str) -> str:
        """The fault of one reply of a resolver that spoils some of its replies."""
        if fault == "rewritten":
            return "" if query.name in self.world.zone or query.name in self._parents else "parked"
        if fault == "stripped":
            loopback = any(record.startswith("127.") for record in self._records(query.name, "A"))
            return "nodata" if loopback and query.rdtype == "A" else ""
        return fault

    def _reply(self, query: ReceivedQuery, fault: str) -> bytes:
        fault = self._of_resolver(query, fault)
        if fault in RCODES:
            return _without_records(query, RCODES[fault], self.world.ttl)
        if fault == "formerr-with-edns" and query.edns:
            return query.packet[:2] + b"\x80\x01" + b"\0\0\0\0\0\0\0\0"
        if fault not in REPLY_BUILDERS and not self._records(query.name, query.rdtype) and not self._alias(query.name):
            exists = query.name in self.world.zone or query.name in self._parents
            return _without_records(query, 0 if exists else 3, self.world.ttl)
        builder = fault if fault in REPLY_BUILDERS else ""
        key = (query.name, query.rdtype, query.edns, builder)
        if key not in self._cache:
            self._cache[key] = self._build(query, builder)
        return query.packet[:2] + self._cache[key][2:HEADER] + query.question + self._cache[key][query.end :]

    def _build(self, query: ReceivedQuery, builder: str) -> bytes:
        message = dns.message.make_response(dns.message.from_wire(query.packet), recursion_available=True)
        message.flags |= dns.flags.AA
        if builder:
            REPLY_BUILDERS[builder](message, query)
        else:
            self._follow(message, query)
        return message.to_wire(max_size=65535)

    def _follow(self, message: dns.message.Message, query: ReceivedQuery) -> None:
        owner = query.name
        while (target := self._alias(owner)) and not self._records(owner, query.rdtype) and len(message.answer) < 9:
            message.answer.extend(_rrsets(owner, self.world.ttl, "CNAME", [target]))
            owner = target.lower().rstrip(".")
            if self._fault(query) == "stops-at-alias":
                return
        if records := self._records(owner, query.rdtype):
            message.answer.extend(_rrsets(owner, self.world.ttl, query.rdtype, records))
            return
        if owner not in self.world.zone and owner not in self._parents:
            message.set_rcode(Rcode.NXDOMAIN)
        soa = f". . 1 3600 600 86400 {self.world.ttl}"
        message.authority.extend(_rrsets(owner.rpartition(".")[2], self.world.ttl, "SOA", [soa]))

    def _records(self, owner: str, rdtype: str) -> list[str]:
        by_type = self.world.zone.get(owner, {})
        records = by_type.get(rdtype, by_type.get("*", ()))
        return [] if isinstance(records, str) else list(records)

    def _alias(self, owner: str) -> str | None:
        return next(iter(self._records(owner, "CNAME")), None) if "CNAME" in self.world.zone.get(owner, {}) else None


def _rrsets(owner: str, ttl: int, type_name: str, records: list[str]) -> list[dns.rrset.RRset]:
    """One RRset per record: dnspython would shuffle the records of a larger one."""
    rdtype = dns.rdatatype.from_text(type_name)
    if type_name in ("TXT", "SPF"):
        rdatas = [_text(rdtype, text.encode("utf-8", "surrogateescape")) for text in records]
    else:
        rdatas = [dns.rdata.from_text(IN, rdtype, text, origin=dns.name.root, relativize=False) for text in records]
    return [dns.rrset.from_rdata_list(dns.name.from_text(owner), ttl, [record]) for record in rdatas]


def _text(rdtype: dns.rdatatype.RdataType, octets: bytes) -> dns.rdata.Rdata:
    strings = [octets[at : at + 255] for at in range(0, len(octets), 255)] or [b""]
    return dns.rdtypes.txtbase.TXTBase(IN, rdtype, strings)


def _without_records(query: ReceivedQuery, rcode: int, ttl: int) -> bytes:
    """An error, or a denial with the SOA of the top-level domain (RFC 2308 §2)."""
    counts = b"\0\1\0\0\0\1\0\0" if rcode in (0, 3) else b"\0\1\0\0\0\0\0\0"
    reply = query.packet[:2] + ANSWERED[:1] + bytes((ANSWERED[1] | rcode,)) + counts + query.question
    if rcode not in (0, 3):
        return reply
    top = query.end - 5 - len(query.name.rpartition(".")[2]) - 1 if query.name != "." else HEADER
    seconds = ttl.to_bytes(4, "big")
    soa = b"\0\0" + b"\0\0\0\1" * 4 + seconds
    return reply + bytes((0xC0, top)) + b"\0\6\0\1" + seconds + len(soa).to_bytes(2, "big") + soa


def _address_reply(*addresses: str) -> Callable[[dns.message.Message, ReceivedQuery], None]:
    def build(message: dns.message.Message, query: ReceivedQuery) -> None:
        if query.rdtype == "A":
            message.answer.extend(_rrsets(query.name, 60, "A", list(addresses)))

    return build


def _contradiction(message: dns.message.Message, query: ReceivedQuery) -> None:
    message.set_rcode(Rcode.NXDOMAIN)
    message.answer.extend(_rrsets(query.name, 60, "A", [FORGED_ADDRESS]))


def _loop(message: dns.message.Message, query: ReceivedQuery) -> None:
    message.answer.extend(_rrsets(query.name, 60, "CNAME", [f"again.{query.name}"]))
    message.answer.extend(_rrsets(f"again.{query.name}", 60, "CNAME", [query.name]))


def _referral(message: dns.message.Message, query: ReceivedQuery) -> None:
    message.flags &= ~(dns.flags.AA | dns.flags.RA)
    message.authority.extend(_rrsets(".", 60, "NS", ["a.root.example"]))


def _badvers(message: dns.message.Message, query: ReceivedQuery) -> None:
    if query.edns:
        message.set_rcode(Rcode.BADVERS)
    else:
        message.answer.extend(_rrsets(query.name, 60, "TXT", ["v=spf1 -all"]))


def _change_question(reply: bytes) -> bytes:
    return reply[: HEADER + 1] + bytes((reply[HEADER + 1] ^ 0x01,)) + reply[HEADER + 2 :]


REPLY_BUILDERS: dict[str, Callable[[dns.message.Message, ReceivedQuery], None]] = {
    "lie": _address_reply(FORGED_ADDRESS),
    "parked": _address_reply(PARKED),
    "sinkhole": _address_reply(SINKHOLE),
    "nxdomain-with-answer": _contradiction,
    "cname-loop": _loop,
    "referral": _referral,
    "badvers": _badvers,
}
FORGERIES: dict[str, Callable[[bytes], bytes]] = {
    "wrong-id": lambda reply: bytes((reply[0] ^ 1,)) + reply[1:],
    "wrong-question": _change_question,
    "wrong-case": lambda reply: reply[:HEADER] + reply[HEADER:].swapcase(),
    "wrong-source": lambda reply: reply,
    "no-response-bit": lambda reply: reply[:2] + bytes((reply[2] & 0x7F,)) + reply[3:],
    "garbage": lambda reply: reply[:2] + b"\xff" * 40,
    "empty": lambda _: b"",
    "cut": lambda reply: reply[:-7],
}
