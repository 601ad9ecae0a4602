"""Deadlines for HTTP connections, and eviction when the connection limit is reached.

uvicorn waits without limit for a request that stops arriving and for a response that is not
read. The request deadlines follow Apache's mod_reqtimeout: a timeout, then a minimum data rate.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import ip_address

import h11
import structlog
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

REQUEST_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
IPV6_PREFIX = 64  # one customer network

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Timeouts in seconds.

    `body` grows by a second for each `body_rate` bytes received; `chunk` is the longest pause
    between two chunks. In each `write` period a client reads at least `write_bytes`.
    """

    head: float = 10.0
    chunk: float = 10.0
    body: float = 20.0
    body_rate: int = 500
    write: float = 30.0
    write_bytes: int = 4096

    @property
    def shortest(self) -> float:
        return min(self.head, self.chunk, self.body, self.write)


class Waiting(IntEnum):
    """What the connection waits for from the client, in eviction order."""

    REQUEST_HEAD = 0
    REQUEST_BODY = 1
    RESPONSE_READ = 2
    NOTHING = 3


class TimedProtocol(H11Protocol):
    """uvicorn's protocol plus the times that deadlines and eviction need."""

    def __init__(self, table: ConnectionTable, config: Config, server_state: ServerState) -> None:
        super().__init__(config, server_state, {})
        self._table = table
        self.network = ""
        self.waiting_since = self.loop.time()
        self._head_expected, self._head_started = True, False
        self._last_chunk: float | None = None  # None outside of a request body
        self._body_bytes = 0
        self._unread: tuple[int, float] | None = None  # write buffer size, and since when

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.network = client_network(self.client[0]) if self.client else ""
        self._table.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._table.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.conn.their_state is h11.IDLE:
            if not self._head_expected:
                self.waiting_since = self.loop.time()
            self._head_expected = self._head_started = True
        if self._last_chunk is not None:
            self._last_chunk = self.loop.time()
            self._body_bytes += len(data)
        super().data_received(data)

    def handle_events(self) -> None:
        super().handle_events()
        if self.conn.their_state is not h11.IDLE:
            self._head_expected = self._head_started = False
        if self.conn.their_state is not h11.SEND_BODY:
            self._last_chunk = None
        elif self._last_chunk is None:
            self._restart_body_deadline()

    def _restart_body_deadline(self) -> None:
        self.waiting_since = self._last_chunk = self.loop.time()
        self._body_bytes = 0

    @property
    def waiting(self) -> Waiting:
        if self.transport.get_write_buffer_size():
            return Waiting.RESPONSE_READ
        if self.cycle is None or self.cycle.response_complete:
            return Waiting.REQUEST_HEAD
        return Waiting.NOTHING if self._last_chunk is None else Waiting.REQUEST_BODY

    def overdue(self, now: float, deadlines: Deadlines) -> str:
        """The missed deadline as a sentence for the log; empty if there is none."""
        if not self._is_read(now, deadlines):
            return "response not read in time"
        if self.transport.is_closing():
            return ""
        if self._head_expected and now - self.waiting_since > deadlines.head:
            return "request head not received in time"
        if self._last_chunk is None:
            return ""
        if self.flow.read_paused:  # the application is not reading; the client is not late
            self._restart_body_deadline()
        latest = self.waiting_since + deadlines.body + self._body_bytes / deadlines.body_rate
        late = now > min(latest, self._last_chunk + deadlines.chunk)
        return "request body not received in time" if late else ""

    def _is_read(self, now: float, deadlines: Deadlines) -> bool:
        """Whether the client takes the response at the minimum rate."""
        size = self.transport.get_write_buffer_size()
        if size == 0:
            self._unread = None
        elif self._unread is None or size <= self._unread[0] - deadlines.write_bytes:
            self._unread = (size, now)
        return self._unread is None or now - self._unread[1] <= deadlines.write

    def time_out(self) -> None:
        """Close; with 408 if a request is unanswered. The application gets http.disconnect."""
        if self.transport.get_write_buffer_size() or self.transport.is_closing():
            self.transport.abort()
            return
        unanswered = self.cycle is not None and not self.cycle.response_started
        if self._head_started or unanswered:
            self.transport.write(REQUEST_TIMEOUT)
        self.transport.close()


class ConnectionTable:
    """The open connections of a listener: up to `limit`, plus `reserve` for probes."""

    def __init__(self, limit: int, reserve: int, deadlines: Deadlines) -> None:
        self.limit, self.reserve, self.deadlines = limit, reserve, deadlines
        self._open: set[TimedProtocol] = set()
        self.pending = 0  # accepted, transport not yet created

    def __len__(self) -> int:
        return len(self._open) + self.pending

    def add(self, connection: TimedProtocol) -> None:
        self._open.add(connection)

    def discard(self, connection: TimedProtocol) -> None:
        self._open.discard(connection)

    def has_capacity(self) -> bool:
        """Whether a connection fits below `limit`, after eviction if necessary."""
        return len(self) < self.limit or self.evict() > 0

    def has_reserve(self) -> bool:
        return len(self) < self.limit + self.reserve

    def evict(self) -> int:
        """Close 1/16 of the limit among connections that wait for their client.

        First those without a request, of the network with most connections, oldest first.
        """
        waiting = [(connection.waiting, connection) for connection in self._open]
        waiting = [entry for entry in waiting if entry[0] is not Waiting.NOTHING]
        per_network = Counter(connection.network for _, connection in waiting)
        waiting.sort(key=lambda entry: (entry[0], -per_network[entry[1].network], entry[1].waiting_since))
        evicted = waiting[: max(1, self.limit // 16)]
        for _, connection in evicted:
            self.discard(connection)
            connection.transport.abort()
        if evicted:
            log.warning("connections evicted", count=len(evicted), limit=self.limit)
        return len(evicted)

    def close_overdue(self, now: float) -> None:
        for connection in list(self._open):
            if reason := connection.overdue(now, self.deadlines):
                log.info("connection closed", reason=reason, network=connection.network)
                connection.time_out()


def client_network(address: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return f"{int(parsed) >> (128 - IPV6_PREFIX):x}::/{IPV6_PREFIX}"
