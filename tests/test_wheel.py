"""The wheel beside other packages named `bot` and `handlers`: none is overwritten or imported."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import sysconfig
import venv
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import typer

from bot.__main__ import app
from tests.dns_server import serve
from tests.mail_world import GOOD, LISTED, mail_world
from tests.test_front_door import HEADER, REPLIES
from tests.test_serve import answers, free_port

ROOT = Path(__file__).parent.parent
NAMES = ("bot", "handlers")
FOREIGN = 'raise ImportError("foreign")\n'
BUILD = (sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory")
PIP = (sys.executable, "-m", "pip", "--python")
UV = ("uv", "pip", "install", "--python")  # sets up environments without pip
TEAMS_ID = "11111111-2222-4333-8444-555555555555"

# Many commands in one process, each as `python -m mailcheck` runs it; after each its exit status.
MANY = """
import json, runpy, sys
for name in ("bot", "handlers"):
    try:
        __import__(name)
        sys.exit(f"no foreign {name} is on the path")
    except ImportError as why:
        assert str(why) == "foreign", why
for words in json.load(sys.stdin):
    sys.argv = ["mailcheck", *words]
    try:
        runpy.run_module("mailcheck", run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code or 0
    print(f"\\0{status}\\0", end="", flush=True)
"""

# What a command that ends is asked, with its exit status and a part of its answer.
RUNS = {
    "bounce replies --json": (0, '"list": "spamhaus-zen"'),
    "headers message --json": (0, GOOD),
    f"spf --ip {LISTED} --sender a@example.com --helo x.example --json": (1, '"result": "fail"'),
    "spf example.com": (0, "three.example.net"),
    "dmarc example.com": (0, "reject"),
    f"check {LISTED} example.com": (1, "Spamhaus ZEN"),
    "lists --json": (0, '"health": "good"'),
    "doctor --json": (0, "doctor.spamhaus-answers"),
    "export --format csv": (0, "room,id,target"),
    "teams package --out teams.zip": (0, ""),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the wheel is installed; foreign packages are beside it and in the folder `foreign`."""

    wheel: Path
    site: Path
    programs: Path
    foreign: Path

    async def start(self, *command: str | Path, cwd: Path | None = None, **more: str) -> Process:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.foreign),
            "PYTHONPATH": str(self.foreign),
            "MAILCHECK_STATE_DIR": str(self.foreign / "state"),
            "MAILCHECK_SPECIAL_ADDRESSES": "allow",
        }
        return await asyncio.create_subprocess_exec(
            *command,
            env=environment | more,
            cwd=cwd or self.foreign,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
        )

    async def ended(self, process: Process, typed: str = "") -> tuple[int | None, str, str]:
        async with asyncio.timeout(60):
            out, errors = await process.communicate(typed.encode())
        return process.returncode, out.decode(), errors.decode()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The locked backend builds it; its environment sees the locked packages, not the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run((*BUILD, str(folder)), cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    (site,) = (folder / "venv/lib").glob("python*/site-packages")
    (site / "locked.pth").write_text(sysconfig.get_path("purelib"))
    foreign = folder / "foreign"
    for where in (site, foreign):
        for name in NAMES:
            (where / name).mkdir(parents=True)
            (where / name / "__init__.py").write_text(FOREIGN)
    programs = folder / "venv/bin"
    python = str(programs / "python")
    install = (*PIP, python, "install") if find_spec("pip") else (*UV, python)
    words = (*install, "--quiet", "--no-index", "--no-deps", str(wheel))
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    (foreign / "replies").write_text(REPLIES)
    (foreign / "message").write_text(HEADER)
    return Place(wheel, site, programs, foreign)


def test_the_wheel_has_the_app_inside_one_package_and_nothing_else(place: Place) -> None:
    kept = [path for name in NAMES for path in (ROOT / name).rglob("*") if path.is_file()]
    ours = {str(path.relative_to(ROOT)) for path in kept if path.suffix != ".pyc"}
    packed = {name for name in ZipFile(place.wheel).namelist() if ".dist-info/" not in name}
    around = {"mailcheck/__init__.py", "mailcheck/__main__.py"}
    assert packed == around | {f"mailcheck/_app/{name}" for name in ours}
    kinds = ".py .toml .lua .html .css .js .svg"
    assert {Path(name).suffix for name in packed} == set(kinds.split())


def test_an_install_leaves_other_packages_of_these_names_as_they_are(place: Place) -> None:
    for name in NAMES:
        (module,) = (place.site / name).iterdir()
        assert module.read_text() == FOREIGN


def every(command: Any, *words: str) -> Iterator[str]:
    """The command and each below it, as it is typed."""
    yield " ".join(words)
    for name, below in getattr(command, "commands", {}).items():
        yield from every(below, *words, name)


async def test_every_command_runs_beside_foreign_packages(place: Place) -> None:
    helps = [f"{words} --help" for words in every(typer.main.get_command(app))]
    assert {words.split()[0] for words in helps} > {words.split()[0] for words in RUNS}
    teams = {"CLIENT_ID": TEAMS_ID, "TENANT_ID": TEAMS_ID, "CLIENT_SECRET": "dummy"}
    more = {f"TEAMS_{name}": value for name, value in teams.items()}
    async with serve(mail_world()) as server:
        more["MAILCHECK_NAMESERVERS"] = server.address
        many = await place.start(place.programs / "python", "-c", MANY, **more)
        asked = [words.split() for words in (*helps, *RUNS)]
        status, out, errors = await place.ended(many, json.dumps(asked))
    assert (status, errors) == (0, "")
    told = out.split("\0")
    expected = dict.fromkeys(helps, (0, "Usage: ")) | RUNS
    for words, (status, part) in expected.items():
        text, ended = told.pop(0), int(told.pop(0))
        assert (words, ended) == (words, status), text
        assert part in text, words
    assert told == [""]
    assert (place.foreign / "teams.zip").read_bytes()[:2] == b"PK"


async def test_every_way_to_start_it_finds_its_own_packages(place: Place) -> None:
    python, in_checkout = place.programs / "python", Path(sys.executable)
    words = ("headers", str(place.foreign / "message"), "--json")
    started = [
        await place.start(place.programs / "mailcheck", *words, PYTHONPATH=""),
        await place.start(python, "-m", "mailcheck", *words),
        await place.start(python, "-m", "mailcheck", *words, PYTHONSAFEPATH="1"),
        await place.start(in_checkout.with_name("mailcheck"), *words),
        await place.start(in_checkout, "-m", "mailcheck", *words),
        await place.start(in_checkout, "-m", "bot", *words, cwd=ROOT),
    ]
    for status, out, errors in await asyncio.gather(*map(place.ended, started)):
        assert (status, errors) == (0, "")
        assert json.loads(out)["egress"]["ip"] == GOOD


@pytest.mark.parametrize("command", ["serve", "demo"])
async def test_page_and_store_come_up_beside_foreign_packages(place: Place, command: str) -> None:
    http = f"127.0.0.1:{free_port()}"
    async with serve(mail_world()) as server:
        more = {"MAILCHECK_NAMESERVERS": server.address, "MAILCHECK_HTTP": http}
        process = await place.start(place.programs / "mailcheck", command, **more)
        try:
            assert (await answers(f"http://{http}/healthz")).json()["ok"] is True
            assert (await answers(f"http://{http}/readyz")).json()["store"] is True
            assert "<form" in (await answers(f"http://{http}/c/mail")).text
            assert (await answers(f"http://{http}/static/chat.css")).status_code == 200
            process.send_signal(signal.SIGTERM)
            status, _, errors = await place.ended(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert status == 0
    assert "Traceback" not in errors
