"""The App Home: what a person sees of it, when it is drawn, and that nobody sees a channel they are not in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import pytest

from handlers.message import Button, Card, Fact, Line, Table, Tone
from handlers.messages.overview import Overview, Section, Watched, watched_sections
from handlers.slack.app_home import ADD, AGAIN, MORE, MOST_BLOCKS, home_view
from tests.handlers.messages.test_overview import NOW, listed, quiet
from tests.handlers.slack.conftest import Workspace, open_workspace
from tests.handlers.slack.hostile import HOSTILE
from tests.support.slack_payloads import as_json, event, opened_home, payload, press_at_home, submitted
from tests.support.slack_validator import home_faults

EVENTS = count()
AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
SECRET = Card("#board: 1 watch", table=Table(("Watch", "State"), (("203.0.113.99", "all good"),)))


@dataclass
class Looks:
    """What is watched, by channel; it remembers whose channels were asked for."""

    cards: Mapping[str, Card] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    free: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, team: str, names: Mapping[str, str]) -> Overview:
        self.asked.append((team, names))
        await self.free.wait()
        return Overview((Section("Watches", tuple(card for channel, card in self.cards.items() if channel in names)),))


def looks(**cards: Card) -> Looks:
    look = Looks(cards)
    look.free.set()
    return look


async def look_at_home(workspace: Workspace, user: str = "U1") -> str:
    """What stands on a person's page after they opened it."""
    await workspace.send(*as_json(event(opened_home(user), f"Ev{next(EVENTS)}")))
    await workspace.slack.drain()
    home = workspace.fake.homes[-1]
    assert home["user_id"] == user
    return json.dumps(home["view"], ensure_ascii=False)


async def test_a_person_sees_only_the_channels_they_are_in() -> None:
    look = looks(C1=Card("#mail: 1 watch"), C2=SECRET)
    async with open_workspace(look=look) as workspace:
        workspace.fake.members = {
            "U1": [{"id": "C1", "name": "mail"}],
            "U2": [{"id": "C1", "name": "mail"}, {"id": "C2", "name": "board", "kind": "private_channel"}],
        }
        assert "#board" not in await look_at_home(workspace, "U1")
        assert "#board" in await look_at_home(workspace, "U2")
        workspace.fake.members["U2"].pop()  # removed from the channel a moment ago
        assert "#board" not in await look_at_home(workspace, "U2")
    team, names = look.asked[0]
    assert (team, names["C1"]) == ("T1", "#mail")


async def test_their_own_direct_messages_are_theirs() -> None:
    look = looks()
    async with open_workspace(look=look) as workspace:
        await look_at_home(workspace, "U7")
    assert list(look.asked[0][1]) == ["DU7"]


async def test_all_their_channels_are_found_however_many() -> None:
    look = looks()
    async with open_workspace(look=look) as workspace:
        workspace.fake.members = {"U1": [{"id": f"C{n}", "name": f"c{n}"} for n in range(450)]}
        await look_at_home(workspace)
    assert len(look.asked[0][1]) == 451


async def test_where_slack_does_not_say_whose_channels_they_are_nothing_is_shown() -> None:
    async with open_workspace(look=looks(C1=SECRET)) as workspace:
        workspace.fake.members = {"U1": [{"id": "C1", "name": "board"}]}
        workspace.fake.mishaps = [("users.conversations", "missing_scope")]
        await workspace.send(*as_json(event(opened_home())))
        await workspace.slack.drain()
        assert workspace.fake.homes == []


async def test_only_the_home_tab_is_drawn() -> None:
    async with open_workspace() as workspace:
        await workspace.send(*as_json(event(opened_home(tab="messages"))))
        await workspace.slack.drain()
        assert workspace.fake.homes == []


async def test_opened_again_and_again_while_it_is_drawn_it_is_drawn_once() -> None:
    look = Looks()
    async with open_workspace(look=look) as workspace:
        for number in range(20):
            await workspace.send(*as_json(event(opened_home(), f"Ev{number}")))
        look.free.set()
        await workspace.slack.drain()
        assert len(workspace.fake.homes) == 1


async def test_look_again_draws_it_anew() -> None:
    async with open_workspace(look=looks()) as workspace:
        await look_at_home(workspace)
        await workspace.send(*payload(press_at_home(AGAIN)))
        await workspace.slack.drain()
        assert len(workspace.fake.homes) == 2


async def test_a_watch_is_added_for_a_channel_that_is_chosen_and_the_page_says_what_came_of_it() -> None:
    async with open_workspace(look=looks(C5=Card("#mail: 1 watch"))) as workspace:
        workspace.fake.members = {"U1": [{"id": "C5", "name": "mail"}]}
        await workspace.send(*payload(press_at_home(ADD)))
        await workspace.slack.drain()
        view = (await workspace.fake.shown_form())["view"]
        await workspace.send(*payload(submitted(view, {"targets": "203.0.113.5", "channel": "C5"})))
        await workspace.work()
        [ask] = workspace.commands.asked
        assert (ask.room.channel, ask.user, ask.text) == ("C5", "U1", "watch 203.0.113.5 as mta")
        [home] = workspace.fake.homes
        text = json.dumps(home["view"], ensure_ascii=False)
        assert text.index("on Example List") < text.index("#mail: 1 watch")
        assert workspace.fake.said == []


async def test_a_form_that_slack_did_not_open_is_said_on_the_page() -> None:
    async with open_workspace(look=looks()) as workspace:
        workspace.fake.mishaps = [("views.open", "expired_trigger_id")]
        await workspace.send(*payload(press_at_home(ADD)))
        await workspace.slack.drain()
        assert "press the button again" in json.dumps(workspace.fake.homes[-1])


# How it is drawn


def test_it_takes_no_more_room_than_slack_gives_and_says_so() -> None:
    """Channels that do not fit are left out whole; what is said of the lists is never pushed out."""
    watched = [Watched(quiet(n), f"#c{n // 30:02}") for n in range(600)]
    overview = Overview(watched_sections(watched, NOW), (Section("Blocklists", (Card("58 of 58 lists"),)),))
    view = home_view(overview, NOW)
    assert home_faults(view) == []
    assert len(view["blocks"]) <= MOST_BLOCKS
    assert {MORE, "58 of 58 lists"} <= set(_texts(view))


def test_every_watch_of_a_person_is_said_with_its_state_and_next_look() -> None:
    sections = watched_sections([Watched(quiet(), "#mail"), Watched(listed(), "#mail")], NOW)
    text = " ".join(_texts(home_view(Overview(sections), NOW)))
    for words in (
        "1 incident is open",
        f"{quiet().watch.subject}: all good",
        "Every 1h · Next look 07:10 UTC",
        "Nothing is muted",
    ):
        assert words in text, words


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_inert_everywhere_on_it(text: str) -> None:
    card = Card(text, Tone.BAD, text, (Line(text, Tone.BAD, text, text),), (Fact(text, text),), footnote=text)
    table = Card(text, table=Table((text, text, text), ((text, text, text),)), buttons=(Button(text, text),))
    view = home_view(Overview((Section(text, (card, table)),), (Section(text, (card,)),)), AT, card)
    assert home_faults(view) == []
    pressed = [
        element["action_id"] for block in view["blocks"] if block["type"] == "actions" for element in block["elements"]
    ]
    assert pressed == [ADD, AGAIN]


def _texts(part: object) -> list[str]:
    if isinstance(part, dict):
        return [part["text"]] if isinstance(part.get("text"), str) else _texts(list(part.values()))
    return [text for inner in part for text in _texts(inner)] if isinstance(part, list) else []
