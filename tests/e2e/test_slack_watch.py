"""Watching in Slack, from the first listing to its resolution.

The whole bot runs as a process with its own Valkey, changing DNS and a strict fake Slack. Only the
intervals of the policy are shortened.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest_asyncio

from tests.support.dns_world import World
from tests.support.fake_slack import Message
from tests.support.mail_world import GOOD, listing_records, mail_world
from tests.support.slack_payloads import USER, button_action, interaction_body, view_submission
from tests.support.slack_product import Product, product

EVERY, CONFIRM, CLEAR, GROUP = 2, 1, 3, 1  # seconds
CLOCKS = {
    "MAILCHECK_WATCH_EVERY": f"{EVERY}s",
    "MAILCHECK_CONFIRM_AFTER": f"{CONFIRM}s",
    "MAILCHECK_CLEAR_AFTER": f"{CLEAR}s",
    "MAILCHECK_GROUP_FOR": f"{GROUP}s",
}
ZEN = listing_records({(GOOD, "spamhaus-zen"): ("127.0.0.4",)})
SPAMCOP = listing_records({(GOOD, "spamcop"): ("127.0.0.2",)})
DELISTED = dict.fromkeys((*ZEN, *SPAMCOP))
FORM = f"https://check.spamhaus.org/results/?query={GOOD}"
SUBJECT = f"{GOOD} · example.com"


@dataclass
class WatchedChannel:
    """#mail, as its members see it."""

    product: Product
    action_count: int = 0

    @property
    def roots(self) -> list[Message]:
        """Alerts in the channel, in their current version."""
        return [message for message in self._stored if "metadata" in message and "thread_ts" not in message]

    def replies(self, root: Message) -> list[str]:
        """Headlines of the bot's unsolicited replies in a thread."""
        return [headline(message) for message in self._stored if message.get("thread_ts") == root["ts"]]

    @property
    def _stored(self) -> list[Message]:
        return self.product.slack.stored.get("C1", [])

    async def run_command(self, text: str, words: str, user: str = "U1", channel: str = "C1") -> str:
        """The answer to a command, once a later message has the expected text."""
        before = len(self.product.slack.sent)
        ack = (await self.product.type(text, user, channel)).text
        if words in ack:
            return ack
        return await self.wait_for_text(words, before)

    async def wait_for_text(self, text: str, before: int = 0) -> str:
        messages = await self.product.slack.wait_for_messages(
            lambda messages: text in str(messages[before:]), timeout_s=15
        )
        return next(str(message) for message in messages[before:] if text in str(message))

    async def click_button(self, label: str, message: Message, **user: str) -> None:
        """A signed `block_actions` of a button in the current message."""
        self.action_count += 1
        url = f"{self.product.slack_url}/actions/pressed-{self.action_count}"
        action = button_action(button(message, label), url, trigger=f"9.{self.action_count}")
        action["message"]["ts"] = message["ts"]
        action["user"] = USER | user
        assert (await self.product.send(*interaction_body(action))).status_code == 200

    async def wait_for_root(self, text: str) -> float:
        """Seconds until the only root has the text in its headline."""
        started = time.monotonic()
        await self.product.slack.wait_for_messages(
            lambda _: [text in headline(root) for root in self.roots] == [True], timeout_s=20
        )
        return time.monotonic() - started


@pytest_asyncio.fixture
async def channel(tmp_path: Path) -> AsyncIterator[WatchedChannel]:
    async with product(tmp_path, World(mail_world({}), ttl=1), **CLOCKS) as product_process:
        yield WatchedChannel(product_process)
        assert product_process.slack.rejected == []


def headline(message: Message) -> str:
    return str(message["text"]).partition("\n")[0]


def button(message: Message, label: str) -> dict[str, Any]:
    return next(element for element in buttons(message) if element["text"]["text"] == label)


def buttons(message: Message) -> list[dict[str, Any]]:
    attachment_blocks = [block for attachment in message.get("attachments", []) for block in attachment["blocks"]]
    return [
        element
        for block in (*message["blocks"], *attachment_blocks)
        if block["type"] == "actions"
        for element in block["elements"]
    ]


def colors(message: Message) -> set[str]:
    return {attachment["color"] for attachment in message.get("attachments", [])}


async def test_listing_is_one_thread_from_alert_to_resolution(channel: WatchedChannel) -> None:
    dns = channel.product.dns
    ack = await channel.run_command(f"watch {GOOD} example.com", "Watching ")
    assert f"Watching {SUBJECT}, every {EVERY}s" in ack
    assert channel.roots == []

    dns.update_records(ZEN)
    elapsed = await channel.wait_for_root("on Spamhaus ZEN")
    print(f"listed → alert: {elapsed:.1f} s of at most {EVERY + CONFIRM + 5} s")
    assert elapsed < EVERY + CONFIRM + 5
    [root] = channel.roots
    assert button(root, "Spamhaus ZEN: removal form")["url"] == FORM
    assert colors(root) == {"#d0342c"}

    dns.update_records(SPAMCOP)
    print(f"second list → thread: {await channel.wait_for_root('on 2 blocklists'):.1f} s")
    await channel.wait_for_text("now also on SpamCop")
    assert [reply for reply in channel.replies(root) if "now also" in reply] == [f"! {SUBJECT}: now also on SpamCop"]

    await channel.click_button("Acknowledge", root)
    await channel.wait_for_text(f"{SUBJECT}: acknowledged by ada")
    [root] = channel.roots
    assert "Acknowledge" not in [element["text"]["text"] for element in buttons(root)]
    assert "by ada" in json.dumps(root)

    dns.update_records(DELISTED)
    print(f"delisted → clear again: {await channel.wait_for_root('clear again after'):.1f} s")
    await channel.product.slack.wait_for_messages(
        lambda _: any("clear again" in reply for reply in channel.replies(root)), timeout_s=10
    )
    [root] = channel.roots
    assert colors(root) == {"#2b9c61"}
    await channel.run_command("watches", "no problems")
    assert [reply for reply in channel.replies(root) if "clear again" in reply] == [headline(root)]


async def test_mute_and_unwatch_are_limited_to_own_channel(channel: WatchedChannel) -> None:
    dns, slack = channel.product.dns, channel.product.slack
    await channel.run_command(f"watch {GOOD}", "Watching ")
    dns.update_records(ZEN)
    await channel.wait_for_root("on Spamhaus ZEN")
    [root] = channel.roots
    watch = button(root, "Acknowledge")["value"].partition(" ")[2]

    await channel.click_button("Acknowledge", root, id="U9", team_id="T9")
    await channel.wait_for_text("You are from another workspace")
    for verb in (f"unwatch {watch}", f"mute {watch} 1h", f"unmute {watch}", f"ack {watch}"):
        await channel.run_command(verb, "is not watched in this channel", channel="C2")
    assert button(root, "Acknowledge")

    await channel.click_button("Mute…", root)
    form = (await slack.wait_for_form())["view"]
    filled = view_submission(form, {"length": "24h"}, trigger="5.5")
    assert (await channel.product.send(*interaction_body(filled))).status_code == 200
    await channel.wait_for_text(f"ada muted {GOOD} until")
    dns.update_records(DELISTED)
    reply_count = len(channel.replies(root))

    await channel.run_command(f"unwatch {GOOD}", "ended the watch of")
    await channel.run_command("watches", "Nothing is watched in this channel")
    assert len(channel.replies(root)) == reply_count
    assert len(channel.roots) == 1
