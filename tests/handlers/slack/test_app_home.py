"""The App Home: its content, when it is published, and channel membership."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import pytest

from handlers.commands import VERBS
from handlers.message import Button, Card, Fact, Line, Table, Tone
from handlers.messages.overview import ChannelWatch, Overview, Section, watch_sections
from handlers.slack.app_home import ADD_WATCH, MAX_BLOCKS, REFRESH, TRUNCATED_NOTE, home_view
from tests.handlers.messages.test_overview import NOW, listed, quiet
from tests.handlers.slack.conftest import Workspace, open_workspace
from tests.handlers.slack.hostile import HOSTILE
from tests.support.slack_payloads import (
    app_home_opened,
    event_callback,
    home_button_action,
    interaction_body,
    json_body,
    view_submission,
)
from tests.support.slack_validator import home_faults

EVENTS = count()
AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
PRIVATE_CARD = Card("#board: 1 watch", table=Table(("Watch", "State"), (("203.0.113.99", "all good"),)))


@dataclass
class StubOverviewLoader:
    """Overview loader by channel; records its calls."""

    cards: Mapping[str, Card] = field(default_factory=dict)
    calls: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, team: str, names: Mapping[str, str]) -> Overview:
        self.calls.append((team, names))
        await self.released.wait()
        return Overview((Section("Watches", tuple(card for channel, card in self.cards.items() if channel in names)),))


def stub_loader(**cards: Card) -> StubOverviewLoader:
    overview_source = StubOverviewLoader(cards)
    overview_source.released.set()
    return overview_source


async def open_home(workspace: Workspace, user: str = "U1") -> str:
    """The user's view after opening the App Home, as JSON."""
    await workspace.send(*json_body(event_callback(app_home_opened(user), f"Ev{next(EVENTS)}")))
    await workspace.slack.drain()
    home = workspace.fake.published_homes[-1]
    assert home["user_id"] == user
    return json.dumps(home["view"], ensure_ascii=False)


async def test_home_shows_only_own_channels() -> None:
    source = stub_loader(C1=Card("#mail: 1 watch"), C2=PRIVATE_CARD)
    async with open_workspace(load_overview=source) as workspace:
        workspace.fake.memberships = {
            "U1": [{"id": "C1", "name": "mail"}],
            "U2": [{"id": "C1", "name": "mail"}, {"id": "C2", "name": "board", "kind": "private_channel"}],
        }
        assert "#board" not in await open_home(workspace, "U1")
        assert "#board" in await open_home(workspace, "U2")
        workspace.fake.memberships["U2"].pop()  # left the channel
        assert "#board" not in await open_home(workspace, "U2")
    team, names = source.calls[0]
    assert (team, names["C1"]) == ("T1", "#mail")


async def test_home_includes_own_direct_messages() -> None:
    source = stub_loader()
    async with open_workspace(load_overview=source) as workspace:
        await open_home(workspace, "U7")
    assert list(source.calls[0][1]) == ["DU7"]


async def test_home_pages_through_all_channels() -> None:
    source = stub_loader()
    async with open_workspace(load_overview=source) as workspace:
        workspace.fake.memberships = {"U1": [{"id": f"C{n}", "name": f"c{n}"} for n in range(450)]}
        await open_home(workspace)
    assert len(source.calls[0][1]) == 451


async def test_home_without_channel_scope_is_not_published() -> None:
    async with open_workspace(load_overview=stub_loader(C1=PRIVATE_CARD)) as workspace:
        workspace.fake.memberships = {"U1": [{"id": "C1", "name": "board"}]}
        workspace.fake.failures = [("users.conversations", "missing_scope")]
        await workspace.send(*json_body(event_callback(app_home_opened())))
        await workspace.slack.drain()
        assert workspace.fake.published_homes == []


async def test_messages_tab_publishes_no_home() -> None:
    async with open_workspace() as workspace:
        await workspace.send(*json_body(event_callback(app_home_opened(tab="messages"))))
        await workspace.slack.drain()
        assert workspace.fake.published_homes == []


