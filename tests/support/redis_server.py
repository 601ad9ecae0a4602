"""A real server for tests, on a unix socket: start, kill and suspend it."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from bot.storage.embedded_valkey import server_binary


class RedisServer:
    def __init__(self, folder: Path, **options: str) -> None:
        self.url = f"unix://{folder / 's'}"
        paths = {"dir": str(folder), "unixsocket": str(folder / "s"), "port": "0", "bind": "127.0.0.1"}
        config = paths | {"save": "", "appendonly": "yes", "appendfsync": "always"} | options
        self._arguments = [argument for name, value in config.items() for argument in (f"--{name}", value)]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen([server_binary(), *self._arguments], stdout=subprocess.DEVNULL)
        for _ in range(500):
            try:
                with Redis.from_url(self.url, retry=None) as redis:
                    redis.ping()
                return
            except RedisError:
                time.sleep(0.01)
        self.kill()
        raise RuntimeError("the test server did not start")

    @contextmanager
    def hung(self) -> Iterator[None]:
        """The server accepts connections but does not answer."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
