"""DNS server of the demo: UDP on loopback, just enough protocol for one trusting resolver."""

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
from bot.demo.world import DemoZones, Switch
from bot.settings import HostPort

LOOPBACK = "127.0.0.1"
TTL_S = 1  # so that a switch is seen at once
RECEIVE_BUFFER = 1 << 20  # a check asks 130 questions at once
MAX_MESSAGE_BYTES = 1232  # bytes; no answer of the demo comes near
NEGATIVE = f"ns.example. hostmaster.example. 1 3600 600 86400 {TTL_S}"


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo zones while they are served at `server`."""

    server: HostPort
    zones: DemoZones

    @property
    def switches(self) -> Sequence[Switch]:
        return self.zones.switches

    def switch(self, name: str, on: bool) -> None:
        """Turn a switch on or off. Raises KeyError for an unknown switch."""
        self.zones.switch(name, on)


@asynccontextmanager
async def run_demo() -> AsyncIterator[Demo]:
    """Serve the demo zones on a free port of loopback until the block ends."""
    zones = DemoZones(load())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        sock.bind((LOOPBACK, 0))
        serving = asyncio.create_task(_serve(sock, zones))
        try:
            yield Demo(HostPort(*sock.getsockname()), zones)
        finally:
            serving.cancel()
            await asyncio.wait({serving})


async def _serve(sock: socket.socket, zones: DemoZones) -> None:
    loop = asyncio.get_running_loop()
    while True:
        with suppress(OSError):  # an ICMP error for a client that has closed its socket
            packet, client = await loop.sock_recvfrom(sock, MAX_MESSAGE_BYTES)
            if reply := reply_to(packet, zones):
                await loop.sock_sendto(sock, reply, client)


def reply_to(packet: bytes, zones: DemoZones) -> bytes | None:
    """The reply in wire form; None if the packet is not an answerable query."""
    try:
        query = dns.message.from_wire(packet)
    except dns.exception.DNSException:
        return None
    if query.flags & dns.flags.QR or len(query.question) != 1:
        return None
    question = query.question[0]
    reply = dns.message.make_response(query, recursion_available=True)
    records = zones.answer(question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype))
    if records:
        texts = [
            _quoted(text) if question.rdtype == dns.rdatatype.TXT else _absolute(text, question.rdtype)
            for text in records
        ]
        reply.answer.append(dns.rrset.from_text_list(question.name, TTL_S, dns.rdataclass.IN, question.rdtype, texts))
    else:
        reply.set_rcode(dns.rcode.NXDOMAIN if records is None else dns.rcode.NOERROR)
        reply.authority.append(dns.rrset.from_text(".", TTL_S, dns.rdataclass.IN, dns.rdatatype.SOA, NEGATIVE))
    return reply.to_wire(max_size=MAX_MESSAGE_BYTES)


def _quoted(text: str) -> str:
    return f'"{text}"'


def _absolute(text: str, rdtype: dns.rdatatype.RdataType) -> str:
    """Names in records end with a dot; addresses do not."""
    return text if rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA) else f"{text}."
