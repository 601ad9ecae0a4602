from __future__ import annotations

import pytest

from bot.bounces.headers import read_headers
from bot.bounces.logs import bounces, summarise
from handlers.card import Card, Tone
from handlers.messages import bounce_card, bounces_card, path_card

LISTED = "550 5.7.1 Service unavailable; client host [192.0.2.66] blocked using zen.spamhaus.org"
RESOLVER = (
    "554 5.7.1 blocked using zen.spamhaus.org; Error: open resolver; https://www.spamhaus.org/returnc/pub/198.51.100.53"
)
HEADER = (
    "Received: from mail.example.com (mail.example.com [192.0.2.25]) by mx.example.net with ESMTPS;"
    " Tue, 24 Nov 2026 06:00:02 +0000\n"
    "Received: from laptop (unknown [10.0.0.7]) by mail.example.com with ESMTPSA; Tue, 24 Nov 2026 06:00:00 +0000\n"
    "Authentication-Results: mx.example.net; spf=pass smtp.mailfrom=example.com\n"
    "Return-Path: <ada@example.com>\n"
    "From: Ada <ada@example.com>\n"
)


def card_of(line: str) -> Card:
    (bounce,) = bounces([line], every_reply=True)
    return bounce_card(bounce)


@pytest.mark.parametrize(("line", "tone"), [(LISTED, Tone.BAD), (RESOLVER, Tone.WARN)])
def test_the_mark_says_whose_fault_it_is(line: str, tone: Tone) -> None:
    card = card_of(line)
    assert (card.tone, bool(card.step)) == (tone, True)
    assert card.lines[0].quote == line


def test_the_address_of_a_bounce_is_one_press_from_its_check() -> None:
    assert "check 192.0.2.66" in [button.command for button in card_of(LISTED).buttons]


def test_a_log_is_summed_up_with_its_causes_as_bars() -> None:
    log = [LISTED] * 10 + ["452 4.2.2 mailbox full"] * 5
    card = bounces_card(list(bounces(log, every_reply=True)), summarise(log))
    assert card.title == "15 refusals in 15 lines"
    assert card.table is not None
    assert [(row[0], len(row[1]), row[2]) for row in card.table.rows] == [
        ("blocklist: spamhaus-zen", 20, "10"),
        ("mailbox", 10, "5"),
    ]


def test_the_way_of_a_message_names_the_address_that_left_and_offers_its_check() -> None:
    card = path_card(read_headers(HEADER))
    assert card.title.startswith("192.0.2.25 is where the message left")
    assert [button.command for button in card.buttons] == ["check 192.0.2.25 example.com"]
    assert card.tone is Tone.GOOD
    assert card.table is not None
    assert [row[4] for row in card.table.rows] == ["–", "2 s"]


def test_text_that_is_no_header_is_said_to_be_none() -> None:
    assert path_card(read_headers("hello")).tone is Tone.WARN
