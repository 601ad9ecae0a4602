"""Every command that the documentation shows is run: in chats, in a terminal, and by make."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from bot.__main__ import app
from tests.support.dns_server import serve
from tests.support.documented_lines import PAGES, ROOT, DocumentedLine, Place, blocks, documented_lines, read_line
from tests.support.mail_world import GOOD, mail_world
from tests.support.unused_port import unused_port

TEAMS = {
    "TEAMS_CLIENT_ID": "11111111-2222-4333-8444-555555555555",
    "TEAMS_CLIENT_SECRET": "a secret for tests",
    "TEAMS_TENANT_ID": "99999999-0000-4000-8000-000000000001",
}
LOG = (
    "Nov 24 06:00:00 mx postfix/smtp[7]: 4B2C: to=<a@example.net>, relay=mx.example.net[198.51.100.7]:25, delay=1,"
    " dsn=5.7.1, status=bounced (host mx.example.net[198.51.100.7] said: 550 5.7.1 Service unavailable; client"
    f" [{GOOD}] blocked using zen.spamhaus.org)\n"
)
MESSAGE = (
    f"Received: from mail.example.com (mail.example.com [{GOOD}]) by mx.example.net"
    " with ESMTPS; Tue, 24 Nov 2026 06:00:02 +0000\nFrom: Ada <ada@example.com>\n\n"
)
# The files that documented lines name, in the working directory; the others are there under another name.
FILES = {"egress.txt": f"{GOOD}\n", "all.txt": f"{GOOD} example.com\n", "message.eml": MESSAGE, "mail.log": LOG}
OTHER_FILES = {
    ("bounce", "FILE"): "mail.log",
    ("bounce", "/var/log/mail.log"): "mail.log",
    ("lists", "FILE"): str(ROOT / "docs/own-lists.toml"),
}
# `bounce` finds a refusal, and `doctor` a mail server that this DNS world does not have.
EXPECTED_STATUS = {"bounce": {1}, "doctor": {0, 3}}
PRINTS_NOTHING = ("export", "teams")  # here: there are no watches, and the package goes into a file
ENDLESS = ("serve", "demo")


def lines_of(place: Place) -> list[DocumentedLine]:
    return [line for page in PAGES for line in documented_lines(page) if line.place is place]


# Each different command once, whatever page it is on.
TERMINAL_LINES = {" ".join(line.words): line for line in lines_of(Place.TERMINAL)}


def test_block_without_a_marker_holds_only_commands() -> None:
    others = [
        f"{page}:{number}: {line}"
        for page in PAGES
        for block in blocks(page)
        if not block.marker
        for number, line in enumerate(block.text.splitlines(), block.line)
        if not read_line(line)
    ]
    assert others == []


def test_block_with_a_marker_can_be_parsed() -> None:
    parsers: dict[str, Callable[[str], object]] = {"toml": tomllib.loads, "sh": parse_shell, "text": str.splitlines}
    marked = [block for page in PAGES for block in blocks(page) if block.marker]
    assert {block.marker for block in marked} == set(parsers)
    for block in marked:
        parsers[block.marker](block.text)


def parse_shell(text: str) -> None:
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("/mailcheck watches", [(Place.SLACK, "watches")]),
        ("@mailcheck 203.0.113.5", [(Place.TEAMS, "203.0.113.5")]),
        (".venv/bin/mailcheck lists   # which answer", [(Place.TERMINAL, "lists")]),
        ("make setup && .venv/bin/mailcheck demo", [(Place.MAKE, "setup"), (Place.TERMINAL, "demo")]),
        ("SLACK_BOT_TOKEN=… make run", [(Place.MAKE, "run")]),
        ("settings digest weekly", [(Place.SLACK, "settings digest weekly")]),
        ("history", []),
        ("mailcheck_rooms_waiting", []),
        ("bot/settings.py", []),
    ],
)
def test_documented_line_is_read_by_its_first_word(line: str, commands: list[tuple[Place, str]]) -> None:
    assert read_line(line) == commands


def test_documented_make_lines_name_targets() -> None:
    targets = {word for line in lines_of(Place.MAKE) for word in line.words}
    assert targets >= {"run", "test", "check", "e2e"}
    dry_run = subprocess.run(["make", "-n", *sorted(targets)], check=False, cwd=ROOT, capture_output=True, text=True)
    assert (dry_run.returncode, dry_run.stderr) == (0, "")


@contextmanager
def dns_server() -> Iterator[str]:
    """The address of a DNS server in a thread: each command has an event loop of its own."""
    loop, stop, ready, addresses = asyncio.new_event_loop(), asyncio.Event(), threading.Event(), list[str]()

    async def run() -> None:
        async with serve(mail_world()) as server:
            addresses.append(server.address)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield addresses[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture
def terminal(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A working directory with the files that the documentation names, a store, and a DNS world."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    with dns_server() as address:
        for name, value in {
            "REDIS_URL": redis_url,
            "MAILCHECK_STATE_DIR": str(tmp_path / "state"),
            "MAILCHECK_NAMESERVERS": address,
            "MAILCHECK_SPECIAL_ADDRESSES": "allow",
            "MAILCHECK_PROBE_SMTP": "off",
        }.items():
            monkeypatch.setenv(name, value)
        yield


def run_command(line: DocumentedLine) -> int:
    """Run a command in this process; returns its exit status."""
    verb, *arguments = line.words
    files = [OTHER_FILES.get((verb, argument), argument) for argument in arguments]
    return app([verb, *files], standalone_mode=False) or 0


def test_documented_terminal_lines_run(
    terminal: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in TEAMS.items():
        monkeypatch.setenv(name, value)
    lines = [line for line in TERMINAL_LINES.values() if line.words[0] not in ENDLESS]
    assert len(lines) >= 15
    for line in lines:
        status, printed = run_command(line), capsys.readouterr()
        assert status in EXPECTED_STATUS.get(line.words[0], {0}), (str(line), printed)
        assert printed.out or line.words[0] in PRINTS_NOTHING, str(line)


@pytest.mark.parametrize("command", [text for text, line in TERMINAL_LINES.items() if line.words[0] in ENDLESS])
def test_documented_service_runs_until_it_is_stopped(
    command: str, terminal: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"127.0.0.1:{unused_port()}"
    monkeypatch.setenv("MAILCHECK_HTTP", address)
    statuses: list[int] = []

    def stop_when_it_answers() -> None:
        statuses.append(first_status(f"http://{address}/healthz"))
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # until the service handles it
    stopper = threading.Thread(target=stop_when_it_answers)
    stopper.start()
    try:
        assert run_command(TERMINAL_LINES[command]) == 0
    finally:
        stopper.join()
        signal.signal(signal.SIGTERM, before)
    assert statuses == [200]


def first_status(url: str) -> int:
    """The status of the first answer, 0 without any."""
    for _ in range(500):
        try:
            return httpx.get(url, timeout=3).status_code
        except httpx.TransportError:
            threading.Event().wait(0.02)
    return 0
