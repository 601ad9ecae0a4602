"""Runs programs and servers on separate cores and measures CPU, time and memory."""

from __future__ import annotations

import json
import os
import shutil
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
from tests.support.unused_port import unused_port

ROOT = Path(__file__).parent.parent
PEERS = ROOT / ".cache" / "bench-venv"
PEER_PACKAGES = ("pydnsbl==1.1.7", "aiodns", "dnspython")
CORES = sorted(os.sched_getaffinity(0))
CLIENT_CORE, SERVER_CORE = CORES[0], CORES[-1]
READY = "started"  # in the line that rbldnsd prints when it serves


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run of a program: CPU (user and system) and elapsed seconds, peak RSS, its output."""

    cpu_s: float
    wall_s: float
    peak_kb: int
    out: str


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> RunResult:
    """Run a program to its end on the client core."""
    with tempfile.TemporaryFile("w+") as out:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=subprocess.DEVNULL, env=os.environ | dict(environment or {})
        )
        os.sched_setaffinity(process.pid, {CLIENT_CORE})
        cpu_s, peak_kb = measure(process)
        wall = time.perf_counter() - started
        out.seek(0)
        return RunResult(cpu_s, wall, peak_kb, out.read())


def measure(process: subprocess.Popen[Any]) -> tuple[float, int]:
    """Wait for the end of a process: CPU seconds and peak RSS in kB, sampled 10 times a second.

    The peak that the kernel reports at exit is never below that of the parent process.
    """
    peak = 0
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), peak)
        time.sleep(0.02 if not peak else 0.1)
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0  # the exit status of mailcheck depends on its findings
    return used.ru_utime + used.ru_stime, peak


def peers_python() -> str:
    """Python of a venv with the compared packages from PyPI, created once."""
    python = PEERS / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", *PEER_PACKAGES], check=True, stderr=subprocess.DEVNULL
    )
    return str(python)


def find_program(program: str) -> str | None:
    """Path of an installed program; daemons are in directories that are not on every PATH."""
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")


@contextmanager
def list_server(addresses: int, lists: int = 50) -> Iterator[int]:
    """rbldnsd with the benchmark lists on the server core; yields its port."""
    daemon = find_program("rbldnsd")
    if daemon is None:
        raise SystemExit("The sweeps are measured against rbldnsd, which is not installed: apt-get install rbldnsd")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the daemon drops its privileges before it reads
        zones = write_zones(Path(folder), addresses, lists)
        port = unused_port()
        command = [daemon, "-n", "-b", f"127.0.0.1/{port}", "-c", "0", "-w", folder, *zones]
        with process_on_server(command, READY):
            yield port


@contextmanager
def delayed_dns_server(
    zone: Mapping[str, Mapping[str, list[str]]],
    faults: Mapping[str, str] | None = None,
    delay_ms: float = 0.0,
    loss: float = 0.0,
) -> Iterator[int]:
    """`benchmarks.delayed_dns` on the server core; yields its port."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "zone.json"
        file.write_text(json.dumps(zone))
        command = [sys.executable, "-m", "benchmarks.delayed_dns", str(file)]
        command += ["--delay-ms", str(delay_ms), "--loss", str(loss)]
        for suffix, fault in (faults or {}).items():
            command += ["--every", f"{suffix}={fault}"]
        with process_on_server(command, "") as line:
            yield int(line)


@contextmanager
def process_on_server(command: Sequence[str], ready: str) -> Iterator[str]:
    """Run a program on the server core during the block; yields its line that has `ready`."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    os.sched_setaffinity(process.pid, {SERVER_CORE})
    assert process.stdout
    try:
        output: list[str] = []
        for line in process.stdout:
            if ready in line:
                yield line.strip()
                return
            output.append(line)
        raise SystemExit(f"{command[0]} did not start: {''.join(output)}")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
