"""Commands, buttons and messages in the web chat."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import httpx
import pytest

from bot.demo import run_demo
from handlers.charts import Bar, Row, RowKind, Timeline
from handlers.commands import VERBS
from handlers.message import Button, Card, Chart, Tone
from handlers.ports import Channel, ChannelUnavailable, MessageNotFound, MessagePoster, Platform
from handlers.request_dispatcher import SLOW_NOTE
from handlers.web.app import without_prefix
from handlers.web.message_log import MAX_MESSAGES
from handlers.web.pages import MAX_TEXT, command_from_form
from tests.handlers.web.conftest import BROKEN, SAME_ORIGIN, WebChatFixture, build_chat, csrf_token, submit_form

ALERTS_CHANNEL = Channel("web", "local", "alerts")
MAIL_CHANNEL = Channel("web", "local", "mail")
MORNING = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
SVG_ELEMENTS = {"svg", "title", "rect", "text"}


async def page_html(visitor: httpx.AsyncClient, path: str = "/c/mail") -> str:
    return (await visitor.get(path)).text


async def test_empty_channel_page_shows_examples(page: httpx.AsyncClient) -> None:
    html = await page_html(page)
    assert "Is this address on a blocklist?" in html
    assert 'value="lists"' in html


async def test_command_answer_is_public(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    assert (await submit_form(page, "/c/mail", "/mailcheck 192.0.2.25 example.com")).headers["location"] == "/c/mail"
    await chat.wait_answered()
    async with chat.open_browser() as other_browser:
        html = await page_html(other_browser)
    assert "192.0.2.25 example.com: all good" in html
    assert "Guest" in html
    assert "<b>You</b>" in await page_html(page)
    [request] = chat.commands.requests
    assert (request.channel, request.command) == (MAIL_CHANNEL, VERBS.parse("192.0.2.25 example.com"))


@pytest.mark.parametrize("typed", ["192.0.2.25 private", "private 192.0.2.25", "lists"])
async def test_private_answer_is_visible_only_to_author(
    typed: str, chat: WebChatFixture, page: httpx.AsyncClient
) -> None:
    await submit_form(page, "/c/mail", typed)
    await chat.wait_answered()
    assert "all good" in await page_html(page)
    assert "Only you see this" in await page_html(page)
    async with chat.open_browser() as other_browser:
        assert "all good" not in await page_html(other_browser)


async def test_immediate_answer_runs_no_command(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    await submit_form(page, "/c/mail", "help")
    assert "What mailcheck can do" in await page_html(page)
    assert chat.commands.requests == []


async def test_slow_command_shows_progress_until_answer(chat: WebChatFixture) -> None:
    slow = build_chat(progress_after=0)
    slow.commands.released.clear()
    async with slow.open_browser() as visitor:
        await submit_form(visitor, "/c/mail", "example.com")
        # Events 1 and 2 are the command and its acknowledgement; wait for the progress edit.
        with slow.web.message_log.subscribe(2) as (missed, subscriber):
            assert missed or await subscriber.queue.get()
        html = await page_html(visitor)
        assert SLOW_NOTE in html
        assert '<meta http-equiv="refresh"' in html
        slow.commands.released.set()
        await slow.wait_answered()
        html = await page_html(visitor)
    assert "example.com: all good" in html
    assert SLOW_NOTE not in html
    assert "refresh" not in html
    assert len(slow.web.message_log.channel_log("mail").messages) == 2


async def test_failing_command_shows_error_card(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    await submit_form(page, "/c/mail", BROKEN)
    await chat.wait_answered()
    html = await page_html(page)
    assert "Internal error, logged" in html


async def test_too_many_concurrent_checks_are_refused(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    chat.commands.released.clear()
    visitor = "somebody"
    for number in range(201):
        chat.web.receive("mail", "", visitor, f"host{number}.example")
    last_message = list(chat.web.message_log.channel_log("mail").messages.values())[-1]
    assert last_message.card
    assert last_message.card.title.startswith("Too many checks are under way")
    chat.commands.released.set()
    await chat.wait_answered()


async def test_live_form_post_returns_no_content(page: httpx.AsyncClient) -> None:
    data = {"csrf": await csrf_token(page), "text": "help"}
    assert (await page.post("/c/mail", data=data, headers=SAME_ORIGIN | {"x-live": "yes"})).status_code == 204


async def test_blank_text_posts_nothing(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    await submit_form(page, "/c/mail", "   ")
    assert chat.web.message_log.channel_log("mail").messages == {}


async def test_text_over_limit_is_refused(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    answer = await submit_form(page, "/c/mail", "x" * (MAX_TEXT + 1))
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
def test_form_fields_become_command(form: Sequence[tuple[str, str]], command: str) -> None:
    assert command_from_form(form) == command


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("/mailcheck 192.0.2.1", "192.0.2.1"),
        ("@mailcheck: 192.0.2.1 private", "192.0.2.1 private"),
        ("/MailCheck", ""),
        ("/mailchecker.example", "/mailchecker.example"),
        (" bounce 550 5.7.1\n  refused ", "bounce 550 5.7.1\n  refused"),
    ],
)
def test_command_prefix_is_stripped(text: str, typed: str) -> None:
    assert without_prefix(text) == typed


async def test_alert_root_is_edited_and_reply_is_threaded(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    web = chat.web
    root = await web.post(
        ALERTS_CHANNEL, Card("Listed", Tone.BAD, buttons=(Button("Acknowledge", "ack 5c1f"),)), key="a1"
    )
    await web.post(ALERTS_CHANNEL, Card("One more list"), thread=root, key="a2")
    await web.update(ALERTS_CHANNEL, root, Card("Was listed", Tone.GOOD))
    channel, thread = (await page_html(page, "/c/alerts"), await page_html(page, f"/c/alerts/t/{root}"))
    assert ("Was listed" in channel, "Listed<" in channel, "One more list" in channel) == (True, False, False)
    assert "1 reply" in channel
    assert "One more list" in thread


async def test_command_in_thread_answers_in_thread(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    root = await chat.web.post(ALERTS_CHANNEL, Card("Listed"), key="a1")
    await submit_form(page, f"/c/alerts/t/{root}", "example.com")
    await chat.wait_answered()
    assert "example.com: all good" not in await page_html(page, "/c/alerts")
    assert "example.com: all good" in await page_html(page, f"/c/alerts/t/{root}")


async def test_broadcast_reply_is_in_channel(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    root = await chat.web.post(ALERTS_CHANNEL, Card("Listed"))
    await chat.web.post(ALERTS_CHANNEL, Card("Clear again"), thread=root, broadcast=True)
    assert "Clear again" in await page_html(page, "/c/alerts")


async def test_find_matches_key_time_and_thread(chat: WebChatFixture) -> None:
    web, began = chat.web, chat.clock.at
    root = await web.post(ALERTS_CHANNEL, Card("Listed"), key="a1")
    reply = await web.post(ALERTS_CHANNEL, Card("More"), thread=root, key="a2")
    assert await web.find(ALERTS_CHANNEL, "a1", began) == root
    assert await web.find(ALERTS_CHANNEL, "a2", began, root) == reply
    assert await web.find(ALERTS_CHANNEL, "a3", began) is None
    assert await web.find(ALERTS_CHANNEL, "a1", began + timedelta(seconds=5)) is None
    assert await web.find(ALERTS_CHANNEL, "a1", began, root) is None


async def test_notify_user_is_visible_only_to_user(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    await submit_form(page, "/c/mail", "help")
    person = next(iter(chat.web.message_log.channel_log("mail").messages.values())).author
    await chat.web.notify_user(Channel("web", "local", "mail"), person, Card("For you alone"))
    assert "For you alone" in await page_html(page)
    async with chat.open_browser() as other_browser:
        assert "For you alone" not in await page_html(other_browser)


@pytest.mark.parametrize("channel", ["nowhere", ""])
async def test_post_to_unknown_channel_raises(channel: str, chat: WebChatFixture) -> None:
    with pytest.raises(ChannelUnavailable):
        await chat.web.post(Channel("web", "local", channel), Card("x"))


async def test_unknown_message_id_raises(chat: WebChatFixture) -> None:
    with pytest.raises(MessageNotFound):
        await chat.web.update(ALERTS_CHANNEL, "1", Card("x"))
    with pytest.raises(MessageNotFound):
        await chat.web.post(ALERTS_CHANNEL, Card("x"), thread="1")


def test_web_chat_implements_platform(chat: WebChatFixture) -> None:
    platform: Platform = chat.web
    speaking: MessagePoster = chat.web
    assert platform is speaking
    assert platform.name == "web"


@pytest.mark.parametrize("path", ["/c/nowhere", "/c/mail/t/1", "/nothing", "/static/nothing.js", "/static/../app.py"])
async def test_unknown_path_returns_plain_404(path: str, page: httpx.AsyncClient) -> None:
    answer = await page.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/plain")
    assert len(answer.text) < 120


async def test_private_thread_is_404_for_others(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    await chat.web.notify_user(Channel("web", "local", "mail"), "somebody", Card("secret"))
    [message] = chat.web.message_log.channel_log("mail").messages
    assert (await page.get(f"/c/mail/t/{message}")).status_code == 404


async def test_truncated_channel_page_shows_note(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    for number in range(MAX_MESSAGES):
        await chat.web.post(ALERTS_CHANNEL, Card(f"alert {number}"))
    assert "Older messages are gone" not in await page_html(page, "/c/alerts")
    await chat.web.post(ALERTS_CHANNEL, Card("one more"))
    html = await page_html(page, "/c/alerts")
    assert f"Older messages are gone: the web chat keeps the last {MAX_MESSAGES}" in html


async def test_demo_switch_toggles() -> None:
    async with run_demo() as world:
        chat = build_chat(world)
        async with chat.open_browser() as visitor:
            assert "All of it is invented" in await page_html(visitor)
            answer = await submit_form(visitor, "/demo", switch="listed", on="yes", back="/c/alerts/t/1")
            assert answer.headers["location"] == "/c/alerts/t/1"
            assert [switch.name for switch in world.switches if switch.on] == ["listed"]
            assert 'aria-checked="true"' in await page_html(visitor)
            assert (await submit_form(visitor, "/demo", switch="gravity", on="yes")).status_code == 404
            answer = await submit_form(visitor, "/demo", switch="listed", on="", back="//evil.example")
            assert answer.headers["location"] == "/c/mail"
            assert not any(switch.on for switch in world.switches)


async def test_demo_switch_without_demo_is_404(page: httpx.AsyncClient) -> None:
    assert "Demo world" not in await page_html(page)
    assert (await submit_form(page, "/demo", switch="listed", on="yes")).status_code == 404


async def test_chart_is_served_as_light_and_dark_svg(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    hostile = '"><script>alert(1)</script>'
    row = Row(hostile, RowKind.LISTED, (Bar(MORNING, MORNING),))
    picture = Chart(Timeline(hostile, MORNING, MORNING, (row,)), hostile)
    message_id = await chat.web.post(MAIL_CHANNEL, Card("History", chart=picture))
    html = await page_html(page)
    assert (
        html.count(f'srcset="/c/mail/p/{message_id}/dark.svg"')
        == html.count(f'src="/c/mail/p/{message_id}/light.svg"')
        == 1
    )
    assert "<script>alert" not in html
    for paper in ("light", "dark"):
        image = await page.get(f"/c/mail/p/{message_id}/{paper}.svg")
        assert image.headers["content-type"].startswith("image/svg+xml")
        assert {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(image.text).iter()} == SVG_ELEMENTS
    assert (await page.get(f"/c/mail/p/{message_id}/other.svg")).status_code == 404


async def test_private_or_missing_chart_is_404(chat: WebChatFixture, page: httpx.AsyncClient) -> None:
    picture = Chart(Timeline("t", MORNING, MORNING), "alt")
    await chat.web.notify_user(MAIL_CHANNEL, "another person", Card("History", chart=picture))
    [private_message] = chat.web.message_log.channel_log("mail").messages
    message_without_chart = await chat.web.post(MAIL_CHANNEL, Card("Words"))
    for message in (private_message, message_without_chart, "1"):
        assert (await page.get(f"/c/mail/p/{message}/light.svg")).status_code == 404
