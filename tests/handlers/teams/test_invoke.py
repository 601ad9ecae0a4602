"""Card actions in Teams: the card that the user and everyone else see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from bot.monitoring.models import Channel
from handlers.commands import VERBS, CommandRouter
from handlers.messages import report_card
from handlers.messages.alerts import reply_card, root_card
from handlers.ports import MessagePoster
from handlers.teams.activities import BAR
from handlers.teams.adaptive_card import CARD, card_content
from handlers.teams.throttle import TeamsTimeouts
from tests.handlers.slack.conftest import ANSWER, BAD_INPUT, BROKEN, shown
from tests.handlers.teams.conftest import Tenant, open_tenant
from tests.support.commands import build_commands
from tests.support.dns_world import World
from tests.support.fake_microsoft import PostedCall
from tests.support.incident_stories import T0
from tests.support.memory_repository import InMemoryRepository
from tests.support.outbox_messages import LATER, messages_of, messages_of_incident
from tests.support.reports import LISTED
from tests.support.stored_watches import Clock
from tests.support.teams_activities import ADA, CHANNEL, TENANT, Activity, card_action, in_channel, mention, message

QUESTION = "203.0.113.5 example.com"
AT_ONCE = TeamsTimeouts(progress_after=0.02, action_timeout_s=0.02)
THREAD = f"{CHANNEL};messageid=17"


def button(card: dict[str, Any], title: str) -> dict[str, Any]:
    """A button of a card, folded ones included; what it unfolds is filled in as it stands."""
    for action in card["actions"]:
        if action["title"] != title:
            continue
        if action["type"] != "Action.ShowCard":
            return dict(action)
        [inside], [choice] = action["card"]["actions"], action["card"]["body"]
        return {**inside, "data": {**inside["data"], choice["id"]: choice["value"]}}
    raise AssertionError(f"no button {title!r} among {[action['title'] for action in card['actions']]}")


def titles(card: dict[str, Any]) -> list[str]:
    return [action["title"] for action in card.get("actions", ())]


def drawn(posted: PostedCall) -> dict[str, Any]:
    card: dict[str, Any] = posted.payload["attachments"][0]["content"]
    return card


# In general, with scripted verbs


async def run_action(tenant: Tenant) -> PostedCall:
    await tenant.send(mention(QUESTION, tenant.service, **in_channel("17")))
    await tenant.run_job()
    return tenant.microsoft.said[0]


async def test_check_again_updates_the_card_for_everyone(tenant: Tenant) -> None:
    first = await run_action(tenant)
    pressed = card_action(button(drawn(first), "Check again"), tenant.service, first.message, **in_channel("17"))
    answer = (await tenant.send(pressed)).json()
    assert (answer["statusCode"], answer["type"]) == (200, CARD)
    assert answer["value"] == drawn(first)
    _, change = await tenant.microsoft.until(lambda calls: len(calls) == 2)
    assert (change.method, change.message, change.conversation) == ("PUT", first.message, first.conversation)
    commands = [VERBS.parse(QUESTION), VERBS.parse("check 203.0.113.5 fresh")]
    assert [request.command for request in tenant.commands.requests] == commands


async def test_slow_action_replaces_the_card_afterwards() -> None:
    async with open_tenant(timeouts=AT_ONCE) as tenant:
        first = await run_action(tenant)
        tenant.commands.released.clear()
        pressed = card_action(button(drawn(first), "Check again"), tenant.service, first.message)
        answer = (await tenant.send(pressed)).json()
        assert (answer["type"], answer["value"]) == (BAR, "Checking 203.0.113.5 …")
        tenant.commands.released.set()
        _, change = await tenant.microsoft.until(lambda calls: len(calls) == 2)
        assert (change.method, change.message) == ("PUT", first.message)


async def test_failed_action_shows_text_and_leaves_card(tenant: Tenant) -> None:
    action = {"verb": "check", "data": {"command": BROKEN, "in_place": True}}
    answer = (await tenant.send(card_action(action, tenant.service, "42"))).json()
    assert (answer["type"], answer["value"][:24]) == (BAR, "✕ Internal error, logged")
    await tenant.teams.drain()
    assert tenant.microsoft.said == []


async def test_action_with_own_answer_posts_in_thread(tenant: Tenant) -> None:
    pressed = card_action({"verb": "check", "data": {"command": QUESTION}}, tenant.service, "42", **in_channel("17"))
    answer = (await tenant.send(pressed)).json()
    assert (answer["type"], answer["value"]) == (BAR, f"✕ {ANSWER.title}")
    [said] = await tenant.microsoft.until(lambda calls: len(calls) == 1)
    assert (said.method, said.conversation) == ("POST", THREAD)


async def test_rejected_action_is_text_below_card(tenant: Tenant) -> None:
    pressed = card_action({"verb": "nonsense", "data": {"command": "nonsense"}}, tenant.service, "42")
    assert (await tenant.send(pressed)).json()["value"] == f"! {shown(BAD_INPUT.title)}"


@pytest.mark.parametrize(
    ("change", "status", "posted"),
    [
        ({"value": {"action": {"verb": "check"}, "trigger": "automatic"}}, 200, 400),
        ({"value": {"action": {"verb": "check", "data": "check example.com"}}}, 200, 400),
        ({"value": None}, 200, 400),
        ({"name": "composeExtension/query"}, 501, None),
        ({"name": None}, 501, None),
    ],
)
async def test_action_without_command_gets_bad_request(
    change: dict[str, Any], status: int, posted: int | None, tenant: Tenant
) -> None:
    answer = await tenant.send(card_action({"verb": "x", "data": {"command": "x"}}, tenant.service, "42") | change)
    assert answer.status_code == status
    assert posted is None or answer.json()["statusCode"] == posted


# Watches, with the verbs as they are


@dataclass
class ChannelHarness:
    """A channel of Teams with an incident open, its root and a reminder posted."""

    tenant: Tenant
    kept: InMemoryRepository
    room: Channel
    watch: str = ""
    root: str = ""
    reminder: str = ""

    async def card_action(self, card: dict[str, Any], title: str, message: str, **who: Any) -> dict[str, Any]:
        """What Teams is answered, once everything that follows has been said."""
        sent: Activity = card_action(button(card, title), self.tenant.service, message, **in_channel(message)) | who
        answer: dict[str, Any] = (await self.tenant.send(sent)).json()
        await self.tenant.teams.drain()
        return answer

    def last(self, message: str) -> PostedCall:
        """The message as it stands now."""
        return [said for said in self.tenant.microsoft.said if said.message == message][-1]

    def stands_in_place(self, answer: dict[str, Any], message: str) -> dict[str, Any]:
        """That all see the card that the one who pressed was answered with."""
        assert answer["type"] == CARD, answer["value"]
        assert self.last(message).method == "PUT"
        assert drawn(self.last(message)) == answer["value"]
        card: dict[str, Any] = answer["value"]
        return card

    def replies(self) -> list[str]:
        """What was said in threads, by headline, since the reminder."""
        posts = [said for said in self.tenant.microsoft.said if said.method == "POST"]
        return [said.payload["summary"] for said in posts[2:]]


@pytest_asyncio.fixture
async def channel() -> AsyncIterator[ChannelHarness]:
    clock, speaking = Clock(T0), dict[str, MessagePoster]()
    kept = InMemoryRepository(clock)
    commands: CommandRouter = build_commands(kept, speaking, clock, World({}))
    async with open_tenant(commands=commands) as tenant:
        speaking["teams"] = tenant.teams
        made = ChannelHarness(tenant, kept, Channel("teams", TENANT, CHANNEL))
        await tenant.send(mention("watch 203.0.113.5", tenant.service, **in_channel("17")))
        await tenant.run_job()
        [one] = await kept.list_watches(made.room)
        reminder = messages_of(one.watch, [("1h", "a+"), ("61m30s", "a+"), ("26h", "a+")])[-1]
        opened = messages_of_incident(one.watch)[0]
        assert await kept.update_incident(made.room, one.watch.id, opened.incident, one.incident)
        tenant.microsoft.said.clear()
        made.watch = one.watch.id
        made.root = await tenant.teams.post(made.room, root_card(one.watch, opened.alert))
        made.reminder = await tenant.teams.post(made.room, reply_card(one.watch, reminder.alert), made.root)
        kept.contents.threads[made.room, opened.alert.thread_key] = made.root
        clock.now = LATER
        yield made


async def test_acknowledge_updates_alert_and_posts_in_thread(channel: ChannelHarness) -> None:
    root = drawn(channel.last(channel.root))
    assert titles(root) == ["Acknowledge", "Mute…", "Check again"]
    card = channel.stands_in_place(await channel.card_action(root, "Acknowledge", channel.root), channel.root)
    assert titles(card) == ["Mute…", "Check again"]
    assert "by Ada" in channel.last(channel.root).words
    assert channel.replies() == ["203.0.113.5: acknowledged by Ada"]


async def test_second_acknowledge_is_text_below_card(channel: ChannelHarness) -> None:
    root = drawn(channel.last(channel.root))
    await channel.card_action(root, "Acknowledge", channel.root)
    grace = {"from": {**ADA, "id": "29:grace", "name": "Grace"}}
    answer = await channel.card_action(root, "Acknowledge", channel.root, **grace)
    assert (answer["type"], answer["value"]) == (BAR, "! 203.0.113.5 was acknowledged by Ada already.")


async def test_acknowledged_reminder_names_user_and_updates_alert(channel: ChannelHarness) -> None:
    answer = await channel.card_action(drawn(channel.last(channel.reminder)), "Acknowledge", channel.reminder)
    channel.stands_in_place(answer, channel.reminder)
    assert channel.last(channel.reminder).payload["summary"] == "203.0.113.5: acknowledged by Ada"
    assert "by Ada" in channel.last(channel.root).words
    assert channel.replies() == []


async def test_mute_is_selected_in_card_and_undone(channel: ChannelHarness) -> None:
    root = drawn(channel.last(channel.root))
    muted = channel.stands_in_place(await channel.card_action(root, "Mute…", channel.root), channel.root)
    assert "Unmute" in titles(muted)
    assert channel.replies() == ["Ada muted 203.0.113.5 until 25 Nov, 13:00 UTC"]
    told = channel.tenant.microsoft.said[-1]
    answer = await channel.card_action(drawn(told), "Unmute", told.message)
    channel.stands_in_place(answer, told.message)
    assert channel.last(told.message).payload["summary"] == "Ada unmuted 203.0.113.5"
    assert "Mute…" in titles(drawn(channel.last(channel.root)))


async def test_mute_without_duration_offers_select(channel: ChannelHarness) -> None:
    service = channel.tenant.service
    await channel.tenant.send(mention("mute 203.0.113.5", service, **in_channel("17")))
    await channel.tenant.run_job()
    asked = channel.tenant.microsoft.said[-1]
    assert titles(drawn(asked)) == ["1 hour", "8 hours", "24 hours", "7 days", "30 days"]
    channel.stands_in_place(await channel.card_action(drawn(asked), "8 hours", asked.message), asked.message)
    assert channel.last(asked.message).payload["summary"] == "Ada muted 203.0.113.5 until 24 Nov, 21:00 UTC"


async def test_check_from_alert_does_not_replace_alert(channel: ChannelHarness) -> None:
    root = drawn(channel.last(channel.root))
    answer = await channel.card_action(root, "Check again", channel.root)
    assert answer["type"] == BAR
    assert drawn(channel.last(channel.root)) == root
    assert channel.replies() == ["203.0.113.5: no problems found"]


async def test_watch_button_toggles_on_report(channel: ChannelHarness) -> None:
    report = card_content(report_card(LISTED))
    assert "Watch" in titles(report)
    watched = channel.stands_in_place(await channel.card_action(report, "Watch", "42"), "42")
    assert titles(watched)[-2:] == ["Check again", "Unwatch"]
    ended = channel.stands_in_place(await channel.card_action(watched, "Unwatch", "42"), "42")
    assert titles(ended) == ["Watch again"]
    again = channel.stands_in_place(await channel.card_action(ended, "Watch again", "42"), "42")
    assert titles(again)[-1] == "Unwatch"
    assert len(await channel.kept.list_watches(channel.room)) == 2
    assert channel.replies() == []


async def test_watch_in_unavailable_channel_is_rejected(channel: ChannelHarness) -> None:
    channel.tenant.microsoft.mishaps = [(403, {})]
    answer = await channel.card_action(card_content(report_card(LISTED)), "Watch", "42")
    assert (answer["type"], answer["value"][:35]) == (BAR, "! mailcheck is not in this channel ")
    assert len(await channel.kept.list_watches(channel.room)) == 1


async def test_concurrent_actions_show_the_same_card(channel: ChannelHarness) -> None:
    root, grace = (drawn(channel.last(channel.root)), {"from": {**ADA, "id": "29:grace", "name": "Grace"}})
    first, second = await asyncio.gather(
        channel.card_action(root, "Acknowledge", channel.root),
        channel.card_action(root, "Mute…", channel.root, **grace),
    )
    assert first["type"] == second["type"] == CARD
    ending = channel.last(channel.root)
    assert "by Ada" in ending.words
    assert "by Grace" in ending.words
    assert drawn(ending) in (first["value"], second["value"])


# Guests

GUEST = {"from": {**ADA, "id": "29:guest", "name": "Gus"}}
OF_ANOTHER = {"channelData": {"tenant": {"id": "another"}, "team": {"id": "19:t"}, "channel": {"id": CHANNEL}}}


@pytest.mark.parametrize(
    ("person", "who"),
    [({"userRole": "guest"}, GUEST), ({"tenantId": "another"}, GUEST), ({}, OF_ANOTHER)],
    ids=["guest", "member of another tenant", "speaks from another tenant"],
)
async def test_guest_may_read_but_not_change(person: dict[str, str], who: Activity, channel: ChannelHarness) -> None:
    channel.tenant.microsoft.people["29:guest"] = person
    root = drawn(channel.last(channel.root))
    assert (await channel.card_action(root, "Acknowledge", channel.root, **who))["value"].startswith(
        "! You are from another"
    )
    assert drawn(channel.last(channel.root)) == root
    await channel.card_action(root, "Check again", channel.root, **who)
    assert channel.replies() == ["203.0.113.5: no problems found"]


async def test_member_role_is_queried_hourly_before_changes(channel: ChannelHarness) -> None:
    calls, root = channel.tenant.microsoft.calls, drawn(channel.last(channel.root))
    await channel.card_action(root, "Check again", channel.root)
    before = calls["who is 29:ada"]
    for title in ("Acknowledge", "Mute…"):
        await channel.card_action(root, title, channel.root)
    assert (before, calls["who is 29:ada"]) == (1, 1)  # the watch was made by her
    channel.tenant.slept.append(3_600.0)
    await channel.card_action(root, "Mute…", channel.root)
    assert calls["who is 29:ada"] == 2


async def test_user_with_unknown_role_counts_as_member(channel: ChannelHarness) -> None:
    channel.tenant.microsoft.mishaps = [(502, {})]
    answer = await channel.card_action(drawn(channel.last(channel.root)), "Acknowledge", channel.root, **GUEST)
    assert answer["type"] == CARD


async def test_personal_chat_has_no_guests(channel: ChannelHarness) -> None:
    await channel.tenant.send(message("watches", channel.tenant.service, **GUEST))
    await channel.tenant.send(message("watch 203.0.113.5", channel.tenant.service, **GUEST))
    assert channel.tenant.microsoft.calls["who is 29:guest"] == 0
