"""Watching in Slack, from the first listing to "clear again": the whole bot as a process with its own Valkey, DNS that changes
while it looks, and a Slack that is strict. The clocks of the policy are turned down; nothing else is."""

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
from tests.support.mail_world import GOOD, listed_at, mail_world
from tests.support.slack_payloads import WHO, payload, press, submitted
from tests.support.slack_product import Product, product

EVERY, CONFIRM, CLEAR, GROUP = 2, 1, 3, 1  # seconds
CLOCKS = {
    "MAILCHECK_WATCH_EVERY": f"{EVERY}s",
    "MAILCHECK_CONFIRM_AFTER": f"{CONFIRM}s",
    "MAILCHECK_CLEAR_AFTER": f"{CLEAR}s",
    "MAILCHECK_GROUP_FOR": f"{GROUP}s",
}
ZEN = listed_at({(GOOD, "spamhaus-zen"): ("127.0.0.4",)})
SPAMCOP = listed_at({(GOOD, "spamcop"): ("127.0.0.2",)})
GONE = dict.fromkeys((*ZEN, *SPAMCOP))
FORM = f"https://check.spamhaus.org/results/?query={GOOD}"
SUBJECT = f"{GOOD} · example.com"


@dataclass
class Channel:
    """#mail, as the people in it see it."""

    here: Product
    turn: int = 0

    @property
    def roots(self) -> list[Message]:
        """Alerts that stand in the channel, each as it reads now."""
        return [said for said in self._stored if "metadata" in said and "thread_ts" not in said]

    def replies(self, root: Message) -> list[str]:
        """What the bot added to a thread unasked, as headlines."""
        return [headline(said) for said in self._stored if said.get("thread_ts") == root["ts"]]

    @property
    def _stored(self) -> list[Message]:
        return self.here.slack.stored.get("C1", [])

    async def asks(self, text: str, words: str, user: str = "U1", channel: str = "C1") -> str:
        """The answer to a typed command, once something said since holds these words."""
        before = len(self.here.slack.said)
        ack = (await self.here.type(text, user, channel)).text
        if words in ack:
            return ack
        return await self.hears(words, before)

    async def hears(self, words: str, before: int = 0) -> str:
        said = await self.here.slack.until(lambda said: words in str(said[before:]), within=15)
        return next(str(one) for one in said[before:] if words in str(one))

    async def presses(self, label: str, message: Message, **who: str) -> None:
        """A signed `block_actions` of a button that stands in the message now."""
        self.turn += 1
        url = f"{self.here.slack_url}/actions/pressed-{self.turn}"
        pressed = press(button(message, label), url, trigger=f"9.{self.turn}")
        pressed["message"]["ts"] = message["ts"]
        pressed["user"] = WHO | who
        assert (await self.here.send(*payload(pressed))).status_code == 200

    async def until_root(self, words: str) -> float:
        """Seconds until the one root reads so."""
        begun = time.monotonic()
        await self.here.slack.until(lambda _: [words in headline(root) for root in self.roots] == [True], within=20)
        return time.monotonic() - begun


@pytest_asyncio.fixture
async def channel(tmp_path: Path) -> AsyncIterator[Channel]:
    async with product(tmp_path, World(mail_world({}), ttl=1), **CLOCKS) as here:
        yield Channel(here)
        assert here.slack.refused == []


def headline(message: Message) -> str:
    return str(message["text"]).partition("\n")[0]


def button(message: Message, label: str) -> dict[str, Any]:
    return next(one for one in buttons(message) if one["text"]["text"] == label)


def buttons(message: Message) -> list[dict[str, Any]]:
    bars = [block for bar in message.get("attachments", []) for block in bar["blocks"]]
    return [one for block in (*message["blocks"], *bars) if block["type"] == "actions" for one in block["elements"]]


def colours(message: Message) -> set[str]:
    return {bar["color"] for bar in message.get("attachments", [])}


async def test_a_listing_is_one_thread_from_the_alert_to_clear_again(channel: Channel) -> None:
    dns = channel.here.dns
    told = await channel.asks(f"watch {GOOD} example.com", "Watching ")
    assert f"Watching {SUBJECT}, every {EVERY}s" in told
    assert channel.roots == []

    dns.change(ZEN)
    took = await channel.until_root("on Spamhaus ZEN")
    print(f"listed → alert: {took:.1f} s of at most {EVERY + CONFIRM + 5} s")
    assert took < EVERY + CONFIRM + 5
    [root] = channel.roots
    assert button(root, "Spamhaus ZEN: removal form")["url"] == FORM
    assert colours(root) == {"#d0342c"}

    dns.change(SPAMCOP)
    print(f"second list → thread: {await channel.until_root('on 2 blocklists'):.1f} s")
    await channel.hears("now also on SpamCop")
    assert [said for said in channel.replies(root) if "now also" in said] == [f"! {SUBJECT}: now also on SpamCop"]

    await channel.presses("Acknowledge", root)
    await channel.hears(f"ada has {SUBJECT} in hand")
    [root] = channel.roots
    assert "Acknowledge" not in [one["text"]["text"] for one in buttons(root)]
    assert "by ada" in json.dumps(root)

    dns.change(GONE)
    print(f"delisted → clear again: {await channel.until_root('clear again after'):.1f} s")
    await channel.here.slack.until(lambda _: any("clear again" in said for said in channel.replies(root)), within=10)
    [root] = channel.roots
    assert colours(root) == {"#2b9c61"}
    await channel.asks("watches", "all good")
    assert [said for said in channel.replies(root) if "clear again" in said] == [headline(root)]


async def test_people_mute_by_a_form_and_end_a_watch_and_nobody_else_can(channel: Channel) -> None:
    dns, slack = channel.here.dns, channel.here.slack
    await channel.asks(f"watch {GOOD}", "Watching ")
    dns.change(ZEN)
    await channel.until_root("on Spamhaus ZEN")
    [root] = channel.roots
    watch = button(root, "Acknowledge")["value"].partition(" ")[2]

    await channel.presses("Acknowledge", root, id="U9", team_id="T9")
    await channel.hears("You are from another workspace")
    for verb in (f"unwatch {watch}", f"mute {watch} 1h", f"unmute {watch}", f"ack {watch}"):
        await channel.asks(verb, "is not watched in this channel", channel="C2")
    assert button(root, "Acknowledge")

    await channel.presses("Mute…", root)
    form = (await slack.shown_form())["view"]
    filled = submitted(form, {"length": "24h"}, trigger="5.5")
    assert (await channel.here.send(*payload(filled))).status_code == 200
    await channel.hears(f"ada muted {GOOD} until")
    dns.change(GONE)
    said = len(channel.replies(root))

    await channel.asks(f"unwatch {GOOD}", "ended the watch of")
    await channel.asks("watches", "Nothing is watched in this channel")
    assert len(channel.replies(root)) == said
    assert len(channel.roots) == 1