async def test_home_opened_repeatedly_publishes_once() -> None:
    source = StubOverviewLoader()
    async with open_workspace(load_overview=source) as workspace:
        for number in range(20):
            await workspace.send(*json_body(event_callback(app_home_opened(), f"Ev{number}")))
        source.released.set()
        await workspace.slack.drain()
        assert len(workspace.fake.published_homes) == 1


async def test_refresh_button_publishes_home_again() -> None:
    async with open_workspace(load_overview=stub_loader()) as workspace:
        await open_home(workspace)
        await workspace.send(*interaction_body(home_button_action(REFRESH)))
        await workspace.slack.drain()
        assert len(workspace.fake.published_homes) == 2


async def test_watch_added_on_home_shows_result_there() -> None:
    async with open_workspace(load_overview=stub_loader(C5=Card("#mail: 1 watch"))) as workspace:
        workspace.fake.memberships = {"U1": [{"id": "C5", "name": "mail"}]}
        await workspace.send(*interaction_body(home_button_action(ADD_WATCH)))
        await workspace.slack.drain()
        view = (await workspace.fake.wait_for_form())["view"]
        await workspace.send(*interaction_body(view_submission(view, {"targets": "203.0.113.5", "channel": "C5"})))
        await workspace.run_job()
        [request] = workspace.commands.requests
        assert (request.channel.id, request.user) == ("C5", "U1")
        assert request.command == VERBS.parse("watch 203.0.113.5 as mta")
        [home] = workspace.fake.published_homes
        text = json.dumps(home["view"], ensure_ascii=False)
        assert text.index("on Example List") < text.index("#mail: 1 watch")
        assert workspace.fake.sent == []


async def test_home_form_open_failure_shows_on_home() -> None:
    async with open_workspace(load_overview=stub_loader()) as workspace:
        workspace.fake.failures = [("views.open", "expired_trigger_id")]
        await workspace.send(*interaction_body(home_button_action(ADD_WATCH)))
        await workspace.slack.drain()
        assert "press the button again" in json.dumps(workspace.fake.published_homes[-1])


# Rendering


def test_home_view_with_many_watches_is_truncated_with_note() -> None:
    """Channels that do not fit are omitted; the blocklist section is never truncated."""
    watched = [ChannelWatch(quiet(n), f"#c{n // 30:02}") for n in range(600)]
    overview = Overview(watch_sections(watched, NOW), (Section("Blocklists", (Card("58 of 58 lists"),)),))
    view = home_view(overview, NOW)
    assert home_faults(view) == []
    assert len(view["blocks"]) <= MAX_BLOCKS
    assert {TRUNCATED_NOTE, "58 of 58 lists"} <= set(_texts(view))


def test_home_view_lists_watch_state_and_next_poll() -> None:
    sections = watch_sections([ChannelWatch(quiet(), "#mail"), ChannelWatch(listed(), "#mail")], NOW)
    text = " ".join(_texts(home_view(Overview(sections), NOW)))
    for text_part in (
        "1 incident is open",
        f"{quiet().watch.subject}: no problems",
        "Every 1h · Next check 07:10 UTC",
        "Nothing is muted",
    ):
        assert text_part in text, text_part


@pytest.mark.parametrize("text", HOSTILE)
def test_home_view_escapes_hostile_text(text: str) -> None:
    card = Card(text, Tone.BAD, text, (Line(text, Tone.BAD, text, text),), (Fact(text, text),), footnote=text)
    table = Card(text, table=Table((text, text, text), ((text, text, text),)), buttons=(Button(text, text),))
    view = home_view(Overview((Section(text, (card, table)),), (Section(text, (card,)),)), AT, card)
    assert home_faults(view) == []
    action_ids = [
        element["action_id"] for block in view["blocks"] if block["type"] == "actions" for element in block["elements"]
    ]
    assert action_ids == [ADD_WATCH, REFRESH]


def _texts(part: object) -> list[str]:
    if isinstance(part, dict):
        return [part["text"]] if isinstance(part.get("text"), str) else _texts(list(part.values()))
    return [text for inner in part for text in _texts(inner)] if isinstance(part, list) else []
