"""The DNS server of the demo: UDP on loopback, enough of the protocol for one resolver that trusts it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from bot.checks.dnsbl import load
from bot.demo.world import Switch, Zones
from bot.settings import HostPort

LOOPBACK = "127.0.0.1"
TTL_S = 1  # so that a switch is seen at once
RECEIVE_BUFFER = 1 << 20  # a check asks 130 questions at once
LARGEST = 1232  # octets that fit into any datagram; no answer of this world comes near
NEGATIVE = f"ns.example. nobody.example. 1 3600 600 86400 {TTL_S}"


@dataclass(frozen=True, slots=True)
class DemoWorld:
    """The world while it is served at `server`, the one name server that mailcheck may ask then."""

    server: HostPort
    zones: Zones

    @property
    def switches(self) -> Sequence[Switch]:
        return self.zones.switches

    def switch(self, name: str, on: bool) -> None:
        """Makes something true or untrue from now on. Raises KeyError for a switch that is not there."""
        self.zones.switch(name, on)


@asynccontextmanager
async def demo_world() -> AsyncIterator[DemoWorld]:
    """Serves the world on a free port of loopback for as long as the block runs."""
    zones = Zones(load())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.setblocking(False)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        door.bind((LOOPBACK, 0))
        serving = asyncio.create_task(_serve(door, zones))
        try:
            yield DemoWorld(HostPort(*door.getsockname()), zones)
        finally:
            serving.cancel()
            await asyncio.wait({serving})


async def _serve(door: socket.socket, zones: Zones) -> None:
    loop = asyncio.get_running_loop()
    while True:
        with suppress(OSError):  # an ICMP error about a caller that has gone
            packet, caller = await loop.sock_recvfrom(door, LARGEST)
            if reply := reply_to(packet, zones):
                await loop.sock_sendto(door, reply, caller)


def reply_to(packet: bytes, zones: Zones) -> bytes | None:
    """The answer in wire form; None where the packet is no question that can be answered."""
    try:
        question = dns.message.from_wire(packet)
    except dns.exception.DNSException:
        return None
    if question.flags & dns.flags.QR or len(question.question) != 1:
        return None
    asked = question.question[0]
    reply = dns.message.make_response(question, recursion_available=True)
    records = zones.answer(asked.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(asked.rdtype))
    if records:
        texts = [
            _quoted(text) if asked.rdtype == dns.rdatatype.TXT else _absolute(text, asked.rdtype) for text in records
        ]
        reply.answer.append(dns.rrset.from_text_list(asked.name, TTL_S, dns.rdataclass.IN, asked.rdtype, texts))
    else:
        reply.set_rcode(dns.rcode.NXDOMAIN if records is None else dns.rcode.NOERROR)
        reply.authority.append(dns.rrset.from_text(".", TTL_S, dns.rdataclass.IN, dns.rdatatype.SOA, NEGATIVE))
    return reply.to_wire(max_size=LARGEST)


def _quoted(text: str) -> str:
    return f'"{text}"'


def _absolute(text: str, kind: dns.rdatatype.RdataType) -> str:
    """Names in records end with a dot; addresses do not."""
    return text if kind in (dns.rdatatype.A, dns.rdatatype.AAAA) else f"{text}."
