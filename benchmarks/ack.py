"""Acknowledgement time of a slash command: bot idle, or beside a bulk check.

`python -m benchmarks.ack`. The bulk check (`mailcheck check --file`) runs with a rate limit and
without. It shares one core with the bot; the lists and the client use the other. The bot's Slack
API does not respond, so that only the acknowledgement is measured. The client sends signed requests
one by one over one connection, with pauses for the answers.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks.bulk_check import Task, mailcheck
from benchmarks.running import CLIENT_CORE, CORES, SERVER_CORE, list_server
from benchmarks.tables import Table, percentile, ratio, show
from benchmarks.world import addresses, write_catalog, zone_names
from tests.support.fake_slack import TOKEN
from tests.support.slack_payloads import SECRET, form_body, signed_headers, slash_command
from tests.support.unused_port import unused_port

MAILCHECK = Path(sys.executable).with_name("mailcheck")
PAUSE_S = 0.1
WARM_UP = 20
ADDRESSES = 200_000  # more than a bulk check finishes before it is stopped
RATE_LIMIT = 40  # queries a second at each of fifty lists
IDLE = "idle"
RATE_LIMITS = {IDLE: None, "beside a paced sweep": RATE_LIMIT, "beside a sweep flat out": 0}


@contextmanager
def bot(folder: Path) -> Iterator[int]:
    """Run the bot; yields its port."""
    port, closed_port = unused_port(), unused_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MAILCHECK_STATE_DIR": str(folder),
        "MAILCHECK_NAMESERVERS": f"127.0.0.1:{closed_port}",
        "MAILCHECK_HTTP": f"127.0.0.1:{port}",
        "SLACK_BOT_TOKEN": TOKEN,
        "SLACK_SIGNING_SECRET": SECRET,
        "SLACK_API_URL": f"http://127.0.0.1:{closed_port}/api/",
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([MAILCHECK, "serve"], env=environment, stdin=subprocess.DEVNULL, stderr=log)
        os.sched_setaffinity(process.pid, {CLIENT_CORE})
        try:
            yield port
        finally:
            process.terminate()
            process.wait()


@contextmanager
def run_bulk_check(folder: Path, lists: int, per_second: int | None) -> Iterator[None]:
    """Run a bulk check during the block: none for None, without a rate limit for 0."""
    if per_second is None:
        yield
        return
    task = Task(folder, lists, addresses(ADDRESSES), zone_names())
    (folder / "addresses").write_text("\n".join(task.addresses) + "\n")
    write_catalog(folder / "lists.toml", task.zones, per_second=per_second or None)
    process = subprocess.Popen(mailcheck(task), env=os.environ | task.environment, stdout=subprocess.DEVNULL)
    os.sched_setaffinity(process.pid, {CLIENT_CORE})
    try:
        time.sleep(2.0)  # until it has started
        assert process.poll() is None, "the bulk check ended too soon"
        yield
    finally:
        process.terminate()
        process.wait()


def ack_table(commands: int, rounds: int) -> Table:
    """All three in turn within each round."""
    p50s: dict[str, list[float]] = {name: [] for name in RATE_LIMITS}
    p99s: dict[str, list[float]] = {name: [] for name in RATE_LIMITS}
    os.sched_setaffinity(0, {SERVER_CORE})
    with tempfile.TemporaryDirectory() as folder, list_server(2_000) as lists, bot(Path(folder)) as port:
        connection, numbers = connect(port), count()
        ack_times(connection, numbers, WARM_UP)
        for _ in range(rounds):
            for name, per_second in RATE_LIMITS.items():
                with tempfile.TemporaryDirectory() as task_folder, run_bulk_check(Path(task_folder), lists, per_second):
                    times_ms = ack_times(connection, numbers, commands)
                p50s[name].append(median(times_ms))
                p99s[name].append(percentile(times_ms, 0.99))
    os.sched_setaffinity(0, CORES)
    rows = [
        [name, f"{median(p50s[name]):.2f}", f"{median(p99s[name]):.2f}", ratio(p99s[name], p99s[IDLE])]
        for name in RATE_LIMITS
    ]
    head = ["the bot is", "p50 ms", "p99 ms", "p99 × idle"]
    return Table("Acknowledgement of a slash command", head, rows)


def ack_times(connection: http.client.HTTPConnection, numbers: Iterator[int], commands: int) -> list[float]:
    """Acknowledgement times in milliseconds; each command has its own user and channel."""
    times_ms = []
    for _ in range(commands):
        number = next(numbers)
        command = slash_command("203.0.113.5", f"http://127.0.0.1:1/actions/{number}", f"{number}.1")
        body, kind = form_body(command | {"user_id": f"U{number}", "channel_id": f"C{number}"})
        started = time.perf_counter()
        connection.request("POST", "/slack/events", body, signed_headers(body, kind))
        response = connection.getresponse()
        response.read()
        times_ms.append((time.perf_counter() - started) * 1e3)
        assert response.status == 200, response.status
        time.sleep(PAUSE_S)
    return times_ms


def connect(port: int) -> http.client.HTTPConnection:
    for _ in range(200):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            connection.connect()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return connection
    raise SystemExit("the bot did not start")


def tables(quick: bool) -> Iterator[Table]:
    yield ack_table(50 if quick else 200, 1 if quick else 5)


if __name__ == "__main__":
    show(__doc__, tables)
