"""uvicorn with its own listeners: connections stay below the file limit, with a reserve for probes.

asyncio's accept loop logs up to 2,048 tracebacks a second when the process is out of files.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Callable, Sequence

import structlog
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from handlers.http_connections import ConnectionTable, Deadlines, TimedProtocol

MAX_CONNECTIONS = 1000
RESERVED_FILES = 256  # for the store, DNS and outgoing requests
PROBE_RESERVE = 16
MAX_PROBE_CONNECTIONS = 32  # on a listener for probes only
PROBE_PATHS = ("/healthz", "/readyz", "/metrics")
BACKLOG = 2048
ACCEPT_BATCH = 64
ACCEPT_RETRY_S = 0.2
SWEEP_INTERVAL_S = 1.0
SEND_BUFFER = 64 * 1024  # bytes; autotuning would give each slow reader megabytes

log = structlog.get_logger()


def connection_limit(max_files: int) -> int:
    """The connection limit of a process with `max_files` files; at least half stay reserved."""
    return min(MAX_CONNECTIONS, max_files - min(RESERVED_FILES, max_files // 2))


def max_open_files() -> int:
    """The soft RLIMIT_NOFILE."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2 * MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else soft


class Listener:
    """A listening socket with the interface that uvicorn expects of an asyncio server.

    If `accept` fails, connections are evicted and accepting pauses for ACCEPT_RETRY_S.
    """

    def __init__(
        self, listening_socket: socket.socket, table: ConnectionTable, create_protocol: Callable[[], TimedProtocol]
    ) -> None:
        self._socket, self._table = listening_socket, table
        self._create_protocol = create_protocol
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        listening_socket.setblocking(False)
        # Accepted sockets inherit the buffer size.
        listening_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        listening_socket.listen(BACKLOG)
        self._resume()

    def _resume(self) -> None:
        self._retry = None
        self._loop.add_reader(self._socket.fileno(), self._accept_batch)

    def _accept_batch(self) -> None:
        for _ in range(ACCEPT_BATCH):
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(error)
                return
            self._admit(connection)

    def _pause(self, error: OSError) -> None:
        log.warning("accept failed", error=error.strerror, connections=len(self._table))
        self._table.evict()
        self._loop.remove_reader(self._socket.fileno())
        self._retry = self._loop.call_later(ACCEPT_RETRY_S, self._resume)

    def _admit(self, connection: socket.socket) -> None:
        has_capacity = self._table.has_capacity()
        if not has_capacity and not self._table.has_reserve():
            log.warning("connection refused", limit=self._table.limit)
            connection.close()
            return
        self._table.pending += 1
        task = self._loop.create_task(self._serve(connection, probes_only=not has_capacity))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket, probes_only: bool) -> None:
        def create_protocol() -> TimedProtocol:
            protocol = self._create_protocol()
            if probes_only:
                protocol.app = _probes_only(protocol.app)
            return protocol

        try:
            connection.setblocking(False)
            await self._loop.connect_accepted_socket(create_protocol, connection)
        except OSError as error:
            log.info("connection lost", error=error.strerror)
            connection.close()
        finally:
            self._table.pending -= 1

    def close(self) -> None:
        if self._retry:
            self._retry.cancel()
        elif self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _probes_only(app: ASGIApp) -> ASGIApp:
    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PROBE_PATHS:
            await app(scope, receive, send)
        else:
            busy = PlainTextResponse("Too many connections.\n", 503, {"connection": "close"})
            await busy(scope, receive, send)

    return respond


class Server(uvicorn.Server):
    """A uvicorn server for `app`, and for each (socket, app) of `extra_listeners`."""

    def __init__(
        self,
        app: ASGIApp,
        extra_listeners: Sequence[tuple[socket.socket, ASGIApp]] = (),
        deadlines: Deadlines | None = None,
        limit: int | None = None,
    ) -> None:
        super().__init__(_config(app))
        self._extra_listeners = extra_listeners
        self._deadlines = deadlines or Deadlines()
        limit = connection_limit(max_open_files()) if limit is None else limit
        self.table = ConnectionTable(limit, PROBE_RESERVE, self._deadlines)
        self._sweeper: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        probe_table = ConnectionTable(MAX_PROBE_CONNECTIONS, 0, self._deadlines)
        listeners = [self._listener(sock, self.config, self.table) for sock in sockets or ()]
        for sock, app in self._extra_listeners:
            listeners.append(self._listener(sock, _config(app), probe_table))
        self.servers = listeners  # type: ignore[assignment]
        self._sweeper = asyncio.create_task(self._sweep(self.table, probe_table))
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Deadlines stay active while connections are drained."""
        await super().shutdown(sockets)
        if self._sweeper:
            self._sweeper.cancel()

    def _listener(self, listening_socket: socket.socket, config: uvicorn.Config, table: ConnectionTable) -> Listener:
        if not config.loaded:
            config.load()
        return Listener(listening_socket, table, lambda: TimedProtocol(table, config, self.server_state))

    async def _sweep(self, *tables: ConnectionTable) -> None:
        while True:
            await asyncio.sleep(min(SWEEP_INTERVAL_S, self._deadlines.shortest / 4))
            for table in tables:
                try:
                    table.close_overdue(asyncio.get_running_loop().time())
                except Exception:
                    log.exception("connection deadlines not checked")


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(app, http=TimedProtocol, log_config=None, lifespan="off", access_log=False)
