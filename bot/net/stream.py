"""One question over TCP, for answers that do not fit into a datagram (RFC 7766)."""

from __future__ import annotations

import asyncio
import os

from bot.net.servers import Server
from bot.net.wire import HEADER, QR, Question, failure, fold, packet


async def ask_by_stream(server: Server, question: Question, *, edns: bool) -> bytes:
    """Send one question and read its reply; raises OSError or EOFError when the server refuses, hangs up or babbles."""
    message = packet(os.urandom(2), question.wire, edns=edns)
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(len(message).to_bytes(2, "big") + message)
        length = int.from_bytes(await reader.readexactly(2), "big")
        reply = await reader.readexactly(length)
    finally:
        writer.transport.abort()
    if len(reply) < HEADER or reply[:2] != message[:2] or not reply[2] & QR or not _answers(question, reply):
        raise ConnectionError(f"{server} sent something else than the answer to {question.name}")
    return reply


def _answers(question: Question, reply: bytes) -> bool:
    echoed = reply[HEADER : HEADER + len(question.wire)]
    return failure(reply) is not None or fold(echoed) == fold(question.wire)
