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

import httpx
import pytest
import typer

from bot.__main__ import app
from tests.support.dns_server import serve
from tests.support.mail_world import GOOD, LISTED, mail_world
from tests.support.unused_port import unused_port
from tests.support.web_page import csrf_token, submit_command, until_shown
from tests.test_command_line import HEADER, REPLIES
from tests.test_serve import get

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
    except ImportError as error:
        assert str(error) == "foreign", error
for words in json.load(sys.stdin):
    sys.argv = ["mailcheck", *words]
    try:
        runpy.run_module("mailcheck", run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code or 0
    print(f"\\0{status}\\0", end="", flush=True)
"""

# Commands that end, with their exit status and a part of their output.
RUNS = {
    "bounce replies --json": (1, '"list": "spamhaus-zen"'),
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
class Install:
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
            *command, env=environment | more, cwd=cwd or self.foreign, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )

    async def result_of(self, process: Process, typed: str = "") -> tuple[int | None, str, str]:
        async with asyncio.timeout(60):
            out, errors = await process.communicate(typed.encode())
        return process.returncode, out.decode(), errors.decode()


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Built by the locked backend; its environment sees the locked packages, not the checkout."""
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
    installer = (*PIP, python, "install") if find_spec("pip") else (*UV, python)
    words = (*installer, "--quiet", "--no-index", "--no-deps", str(wheel))
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    (foreign / "replies").write_text(REPLIES)
    (foreign / "message").write_text(HEADER)
    return Install(wheel, site, programs, foreign)


def test_wheel_contains_one_package_only(install: Install) -> None:
    paths = [path for name in NAMES for path in (ROOT / name).rglob("*") if path.is_file()]
    expected = {str(path.relative_to(ROOT)) for path in paths if path.suffix != ".pyc"}
    contents = {name for name in ZipFile(install.wheel).namelist() if ".dist-info/" not in name}
    extra = {"mailcheck/__init__.py", "mailcheck/__main__.py"}
    assert contents == extra | {f"mailcheck/_app/{name}" for name in expected}
    kinds = ".py .toml .lua .html .css .js .svg"
    assert {Path(name).suffix for name in contents} == set(kinds.split())


def test_install_leaves_foreign_packages_unchanged(install: Install) -> None:
    for name in NAMES:
        (module,) = (install.site / name).iterdir()
        assert module.read_text() == FOREIGN


def every(command: Any, *words: str) -> Iterator[str]:
    """The command and each below it, as it is typed."""
    yield " ".join(words)
    for name, below in getattr(command, "commands", {}).items():
        yield from every(below, *words, name)


async def test_every_command_runs_beside_foreign_packages(install: Install) -> None:
    helps = [f"{words} --help" for words in every(typer.main.get_command(app))]
    assert {words.split()[0] for words in helps} > {words.split()[0] for words in RUNS}
    teams = {"CLIENT_ID": TEAMS_ID, "TENANT_ID": TEAMS_ID, "CLIENT_SECRET": "dummy"}
    more = {f"TEAMS_{name}": value for name, value in teams.items()}
    async with serve(mail_world()) as server:
        more["MAILCHECK_NAMESERVERS"] = server.address
        many = await install.start(install.programs / "python", "-c", MANY, **more)
        commands = [words.split() for words in (*helps, *RUNS)]
        status, out, errors = await install.result_of(many, json.dumps(commands))
    assert (status, errors) == (0, "")
    outputs = out.split("\0")
    expected = dict.fromkeys(helps, (0, "Usage: ")) | RUNS
    for words, (status, part) in expected.items():
        text, exit_status = outputs.pop(0), int(outputs.pop(0))
        assert (words, exit_status) == (words, status), text
        assert part in text, words
    assert outputs == [""]
    assert (install.foreign / "teams.zip").read_bytes()[:2] == b"PK"


async def test_every_entry_point_finds_its_own_packages(install: Install) -> None:
    python, in_checkout = install.programs / "python", Path(sys.executable)
    words = ("headers", str(install.foreign / "message"), "--json")
    started = [
        await install.start(install.programs / "mailcheck", *words, PYTHONPATH=""),
        await install.start(python, "-m", "mailcheck", *words),
        await install.start(python, "-m", "mailcheck", *words, PYTHONSAFEPATH="1"),
        await install.start(in_checkout.with_name("mailcheck"), *words),
        await install.start(in_checkout, "-m", "mailcheck", *words),
        await install.start(in_checkout, "-m", "bot", *words, cwd=ROOT),
    ]
    for status, out, errors in await asyncio.gather(*map(install.result_of, started)):
        assert (status, errors) == (0, "")
        assert json.loads(out)["egress"]["ip"] == GOOD


@pytest.mark.parametrize("command", ["serve", "demo"])
async def test_serve_and_demo_start_beside_foreign_packages(install: Install, command: str) -> None:
    http = f"127.0.0.1:{unused_port()}"
    async with serve(mail_world()) as server:
        more = {"MAILCHECK_NAMESERVERS": server.address, "MAILCHECK_HTTP": http}
        process = await install.start(install.programs / "mailcheck", command, **more)
        try:
            assert (await get(f"http://{http}/healthz")).json()["ok"] is True
            assert (await get(f"http://{http}/readyz")).json()["store"] is True
            assert "<form" in (await get(f"http://{http}/c/mail")).text
            assert (await get(f"http://{http}/static/chat.css")).status_code == 200
            async with httpx.AsyncClient(base_url=f"http://{http}", timeout=10) as browser:
                await submit_command(browser, await csrf_token(browser), f"headers {HEADER}")
                await until_shown(browser, f"left its organization from {GOOD}")
            process.send_signal(signal.SIGTERM)
            status, _, errors = await install.result_of(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert status == 0
    assert "Traceback" not in errors
