"""A name server at the end of a long line: answers made beforehand, held back for a while, some of them lost.

`python -m benchmarks.line ZONE.json --delay-ms 30 --loss 0.01 --every ZONE=WORD`, which prints its port. It spins on a core of
its own while answers wait, so that it adds nothing but the delay; UDP only. WORD is `silent`, a response code, or an address
that every name below the zone has.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

import dns.name
import dns.rdata
from dns.rdataclass import IN
from dns.rdatatype import RdataType

HEADER, TTL, NEGATIVE_TTL = 12, 300, 150
SOA = b"\0\0\6\0\1" + TTL.to_bytes(4, "big") + b"\0\x16\0\0" + b"\0\0\0\1" * 4 + NEGATIVE_TTL.to_bytes(4, "big")
SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5
RCODES = {"servfail": SERVFAIL, "refused": REFUSED}

Body = tuple[bytes, bytes] | None  # flags and counts, what follows the question; None is silence


def body(rcode: int, records: list[bytes]) -> Body:
    """The reply around a question; without records it is a denial with a SOA, or an error."""
    denied = rcode in (0, NXDOMAIN) and not records
    counts = b"\0\1" + len(records).to_bytes(2, "big") + (b"\0\1" if denied else b"\0\0") + b"\0\0"
    return bytes((0x85, 0x80 | rcode)) + counts, SOA if denied else b"".join(records)


def record(kind: str, text: str) -> bytes:
    rdtype = RdataType.make(kind)
    if kind == "TXT":
        data = text.encode()
        wire = b"".join(bytes((len(data[at : at + 255]),)) + data[at : at + 255] for at in range(0, len(data), 255))
    else:
        wire = dns.rdata.from_text(IN, rdtype, text, origin=dns.name.root, relativize=False).to_wire() or b""
    return (
        b"\xc0\x0c" + rdtype.to_bytes(2, "big") + b"\0\1" + TTL.to_bytes(4, "big") + len(wire).to_bytes(2, "big") + wire
    )


def wire_name(name: str) -> bytes:
    return dns.name.from_text(name).to_wire() or b""


class Answers:
    """What the server says to each question, by its bytes in lower case."""

    def __init__(self, zone: Mapping[str, Mapping[str, list[str]]], every: Mapping[str, str]) -> None:
        self._known = {
            wire_name(name) + RdataType.make(kind).to_bytes(2, "big"): body(0, [record(kind, text) for text in texts])
            for name, kinds in zone.items()
            for kind, texts in kinds.items()
        }
        self._names = {wire_name(above) for name in zone for above in _with_parents(name)}
        self._every = {wire_name(suffix): _of_word(word) for suffix, word in every.items()}
        self._denial, self._nothing = body(NXDOMAIN, []), body(0, [])

    def find(self, question: bytes) -> Body:
        """`question` is name, type and class."""
        name, kind = question[:-4].lower(), question[-4:-2]
        at = 0
        while self._every and name[at]:
            if name[at:] in self._every:
                return self._every[name[at:]]
            at += 1 + name[at]
        known = self._known.get(name + kind)
        if known:
            return known
        return self._nothing if name in self._names else self._denial


def _with_parents(name: str) -> Iterator[str]:
    labels = name.split(".")
    return (".".join(labels[start:]) for start in range(len(labels)))


def _of_word(word: str) -> Body:
    if word == "silent":
        return None
    return body(RCODES[word], []) if word in RCODES else body(0, [record("A", word)])


def serve(answers: Answers, door: socket.socket, delay_s: float, loss: float, seed: int) -> None:
    dice, late = random.Random(seed), deque[tuple[float, bytes, object]]()
    while True:
        if not late:
            select.select([door], [], [])
        try:
            packet, sender = door.recvfrom(4096)
        except BlockingIOError:
            packet = b""
        if packet and not (loss and dice.random() < loss):
            end = packet.index(b"\0", HEADER) + 5
            found = answers.find(packet[HEADER:end])
            if found:
                reply = packet[:2] + found[0] + packet[HEADER:end] + found[1]
                late.append((time.monotonic() + delay_s, reply, sender))
        now = time.monotonic()
        while late and late[0][0] <= now:
            _, reply, receiver = late.popleft()
            door.sendto(reply, receiver)


def main() -> None:
    words = argparse.ArgumentParser(prog="python -m benchmarks.line", description=__doc__)
    words.add_argument("zone", type=Path)
    words.add_argument("--delay-ms", type=float, default=0.0)
    words.add_argument("--loss", type=float, default=0.0)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--every", action="append", default=[], metavar="ZONE=WORD")
    words.add_argument("--core", type=int)
    chosen = words.parse_args()
    if chosen.core is not None:
        os.sched_setaffinity(0, {chosen.core})
    answers = Answers(json.loads(chosen.zone.read_text()), dict(word.split("=", 1) for word in chosen.every))
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    door.bind(("127.0.0.1", 0))
    door.setblocking(False)
    print(door.getsockname()[1], flush=True)
    serve(answers, door, chosen.delay_ms / 1000, chosen.loss, chosen.seed)


if __name__ == "__main__":
    main()
