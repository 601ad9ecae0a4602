"""How long a slash command waits for its acknowledgement: the whole bot idle, beside a paced sweep, and beside one flat out.

`python -m benchmarks.ack`. The bot and the sweep (`mailcheck check --file`) share a core, the lists and the client the other one. The
bot's Slack does not answer, so that only the acknowledgement is work. The client sends one signed request after the other over one
connection, and leaves time between two for the answer to go out.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks.running import CLIENT_CORE, CORES, SERVER_CORE, free_port, list_server
from benchmarks.sweep import Task, mailcheck
from benchmarks.tables import Table, percentile, ratio, show
from benchmarks.world import addresses, write_catalogue, zone_names
from tests.support.fake_slack import TOKEN
from tests.support.slack_payloads import SECRET, form, signed, slash

MAILCHECK = Path(sys.executable).with_name("mailcheck")
PAUSE_S = 0.1
WARM_UP = 20
ADDRESSES = 200_000  # more than a sweep reaches before it is ended
PACED = 40  # questions a second at each of fifty lists
IDLE, BESIDE_PACED, BESIDE_FLAT_OUT = "idle", "beside a paced sweep", "beside a sweep flat out"
SWEEPS = {IDLE: None, BESIDE_PACED: PACED, BESIDE_FLAT_OUT: 0}


@contextmanager
def bot(folder: Path) -> Iterator[int]:
    """The bot in service; yields its port."""
    port, nobody = _free_stream_port(), free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MAILCHECK_STATE_DIR": str(folder),
        "MAILCHECK_NAMESERVERS": f"127.0.0.1:{nobody}",
        "MAILCHECK_HTTP": f"127.0.0.1:{port}",
        "SLACK_BOT_TOKEN": TOKEN,
        "SLACK_SIGNING_SECRET": SECRET,
        "SLACK_API_URL": f"http://127.0.0.1:{nobody}/api/",
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
def sweeping(folder: Path, lists: int, per_second: int | None) -> Iterator[None]:
    """A sweep for as long as the block runs: none for None, without a pace for 0."""
    if per_second is None:
        yield
        return
    task = Task(folder, lists, addresses(ADDRESSES), zone_names())
    (folder / "addresses").write_text("\n".join(task.addresses) + "\n")
    write_catalogue(folder / "lists.toml", task.zones, per_second=per_second or None)
    process = subprocess.Popen(mailcheck(task), env=os.environ | task.environment, stdout=subprocess.DEVNULL)
    os.sched_setaffinity(process.pid, {CLIENT_CORE})
    try:
        time.sleep(2.0)  # until it is under way
        assert process.poll() is None, "the sweep ended too soon"
        yield
    finally:
        process.terminate()
        process.wait()


def ack_table(number: int, rounds: int) -> Table:
    """All three in turn, round by round."""
    p50s: dict[str, list[float]] = {name: [] for name in SWEEPS}
    p99s: dict[str, list[float]] = {name: [] for name in SWEEPS}
    os.sched_setaffinity(0, {SERVER_CORE})
    with tempfile.TemporaryDirectory() as folder, list_server(2_000) as lists, bot(Path(folder)) as port:
        connection, turns = connected(port), count()
        timed(connection, turns, WARM_UP)
        for _ in range(rounds):
            for name, per_second in SWEEPS.items():
                with tempfile.TemporaryDirectory() as beside, sweeping(Path(beside), lists, per_second):
                    took = timed(connection, turns, number)
                p50s[name].append(median(took))
                p99s[name].append(percentile(took, 0.99))
    os.sched_setaffinity(0, CORES)
    rows = [
        [name, f"{median(p50s[name]):.2f}", f"{median(p99s[name]):.2f}", ratio(p99s[name], p99s[IDLE])]
        for name in SWEEPS
    ]
    return Table("Acknowledgement of a slash command", ["the bot is", "p50 ms", "p99 ms", "p99 × idle"], rows)


def timed(connection: http.client.HTTPConnection, turns: Iterator[int], number: int) -> list[float]:
    """The milliseconds that so many commands waited for their acknowledgement, each from a person and a channel of its own."""
    took = []
    for _ in range(number):
        turn = next(turns)
        typed = slash("203.0.113.5", f"http://127.0.0.1:1/actions/{turn}", f"{turn}.1") | {"user_id": f"U{turn}"}
        body, kind = form(typed | {"channel_id": f"C{turn}"})
        begun = time.perf_counter()
        connection.request("POST", "/slack/events", body, signed(body, kind))
        answer = connection.getresponse()
        answer.read()
        took.append((time.perf_counter() - begun) * 1e3)
        assert answer.status == 200, answer.status
        time.sleep(PAUSE_S)
    return took


def connected(port: int) -> http.client.HTTPConnection:
    for _ in range(200):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            connection.connect()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return connection
    raise SystemExit("the bot did not start")


def _free_stream_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def tables(quick: bool) -> Iterator[Table]:
    yield ack_table(50 if quick else 200, 1 if quick else 5)


if __name__ == "__main__":
    show(__doc__, tables)
