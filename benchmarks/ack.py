"""How long a slash command waits for its acknowledgement, with the whole bot running and nothing else to do.

`python -m benchmarks.ack [--number 200]`. The bot, its DNS server and its Slack are processes of their own; the client here sends one
signed request after the other over one connection, and leaves time between two for the answer to go out.
"""

from __future__ import annotations

import argparse
import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.handlers.slack.fake_slack import TOKEN
from tests.handlers.slack.sent import SECRET, form, signed, slash

MAILCHECK = Path(sys.executable).with_name("mailcheck")
PAUSE_S = 0.1
WARM_UP = 20


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


@contextmanager
def bot(folder: Path) -> Iterator[int]:
    """The bot in service; its DNS and its Slack do not answer, so that only the acknowledgement is work."""
    port, nobody = free_port(), free_port()
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
        try:
            yield port
        finally:
            process.terminate()
            process.wait()


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


def main(number: int) -> None:
    took = []
    with tempfile.TemporaryDirectory() as folder, bot(Path(folder)) as port:
        connection = connected(port)
        for turn in range(number + WARM_UP):
            typed = slash("203.0.113.5", f"http://127.0.0.1:1/actions/{turn}", f"{turn}.1") | {"user_id": f"U{turn}"}
            body, kind = form(typed | {"channel_id": f"C{turn}"})
            begun = time.perf_counter()
            connection.request("POST", "/slack/events", body, signed(body, kind))
            answer = connection.getresponse()
            answer.read()
            took.append((time.perf_counter() - begun) * 1e3)
            assert answer.status == 200, answer.status
            time.sleep(PAUSE_S)
    took = sorted(took[WARM_UP:])
    p50, p99 = statistics.median(took), took[int(len(took) * 0.99) - 1]
    print(f"{number} acknowledgements, idle: p50 {p50:.2f} ms, p99 {p99:.2f} ms, longest {took[-1]:.2f} ms")


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--number", type=int, default=200)
    main(words.parse_args().number)
