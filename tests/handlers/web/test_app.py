"""What is typed, pressed and told in the web chat."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import httpx
import pytest

from bot.demo import demo_world
from handlers.charts import Bar, Kind, Row, Timeline
from handlers.message import Button, Card, Picture, Tone
from handlers.ports import MessageGone, Platform, Room, RoomGone, Speaking
from handlers.request_dispatcher import STILL_AT_IT
from handlers.web.app import as_typed
from handlers.web.message_log import MOST_MESSAGES
from handlers.web.pages import LONGEST, command_of
from tests.handlers.web.conftest import OURS, Chat, chat_of, send, token

ALERTS = Room("web", "local", "alerts")
MAIL = Room("web", "local", "mail")
MORNING = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
DRAWN_WITH = {"svg", "title", "rect", "text"}


async def text_of(visitor: httpx.AsyncClient, path: str = "/c/mail") -> str:
    return (await visitor.get(path)).text


async def test_the_first_page_asks_the_question_and_shows_what_to_type(page: httpx.AsyncClient) -> None:
    html = await text_of(page)
    assert "Is this address on a blocklist?" in html
    assert 'value="lists"' in html


async def test_what_is_typed_is_answered_for_all_to_see(chat: Chat, page: httpx.AsyncClient) -> None:
    assert (await send(page, "/c/mail", "/mailcheck 192.0.2.25 example.com")).headers["location"] == "/c/mail"
    await chat.settle()
    async with chat.visitor() as other:
        html = await text_of(other)
    assert "192.0.2.25 example.com: all good" in html
    assert "Guest" in html
    assert "<b>You</b>" in await text_of(page)
    [ask] = chat.commands.asked
    assert (ask.room, ask.text, ask.private) == (Room("web", "local", "mail"), "192.0.2.25 example.com", False)


@pytest.mark.parametrize("typed", ["192.0.2.25 private", "private 192.0.2.25", "lists"])
async def test_a_private_answer_is_seen_by_one(typed: str, chat: Chat, page: httpx.AsyncClient) -> None:
    await send(page, "/c/mail", typed)
    await chat.settle()
    assert "all good" in await text_of(page)
    assert "Only you see this" in await text_of(page)
    async with chat.visitor() as other:
        assert "all good" not in await text_of(other)


async def test_an_answer_at_once_needs_no_work(chat: Chat, page: httpx.AsyncClient) -> None:
    await send(page, "/c/mail", "help")
    assert "What mailcheck can do" in await text_of(page)
    assert chat.commands.asked == []


async def test_what_takes_long_says_so_in_the_place_of_the_answer(chat: Chat) -> None:
    slow = chat_of(progress_after=0)
    slow.commands.free.clear()
    async with slow.visitor() as visitor:
        await send(visitor, "/c/mail", "example.com")
        with slow.web.channels.listening(2) as (
            edited,
            listener,
        ):  # what was typed is the first news, the answer's place the second
            assert edited or await listener.news.get()
        html = await text_of(visitor)
        assert STILL_AT_IT in html
        assert '<meta http-equiv="refresh"' in html
        slow.commands.free.set()
        await slow.settle()
        html = await text_of(visitor)
    assert "example.com: all good" in html
    assert STILL_AT_IT not in html
    assert "refresh" not in html
    assert len(slow.web.channels.room("mail").messages) == 2


async def test_a_verb_that_breaks_is_a_calm_sentence(chat: Chat, page: httpx.AsyncClient) -> None:
    await send(page, "/c/mail", "broken")
    await chat.settle()
    html = await text_of(page)
    assert "Something broke here, and it is logged" in html
    assert "RuntimeError" not in html


async def test_too_many_checks_at_once_are_refused_in_a_sentence(chat: Chat, page: httpx.AsyncClient) -> None:
    chat.commands.free.clear()
    visitor = "somebody"
    for number in range(201):
        chat.web.hear("mail", "", visitor, f"host{number}.example")
    last = list(chat.web.channels.room("mail").messages.values())[-1]
    assert last.card
    assert last.card.title.startswith("Too many checks are under way")
    chat.commands.free.set()
    await chat.settle()


async def test_with_script_a_form_gets_no_page_back(page: httpx.AsyncClient) -> None:
    data = {"csrf": await token(page), "text": "help"}
    assert (await page.post("/c/mail", data=data, headers=OURS | {"x-live": "yes"})).status_code == 204


async def test_nothing_typed_is_nothing_said(chat: Chat, page: httpx.AsyncClient) -> None:
    await send(page, "/c/mail", "   ")
    assert chat.web.channels.room("mail").messages == {}


async def test_a_text_without_end_is_refused_with_the_limit(chat: Chat, page: httpx.AsyncClient) -> None:
    answer = await send(page, "/c/mail", "x" * (LONGEST + 1))
    assert (answer.status_code, "20,000 characters" in answer.text) == (413, True)


@pytest.mark.parametrize(
    ("form", "command"),
    [
        ([("csrf", "x"), ("text", "mute 5c1f"), ("text", "4h")], "mute 5c1f 4h"),
        (
            [("text", "watch"), ("text", "192.0.2.0/28"), ("every", "1h"), ("as", "mta"), ("name", " HQ egress ")],
            "watch 192.0.2.0/28 every 1h as mta name HQ egress",
        ),
        ([("text", "watch"), ("text", "example.com"), ("every", ""), ("name", "")], "watch example.com"),
        ([("rm", "-rf"), ("text", "")], ""),
    ],
)
def test_a_form_is_a_typed_command(form: Sequence[tuple[str, str]], command: str) -> None:
    assert command_of(form) == command


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("/mailcheck 192.0.2.1", ("192.0.2.1", False)),
        ("@mailcheck: 192.0.2.1 private", ("192.0.2.1", True)),
        ("/MailCheck", ("", False)),
        ("private", ("", True)),
        ("privateer.example", ("privateer.example", False)),
        ("/mailchecker.example", ("/mailchecker.example", False)),
        (" bounce 550 5.7.1\n  refused ", ("bounce 550 5.7.1\n  refused", False)),
    ],
)
def test_what_stands_before_a_command_elsewhere_is_taken_off(text: str, typed: tuple[str, bool]) -> None:
    assert as_typed(text) == typed


async def test_an_alert_has_its_thread_and_its_root_is_edited_in_place(chat: Chat, page: httpx.AsyncClient) -> None:
    web = chat.web
    root = await web.post(ALERTS, Card("Listed", Tone.BAD, buttons=(Button("Acknowledge", "ack 5c1f"),)), key="a1")
    await web.post(ALERTS, Card("One more list"), thread=root, key="a2")
    await web.update(ALERTS, root, Card("Was listed", Tone.GOOD))
    channel, thread = await text_of(page, "/c/alerts"), await text_of(page, f"/c/alerts/t/{root}")
    assert ("Was listed" in channel, "Listed<" in channel, "One more list" in channel) == (True, False, False)
    assert "1 reply" in channel
    assert "One more list" in thread


async def test_a_button_in_a_thread_is_answered_there(chat: Chat, page: httpx.AsyncClient) -> None:
    root = await chat.web.post(ALERTS, Card("Listed"), key="a1")
    await send(page, f"/c/alerts/t/{root}", "example.com")
    await chat.settle()
    assert "example.com: all good" not in await text_of(page, "/c/alerts")
    assert "example.com: all good" in await text_of(page, f"/c/alerts/t/{root}")


async def test_a_broadcast_is_seen_in_the_channel_too(chat: Chat, page: httpx.AsyncClient) -> None:
    root = await chat.web.post(ALERTS, Card("Listed"))
    await chat.web.post(ALERTS, Card("Clear again"), thread=root, broadcast=True)
    assert "Clear again" in await text_of(page, "/c/alerts")


async def test_a_message_is_found_by_its_key_where_and_when_it_was_said(chat: Chat) -> None:
    web, began = chat.web, chat.clock.at
    root = await web.post(ALERTS, Card("Listed"), key="a1")
    reply = await web.post(ALERTS, Card("More"), thread=root, key="a2")
    assert await web.find(ALERTS, "a1", began) == root
    assert await web.find(ALERTS, "a2", began, root) == reply
    assert await web.find(ALERTS, "a3", began) is None
    assert await web.find(ALERTS, "a1", began + timedelta(seconds=5)) is None
    assert await web.find(ALERTS, "a1", began, root) is None


async def test_what_is_told_to_one_person_is_seen_by_nobody_else(chat: Chat, page: httpx.AsyncClient) -> None:
    await send(page, "/c/mail", "help")
    person = next(iter(chat.web.channels.room("mail").messages.values())).author
    await chat.web.tell(Room("web", "local", "mail"), person, Card("For you alone"))
    assert "For you alone" in await text_of(page)
    async with chat.visitor() as other:
        assert "For you alone" not in await text_of(other)


@pytest.mark.parametrize("room", ["nowhere", ""])
async def test_a_room_that_is_none_is_gone(room: str, chat: Chat) -> None:
    with pytest.raises(RoomGone):
        await chat.web.post(Room("web", "local", room), Card("x"))


async def test_a_message_of_an_earlier_run_is_gone(chat: Chat) -> None:
    with pytest.raises(MessageGone):
        await chat.web.update(ALERTS, "1", Card("x"))
    with pytest.raises(MessageGone):
        await chat.web.post(ALERTS, Card("x"), thread="1")


def test_it_is_a_platform_that_may_speak(chat: Chat) -> None:
    platform: Platform = chat.web
    speaking: Speaking = chat.web
    assert platform is speaking
    assert platform.name == "web"


@pytest.mark.parametrize("path", ["/c/nowhere", "/c/mail/t/1", "/nothing", "/static/nothing.js", "/static/../app.py"])
async def test_what_is_not_here_is_said_in_a_sentence(path: str, page: httpx.AsyncClient) -> None:
    answer = await page.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/plain")
    assert len(answer.text) < 120


async def test_a_private_thread_is_not_there_for_others(chat: Chat, page: httpx.AsyncClient) -> None:
    await chat.web.tell(Room("web", "local", "mail"), "somebody", Card("secret"))
    [message] = chat.web.channels.room("mail").messages
    assert (await page.get(f"/c/mail/t/{message}")).status_code == 404


async def test_the_page_says_when_older_messages_are_gone(chat: Chat, page: httpx.AsyncClient) -> None:
    for number in range(MOST_MESSAGES):
        await chat.web.post(ALERTS, Card(f"alert {number}"))
    assert "Older messages are gone" not in await text_of(page, "/c/alerts")
    await chat.web.post(ALERTS, Card("one more"))
    html = await text_of(page, "/c/alerts")
    assert f"Older messages are gone: the web chat keeps the last {MOST_MESSAGES}" in html


async def test_a_switch_of_the_demo_is_marked_as_one_and_turned() -> None:
    async with demo_world() as world:
        chat = chat_of(world)
        async with chat.visitor() as visitor:
            assert "All of it is invented" in await text_of(visitor)
            answer = await send(visitor, "/demo", switch="listed", on="yes", back="/c/alerts/t/1")
            assert answer.headers["location"] == "/c/alerts/t/1"
            assert [switch.name for switch in world.switches if switch.on] == ["listed"]
            assert 'aria-checked="true"' in await text_of(visitor)
            assert (await send(visitor, "/demo", switch="gravity", on="yes")).status_code == 404
            answer = await send(visitor, "/demo", switch="listed", on="", back="//evil.example")
            assert answer.headers["location"] == "/c/mail"
            assert not any(switch.on for switch in world.switches)


async def test_without_a_demo_there_is_nothing_to_switch(page: httpx.AsyncClient) -> None:
    assert "Demo world" not in await text_of(page)
    assert (await send(page, "/demo", switch="listed", on="yes")).status_code == 404


async def test_a_picture_is_drawn_light_and_dark_for_whoever_sees_its_message(
    chat: Chat, page: httpx.AsyncClient
) -> None:
    hostile = '"><script>alert(1)</script>'
    row = Row(hostile, Kind.LISTED, (Bar(MORNING, MORNING),))
    picture = Picture(Timeline(hostile, MORNING, MORNING, (row,)), hostile)
    shown = await chat.web.post(MAIL, Card("History", picture=picture))
    html = await text_of(page)
    assert html.count(f'srcset="/c/mail/p/{shown}/dark.svg"') == html.count(f'src="/c/mail/p/{shown}/light.svg"') == 1
    assert "<script>alert" not in html
    for paper in ("light", "dark"):
        drawn = await page.get(f"/c/mail/p/{shown}/{paper}.svg")
        assert drawn.headers["content-type"].startswith("image/svg+xml")
        assert {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(drawn.text).iter()} == DRAWN_WITH
    assert (await page.get(f"/c/mail/p/{shown}/other.svg")).status_code == 404


async def test_a_picture_of_somebody_else_and_one_that_is_none_are_gone(chat: Chat, page: httpx.AsyncClient) -> None:
    picture = Picture(Timeline("t", MORNING, MORNING), "alt")
    await chat.web.tell(MAIL, "somebody else", Card("History", picture=picture))
    [theirs] = chat.web.channels.room("mail").messages
    plain = await chat.web.post(MAIL, Card("Words"))
    for message in (theirs, plain, "1"):
        assert (await page.get(f"/c/mail/p/{message}/light.svg")).status_code == 404
