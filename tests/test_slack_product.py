"""End to end in Slack: `mailcheck serve` with a real Valkey, a DNS server, and a strict fake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.mail_world import LISTED, mail_world
from tests.support.redis_server import RedisServer
from tests.support.slack_payloads import button_action, interaction_body
from tests.support.slack_product import product
from tests.support.slack_validator import message_faults

ACKS = 20


async def test_command_is_acknowledged_answered_and_rechecked(
    redis: Any, redis_server: RedisServer, tmp_path: Path
) -> None:
    async with product(tmp_path, mail_world(), REDIS_URL=redis_server.url) as bot:
        ack = await bot.type(f"{LISTED} example.com")
        assert message_faults(ack.json(), "acknowledgement") == []
        assert ack.json()["text"] == f"Checking {LISTED} · example.com …"
        (answer,) = await bot.slack.wait_for_messages(lambda sent: len(sent) == 1, timeout_s=15)
        assert answer["response_type"] == "in_channel"
        assert f"{LISTED} · example.com: on Spamhaus ZEN and 1 more blocklist" in answer["text"]

        elements = answer["attachments"][-1]["blocks"][-1]["elements"]
        form_button, recheck_button = elements[0], elements[-1]
        assert form_button["url"] == f"https://check.spamhaus.org/results/?query={LISTED}"
        query_count = len(bot.dns.queries)
        await bot.send(*interaction_body(button_action(recheck_button, f"{bot.slack_url}/actions/again")))
        await bot.slack.wait_for_messages(lambda sent: len(sent) == 2, timeout_s=15)
        assert len(bot.dns.queries) > query_count
        assert bot.slack.rejected == []


async def test_command_without_work_is_answered_ephemerally(
    redis: Any, redis_server: RedisServer, tmp_path: Path
) -> None:
    async with product(tmp_path, mail_world(), REDIS_URL=redis_server.url) as bot:
        for text in ("1.2.3", "watch 1.2.3", "help", "0.0.0.0/0"):
            ack = await bot.type(text)
            assert message_faults(ack.json(), "acknowledgement") == [], text
            assert ack.json()["response_type"] == "ephemeral", text
        assert bot.dns.queries == [(".", "NS")]


async def test_command_is_acknowledged_in_time_while_redis_and_dns_hang(
    redis: Any, redis_server: RedisServer, tmp_path: Path
) -> None:
    async with product(tmp_path, mail_world(), REDIS_URL=redis_server.url) as bot:
        bot.dns.faults.update(dict.fromkeys(mail_world(), "silence"))
        with redis_server.hung():
            times_ms = await bot.measure_acks(ACKS)
        assert times_ms[-1] < 3000  # Slack waits no longer
        assert bot.slack.rejected == []
