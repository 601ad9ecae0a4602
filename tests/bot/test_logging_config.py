import pytest

from bot.logging_config import without_secrets


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
def test_no_secret_reaches_a_log_line(secret: str) -> None:
    url = f"redis://{secret}@host:6379/0" if ":pa55" in secret else f"said {secret} to it"
    event = without_secrets(None, "info", {"event": url, "number": 3})
    assert secret not in event["event"]
    assert "[secret]" in event["event"]
    assert event["number"] == 3


def test_a_key_zone_loses_its_key_in_a_log_line() -> None:
    event = without_secrets(None, "info", {"event": "2.0.0.127.abcdefghijklmnopqrstuvwxyz.zen.dq.spamhaus.net"})
    assert event["event"] == "2.0.0.127.[secret].zen.dq.spamhaus.net"
