import logging
from pathlib import Path

import pytest

from handlers.logging_config import redact_secrets, to_file


@pytest.mark.parametrize(
    "secret",
    [
        "xoxb-123-456-abc",
        "xapp-1-A0-abc",
        "https://hooks.slack.com/commands/T0/1/abc",
        "Bearer abc.def",
        "user:pa55word",
    ],
)
def test_redaction_removes_secrets(secret: str) -> None:
    in_url = f"redis://{secret}@host:6379/0"
    text = in_url if ":pa55" in secret else f"sent {secret} to it"
    event = redact_secrets(None, "info", {"event": text, "number": 3})
    assert secret not in event["event"]
    assert "[secret]" in event["event"]
    assert event["number"] == 3


def test_redaction_removes_key_of_blocklist_zone() -> None:
    name = "2.0.0.127.abcdefghijklmnopqrstuvwxyz.zen.dq.spamhaus.net"
    event = redact_secrets(None, "info", {"event": name})
    assert event["event"] == "2.0.0.127.[secret].zen.dq.spamhaus.net"


def test_lines_go_to_a_file_while_the_terminal_is_a_prompt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = logging.StreamHandler()
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    with to_file(tmp_path / "mailcheck.log"):
        logging.getLogger("bot").error("while typing")
    logging.getLogger("bot").error("afterwards")
    assert (tmp_path / "mailcheck.log").read_text() == "while typing\n"
    assert capsys.readouterr().err == "afterwards\n"
