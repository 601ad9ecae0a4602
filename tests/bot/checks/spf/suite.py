"""RFC 7208 test suite from the pyspf source archive.

Fetched once with pip, verified against the lock file, cached in .cache.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
import venv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[4]
CACHE = ROOT / ".cache" / "spf"
LOCK = ROOT / "requirements-dev.lock"
ARCHIVE = "pyspf-2.0.14.tar.gz"
SUITE = "pyspf-2.0.14/test/rfc7208-tests.yml"
PIN = re.compile(r"^(pyspf==2\.0\.14) \\\n +--hash=sha256:([0-9a-f]{64})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Case:
    """One check_host call, the allowed results, and the expected explanation (None: any)."""

    name: str
    zone: Mapping[str, Mapping[str, Any]]
    ip: str
    sender: str
    helo: str
    results: tuple[str, ...]
    explanation: str | None


def cases() -> list[Case]:
    with tarfile.open(archive()) as unpacked:
        member = unpacked.extractfile(SUITE)
        assert member is not None, f"{ARCHIVE} holds no {SUITE}."
        return [case for scenario in yaml.safe_load_all(member) for case in _scenario(scenario)]


def archive() -> Path:
    """Return the source archive with the digest of requirements-dev.lock.

    Fails with one sentence if it cannot be downloaded.
    """
    pin = PIN.search(LOCK.read_text())
    assert pin is not None, f"{LOCK.name} pins no pyspf 2.0.14 with a hash."
    path = CACHE / ARCHIVE
    if not path.exists():
        _download(pin[0])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest == pin[2], f"{path} is not the archive that {LOCK.name} names; delete it to fetch it again."
    return path


def _download(requirement: str) -> None:
    """Download the archive once; pip also builds its metadata, which takes some seconds."""
    CACHE.mkdir(parents=True, exist_ok=True)
    requirement_file = CACHE / "requirement.txt"
    requirement_file.write_text(requirement + "\n")
    command = [_python_with_pip(), "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=pyspf"]
    command += ["--require-hashes", "--dest", str(CACHE), "--requirement", str(requirement_file)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    reason = next((line for line in result.stderr.splitlines() if line.startswith("ERROR: ")), "no reason given")
    assert result.returncode == 0, f"pip could not fetch {ARCHIVE}, which holds the RFC 7208 suite: {reason}"


def _python_with_pip() -> str:
    """Return this Python, or one with pip in the cache (uv environments have no pip)."""
    if find_spec("pip"):
        return sys.executable
    home = CACHE / "pip"
    venv.create(home, with_pip=True)
    return str(home / "bin" / "python")


def _scenario(scenario: dict[str, Any]) -> Iterator[Case]:
    zone = {name: _records_by_rdtype(records) for name, records in scenario["zonedata"].items()}
    for name, test in scenario["tests"].items():
        results = test["result"] if isinstance(test["result"], list) else [test["result"]]
        yield Case(name, zone, test["host"], test["mailfrom"], test["helo"], tuple(results), test.get("explanation"))


def _records_by_rdtype(records: list[Any]) -> dict[str, Any]:
    """Convert a zone entry of the suite to the format of tests.support.dns_world.

    A bare TIMEOUT is a timeout of every type without records. SPF records stand for TXT records
    unless the entry has TXT itself, even as NONE.
    """
    pairs = [next(iter(record.items())) for record in records if record != "TIMEOUT"]
    rdtypes: dict[str, Any] = {"*": "timeout"} if "TIMEOUT" in records else {}
    for rdtype, value in pairs:
        if value == "TIMEOUT":
            rdtypes[rdtype] = "timeout"
        elif value != "NONE":
            rdtypes.setdefault(rdtype, []).append(_record_text(rdtype, value))
    if "TXT" not in dict(pairs) and "SPF" in rdtypes:
        rdtypes["TXT"] = rdtypes["SPF"]
    return rdtypes


def _record_text(rdtype: str, value: Any) -> str:
    if rdtype == "MX":
        return f"{value[0]} {value[1] or '.'}"
    if rdtype in ("TXT", "SPF"):
        return "".join(value)
    return str(value).removesuffix(".")
