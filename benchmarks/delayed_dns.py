"""UDP DNS server with precomputed replies, a delay, and packet loss.

`python -m benchmarks.delayed_dns ZONE.json --delay-ms 30 --loss 0.01 --every ZONE=WORD` prints its
port. It busy-waits on a core of its own while replies are due, so that it adds only the delay. WORD
is `silent`, a response code, or an address that every name below the zone has.
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

# Flags and counts, and what follows the question section; None is no reply.
Body = tuple[bytes, bytes] | None


def body(rcode: int, records: list[bytes]) -> Body:
    """Reply without its question; without records a negative answer with SOA, or an error."""
    negative = rcode in (0, NXDOMAIN) and not records
    counts = b"\0\1" + len(records).to_bytes(2, "big") + (b"\0\1" if negative else b"\0\0") + b"\0\0"
    return bytes((0x85, 0x80 | rcode)) + counts, SOA if negative else b"".join(records)


def record(type_name: str, text: str) -> bytes:
    rdtype = RdataType.make(type_name)
    if type_name == "TXT":
        data = text.encode()
        strings = [data[start : start + 255] for start in range(0, len(data), 255)]
        wire = b"".join(bytes((len(string),)) + string for string in strings)
    else:
        rdata = dns.rdata.from_text(IN, rdtype, text, origin=dns.name.root, relativize=False)
        wire = rdata.to_wire() or b""
    head = b"\xc0\x0c" + rdtype.to_bytes(2, "big") + b"\0\1" + TTL.to_bytes(4, "big")
    return head + len(wire).to_bytes(2, "big") + wire


def wire_name(name: str) -> bytes:
    return dns.name.from_text(name).to_wire() or b""


class Replies:
    """Reply bodies by question in lower-case wire form.

    `faults` are behaviors of whole zones: see the WORD of the command line.
    """

    def __init__(self, zone: Mapping[str, Mapping[str, list[str]]], faults: Mapping[str, str]) -> None:
        self._positive = {
            wire_name(name) + RdataType.make(rdtype).to_bytes(2, "big"): body(
                0, [record(rdtype, text) for text in texts]
            )
            for name, records in zone.items()
            for rdtype, texts in records.items()
        }
        self._names = {wire_name(owner) for name in zone for owner in _with_parents(name)}
        self._faults = {wire_name(suffix): _fault_body(word) for suffix, word in faults.items()}
        self._nxdomain, self._nodata = body(NXDOMAIN, []), body(0, [])

    def find(self, question: bytes) -> Body:
        """`question` is name, type and class in wire form."""
        name, rdtype = question[:-4].lower(), question[-4:-2]
        start = 0
        while self._faults and name[start]:
            if name[start:] in self._faults:
                return self._faults[name[start:]]
            start += 1 + name[start]
        positive = self._positive.get(name + rdtype)
        if positive:
            return positive
        return self._nodata if name in self._names else self._nxdomain


def _with_parents(name: str) -> Iterator[str]:
    labels = name.split(".")
    return (".".join(labels[start:]) for start in range(len(labels)))


def _fault_body(word: str) -> Body:
    if word == "silent":
        return None
    return body(RCODES[word], []) if word in RCODES else body(0, [record("A", word)])


def serve(replies: Replies, sock: socket.socket, delay_s: float, loss: float, seed: int) -> None:
    rng, delayed = random.Random(seed), deque[tuple[float, bytes, object]]()
    while True:
        if not delayed:
            select.select([sock], [], [])
        try:
            packet, sender = sock.recvfrom(4096)
        except BlockingIOError:
            packet = b""
        if packet and not (loss and rng.random() < loss):
            end = packet.index(b"\0", HEADER) + 5
            parts = replies.find(packet[HEADER:end])
            if parts:
                reply = packet[:2] + parts[0] + packet[HEADER:end] + parts[1]
                delayed.append((time.monotonic() + delay_s, reply, sender))
        now = time.monotonic()
        while delayed and delayed[0][0] <= now:
            _, reply, receiver = delayed.popleft()
            sock.sendto(reply, receiver)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.delayed_dns", description=__doc__)
    parser.add_argument("zone", type=Path)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", action="append", default=[], metavar="ZONE=WORD")
    parser.add_argument("--core", type=int)
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    faults = dict(word.split("=", 1) for word in options.every)
    replies = Replies(json.loads(options.zone.read_text()), faults)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    print(sock.getsockname()[1], flush=True)
    serve(replies, sock, options.delay_ms / 1000, options.loss, options.seed)


if __name__ == "__main__":
    main()
