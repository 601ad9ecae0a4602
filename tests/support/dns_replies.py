"""What the test server says: true replies made from a World, and the lies, cuts and silences that a network has in store.

A fault is a word for a name and all names below it:

* another answer: `nxdomain`, `nodata`, `servfail`, `refused`, `formerr`, `notimp`, `nxdomain-with-answer`,
  `cname-loop`, `stops-at-alias`, `referral`, `parked` (203.0.113.7 for everything)
* no EDNS: `formerr-with-edns` (a bare header), `badvers`
* TC=1, and then over TCP: `truncated` (the truth), `truncated-refused`, `truncated-cut`, `truncated-silent`
* time: `silence`, `late-400` (milliseconds), `drop-2` (the first two copies of each question), `shuffled`
* the wrong packet, alone or, with `-first`, before the true one: `wrong-id`, `wrong-question`, `wrong-case`, `wrong-source`,
  `no-response-bit`, `garbage`, `empty`, `cut`
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
LIE = "127.0.0.66"
PARKED = "203.0.113.7"
WORLD_WORDS = {
    "timeout": "silence",
    "malformed": "nxdomain-with-answer",
    "truncated": "truncated-cut",
    "loop": "cname-loop",
}
RCODES = {"nxdomain": 3, "nodata": 0, "servfail": 2, "refused": 5, "formerr": 1, "notimp": 4}
ANSWERED, TRUNCATED = b"\x85\x80", b"\x87\x80"  # QR AA RD RA, and TC


@dataclass(frozen=True, slots=True)
class Ask:
    """A question as it came in: the packet, where its question ends, and what it says."""

    packet: bytes
    end: int
    name: str
    kind: str

    @property
    def question(self) -> bytes:
        return self.packet[HEADER : self.end]

    @property
    def edns(self) -> bool:
        return self.packet[11] == 1


@dataclass(frozen=True, slots=True)
class Send:
    """A datagram to send, `after` so many seconds, from the server's own port or a stranger's."""

    reply: bytes
    after: float = 0.0
    stranger: bool = False


def read_ask(packet: bytes) -> Ask:
    labels, at = [], HEADER
    while length := packet[at]:
        labels.append(packet[at + 1 : at + 1 + length].decode("latin-1"))
        at += 1 + length
    kind = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(int.from_bytes(packet[at + 1 : at + 3], "big")))
    return Ask(packet, at + 5, ".".join(labels).lower() or ".", kind)


class Script:
    """Answers from the world, with the faults of the zones; replies are built once and then patched with id and case."""

    def __init__(self, world: World, faults: Mapping[str, str], seed: int = 0) -> None:
        self.world = world
        self.faults = {zone.lower(): word for zone, word in faults.items()}
        self._seen: Counter[tuple[str, str]] = Counter()
        self._built: dict[tuple[str, str, bool, str], bytes] = {}
        self._dice = random.Random(seed)
        self.world_changed()

    def world_changed(self) -> None:
        """Forgets what was made from the world as it was."""
        self._built.clear()
        names = self.world.zone
        self._above = {name.split(".", cut)[-1] for name in names for cut in range(1, name.count(".") + 1)}

    def datagrams(self, ask: Ask) -> list[Send]:
        word = self._word(ask)
        first, _, rest = word.rpartition("-")
        if word == "silence" or (first == "drop" and self._count(ask) <= int(rest)):
            return []
        if word.startswith("truncated"):
            return [Send(ask.packet[:2] + TRUNCATED + b"\0\1\0\0\0\0\0\0" + ask.question)]
        truth = self._reply(ask, word)
        if first == "late":
            return [Send(truth, int(rest) / 1000)]
        if word == "shuffled":
            return [Send(truth, self._dice.uniform(0, 0.01))]
        if word == "duplicate":
            return [Send(truth), Send(truth)]
        if word == "case-lost":
            return [Send(truth[:HEADER] + truth[HEADER : ask.end - 4].lower() + truth[ask.end - 4 :])]
        forged = word.removesuffix("-first")
        if forged not in FORGERIES:
            return [Send(truth)]
        original = truth if forged == "cut" else self._reply(ask, "lie")
        wrong = Send(FORGERIES[forged](original), stranger=forged == "wrong-source")
        return [wrong, Send(truth)] if word.endswith("-first") else [wrong]

    def message(self, ask: Ask) -> bytes | None:
        """The reply over TCP with its length, possibly cut; None to say nothing and hold the line."""
        word = self._word(ask)
        if word in ("silence", "truncated-silent"):
            return None
        reply = self._reply(ask, word)
        whole = len(reply).to_bytes(2, "big") + reply
        return {"truncated-refused": b"", "truncated-cut": whole[: len(whole) // 2]}.get(word, whole)

    def _word(self, ask: Ask) -> str:
        zone = ask.name
        while zone:
            if word := self.faults.get(zone):
                return word
            zone = zone.partition(".")[2]
        kinds = self.world.zone.get(ask.name, {})
        records = kinds.get(ask.kind, kinds.get("*", ()))
        return WORLD_WORDS.get(records, records) if isinstance(records, str) else ""

    def _count(self, ask: Ask) -> int:
        self._seen[ask.name, ask.kind] += 1
        return self._seen[ask.name, ask.kind]

    def _reply(self, ask: Ask, word: str) -> bytes:
        if word in RCODES:
            return _without_records(ask, RCODES[word], self.world.ttl)
        if word == "formerr-with-edns" and ask.edns:
            return ask.packet[:2] + b"\x80\x01" + b"\0\0\0\0\0\0\0\0"
        if word not in PAGES and not self._records(ask.name, ask.kind) and not self._alias(ask.name):
            exists = ask.name in self.world.zone or ask.name in self._above
            return _without_records(ask, 0 if exists else 3, self.world.ttl)
        page = word if word in PAGES else ""
        key = (ask.name, ask.kind, ask.edns, page)
        if key not in self._built:
            self._built[key] = self._build(ask, page)
        return ask.packet[:2] + self._built[key][2:HEADER] + ask.question + self._built[key][ask.end :]

    def _build(self, ask: Ask, page: str) -> bytes:
        message = dns.message.make_response(dns.message.from_wire(ask.packet), recursion_available=True)
        message.flags |= dns.flags.AA
        if page:
            PAGES[page](message, ask)
        else:
            self._follow(message, ask)
        return message.to_wire(max_size=65535)

    def _follow(self, message: dns.message.Message, ask: Ask) -> None:
        owner = ask.name
        while (target := self._alias(owner)) and not self._records(owner, ask.kind) and len(message.answer) < 9:
            message.answer.extend(_rrsets(owner, self.world.ttl, "CNAME", [target]))
            owner = target.lower().rstrip(".")
            if self._word(ask) == "stops-at-alias":
                return
        if records := self._records(owner, ask.kind):
            message.answer.extend(_rrsets(owner, self.world.ttl, ask.kind, records))
            return
        if owner not in self.world.zone and owner not in self._above:
            message.set_rcode(Rcode.NXDOMAIN)
        soa = f". . 1 3600 600 86400 {self.world.ttl}"
        message.authority.extend(_rrsets(owner.rpartition(".")[2], self.world.ttl, "SOA", [soa]))

    def _records(self, owner: str, kind: str) -> list[str]:
        kinds = self.world.zone.get(owner, {})
        records = kinds.get(kind, kinds.get("*", ()))
        return [] if isinstance(records, str) else list(records)

    def _alias(self, owner: str) -> str | None:
        return next(iter(self._records(owner, "CNAME")), None) if "CNAME" in self.world.zone.get(owner, {}) else None


def _rrsets(owner: str, ttl: int, kind: str, records: list[str]) -> list[dns.rrset.RRset]:
    """One set for each record: dnspython would shuffle the records of a larger one."""
    rdtype = dns.rdatatype.from_text(kind)
    if kind in ("TXT", "SPF"):
        made = [_text(rdtype, text.encode("utf-8", "surrogateescape")) for text in records]
    else:
        made = [dns.rdata.from_text(IN, rdtype, text, origin=dns.name.root, relativize=False) for text in records]
    return [dns.rrset.from_rdata_list(dns.name.from_text(owner), ttl, [record]) for record in made]


def _text(rdtype: dns.rdatatype.RdataType, octets: bytes) -> dns.rdata.Rdata:
    strings = [octets[at : at + 255] for at in range(0, len(octets), 255)] or [b""]
    return dns.rdtypes.txtbase.TXTBase(IN, rdtype, strings)


def _without_records(ask: Ask, rcode: int, ttl: int) -> bytes:
    """An error, or a negative answer with the SOA of the top-level domain (RFC 2308 §2)."""
    counts = b"\0\1\0\0\0\1\0\0" if rcode in (0, 3) else b"\0\1\0\0\0\0\0\0"
    reply = ask.packet[:2] + ANSWERED[:1] + bytes((ANSWERED[1] | rcode,)) + counts + ask.question
    if rcode not in (0, 3):
        return reply
    top = ask.end - 5 - len(ask.name.rpartition(".")[2]) - 1 if ask.name != "." else HEADER
    seconds = ttl.to_bytes(4, "big")
    soa = b"\0\0" + b"\0\0\0\1" * 4 + seconds
    return reply + bytes((0xC0, top)) + b"\0\6\0\1" + seconds + len(soa).to_bytes(2, "big") + soa


def _says(*addresses: str) -> Callable[[dns.message.Message, Ask], None]:
    def page(message: dns.message.Message, ask: Ask) -> None:
        if ask.kind == "A":
            message.answer.extend(_rrsets(ask.name, 60, "A", list(addresses)))

    return page


def _contradiction(message: dns.message.Message, ask: Ask) -> None:
    message.set_rcode(Rcode.NXDOMAIN)
    message.answer.extend(_rrsets(ask.name, 60, "A", [LIE]))


def _loop(message: dns.message.Message, ask: Ask) -> None:
    message.answer.extend(_rrsets(ask.name, 60, "CNAME", [f"again.{ask.name}"]))
    message.answer.extend(_rrsets(f"again.{ask.name}", 60, "CNAME", [ask.name]))


def _referral(message: dns.message.Message, ask: Ask) -> None:
    message.flags &= ~(dns.flags.AA | dns.flags.RA)
    message.authority.extend(_rrsets(".", 60, "NS", ["a.root.example"]))


def _badvers(message: dns.message.Message, ask: Ask) -> None:
    if ask.edns:
        message.set_rcode(Rcode.BADVERS)
    else:
        message.answer.extend(_rrsets(ask.name, 60, "TXT", ["v=spf1 -all"]))


def _asked_elsewhere(reply: bytes) -> bytes:
    return reply[: HEADER + 1] + bytes((reply[HEADER + 1] ^ 0x01,)) + reply[HEADER + 2 :]


PAGES: dict[str, Callable[[dns.message.Message, Ask], None]] = {
    "lie": _says(LIE),
    "parked": _says(PARKED),
    "nxdomain-with-answer": _contradiction,
    "cname-loop": _loop,
    "referral": _referral,
    "badvers": _badvers,
}
FORGERIES: dict[str, Callable[[bytes], bytes]] = {
    "wrong-id": lambda reply: bytes((reply[0] ^ 1,)) + reply[1:],
    "wrong-question": _asked_elsewhere,
    "wrong-case": lambda reply: reply[:HEADER] + reply[HEADER:].swapcase(),
    "wrong-source": lambda reply: reply,
    "no-response-bit": lambda reply: reply[:2] + bytes((reply[2] & 0x7F,)) + reply[3:],
    "garbage": lambda reply: reply[:2] + b"\xff" * 40,
    "empty": lambda _: b"",
    "cut": lambda reply: reply[:-7],
}
