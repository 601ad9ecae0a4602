"""Programs side by side: each on a core of its own, with what it cost."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.world import write_zones

ROOT = Path(__file__).parent.parent
PEERS = ROOT / ".cache" / "bench-venv"
PEER_PACKAGES = ("pydnsbl==1.1.7", "aiodns", "dnspython")
CORES = sorted(os.sched_getaffinity(0))
CLIENT_CORE, SERVER_CORE = CORES[0], CORES[-1]
READY = "started"  # what rbldnsd says when it serves


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of a program: seconds of CPU (user and system) and of the clock, its largest size, what it printed."""

    cpu_s: float
    wall_s: float
    peak_kb: int
    out: str


def run(words: Sequence[str], environment: Mapping[str, str] | None = None) -> Ran:
    """Run a program to its end on the client's core."""
    with tempfile.TemporaryFile("w+") as out:
        started = time.perf_counter()
        process = subprocess.Popen(
            words,
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.DEVNULL,
            env=os.environ | dict(environment or {}),
        )
        os.sched_setaffinity(process.pid, {CLIENT_CORE})
        cpu_s, peak_kb = watch(process)
        wall = time.perf_counter() - started
        out.seek(0)
        return Ran(cpu_s, wall, peak_kb, out.read())


def watch(process: subprocess.Popen[Any]) -> tuple[float, int]:
    """Waits for its end: seconds of CPU, and its largest size in kB, looked at ten times a second.

    (The size that the kernel reports at the end is never less than that of the process that started it.)
    """
    peak = 0
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), peak)
        time.sleep(0.02 if not peak else 0.1)
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0  # whatever it was: mailcheck's says what it found
    return used.ru_utime + used.ru_stime, peak


def peers_python() -> str:
    """The interpreter of a venv with the peers from PyPI, made once."""
    python = PEERS / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", *PEER_PACKAGES], check=True, stderr=subprocess.DEVNULL
    )
    return str(python)


def found(program: str) -> str | None:
    """Where a program of the system is; those of a Debian package for daemons are not on every PATH."""
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")


@contextmanager
def list_server(addresses: int, lists: int = 50) -> Iterator[int]:
    """rbldnsd with that world on the server's core; yields its port."""
    daemon = found("rbldnsd")
    if daemon is None:
        raise SystemExit("The sweeps are measured against rbldnsd, which is not installed: apt-get install rbldnsd")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the daemon gives up its rights before it reads
        zones = write_zones(Path(folder), addresses, lists)
        port = free_port()
        words = [daemon, "-n", "-b", f"127.0.0.1/{port}", "-c", "0", "-w", folder, *zones]
        with process_on_server(words, READY):
            yield port


@contextmanager
def line_server(
    zone: Mapping[str, Mapping[str, list[str]]],
    every: Mapping[str, str] | None = None,
    delay_ms: float = 0.0,
    loss: float = 0.0,
) -> Iterator[int]:
    """`benchmarks.line` on the server's core; yields its port."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "zone.json"
        file.write_text(json.dumps(zone))
        words = [sys.executable, "-m", "benchmarks.line", str(file), "--delay-ms", str(delay_ms), "--loss", str(loss)]
        words += [word for suffix, says in (every or {}).items() for word in ("--every", f"{suffix}={says}")]
        with process_on_server(words, "") as line:
            yield int(line)


@contextmanager
def process_on_server(words: Sequence[str], ready: str) -> Iterator[str]:
    """A program on the server's core for as long as the block runs; yields the line with which it said to be `ready`."""
    process = subprocess.Popen(
        words,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    os.sched_setaffinity(process.pid, {SERVER_CORE})
    assert process.stdout
    try:
        said: list[str] = []
        for line in process.stdout:
            if ready in line:
                yield line.strip()
                return
            said.append(line)
        raise SystemExit(f"{words[0]} did not start: {''.join(said)}")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        port: int = door.getsockname()[1]
        return port
