from __future__ import annotations

import pytest

from bot.bounces.mail_log import bounces, sum_up, summarise
from bot.bounces.message_headers import read_headers
from handlers.commands import read_check
from handlers.message import Card, Tone
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


def test_a_bounce_says_whose_fault_it_is_and_whether_it_is_a_policy_block() -> None:
    facts = {fact.label: fact.value for fact in card_of(LISTED).facts}
    assert facts == {
        "Whose fault": "the sender's",
        "Your address": "192.0.2.66",
        "List": "Spamhaus ZEN",
        "Policy block (PBL)": "no",
        "Code": "550 5.7.1",
    }
    policy = {fact.label: fact.value for fact in card_of("550 5.7.1 192.0.2.66 is listed by the Spamhaus PBL").facts}
    assert policy["Policy block (PBL)"].startswith("yes")
    assert "Policy block (PBL)" not in {fact.label for fact in card_of("550 5.1.1 no such user").facts}


def test_a_log_is_summed_up_with_its_causes_as_bars() -> None:
    log = [LISTED] * 10 + ["452 4.2.2 mailbox full"] * 5
    card = bounces_card(list(bounces(log, every_reply=True)), summarise(log))
    assert card.title == "15 refusals in 15 lines"
    assert card.sketch is not None
    assert list(card.sketch.lines) == [
        "blocklist: Spamhaus ZEN  " + "█" * 20 + "     10",
        "mailbox                  " + "█" * 10 + " " * 10 + "      5",
    ]


def test_rare_causes_are_counted_together_and_no_bar_is_lost() -> None:
    codes = (LISTED, "550 5.1.1 no such user", "450 4.2.0 greylisted", "554 5.7.1 relay access denied")
    _, summary = sum_up([code for number, code in enumerate(codes) for _ in range(1 + 999 * (number == 0))], most=2)
    card = bounces_card([], summary)
    assert card.sketch is not None
    assert [line.split()[-1] for line in card.sketch.lines] == ["1,000", "1", "2"]
    assert card.sketch.lines[1].count("█") == 1
    assert card.sketch.lines[2].startswith("everything else")


def test_every_refused_address_is_one_press_from_its_check_and_all_are_too() -> None:
    log = [LISTED.replace("192.0.2.66", f"192.0.2.{number}") for number in range(1, 30)]
    commands = [button.command for button in bounces_card([], summarise(log)).buttons]
    assert commands[0] == "check " + " ".join(f"192.0.2.{number}" for number in range(1, 9))
    assert commands[1:] == [f"check 192.0.2.{number}" for number in range(1, 9)]
    assert len(read_check(commands[0].removeprefix("check ")).orders) == 8


def test_a_log_without_refusals_says_which_lines_to_paste() -> None:
    card = bounces_card([], summarise(["all is well", "nothing to see"]))
    assert (card.title, card.buttons) == ("No refusal in 2 lines", ())
    assert "bounced, deferred or rejected" in card.step


def test_the_way_of_a_message_names_the_address_that_left_and_offers_its_check() -> None:
    card = path_card(read_headers(HEADER))
    assert card.title == "The message left its organisation from 192.0.2.25"
    assert [button.command for button in card.buttons] == ["check 192.0.2.25 example.com"]
    assert card.tone is Tone.GOOD
    assert card.sketch is not None
    assert list(card.sketch.lines) == [
        "laptop [10.0.0.7]",
        "  │ ESMTPSA, encrypted, signed in",
        "mail.example.com [192.0.2.25]  ◄ left here",
        "  │ ESMTPS, encrypted, 2 s",
        "mx.example.net",
    ]


def test_what_the_receiver_found_out_is_explained_with_its_tone() -> None:
    header = HEADER.replace(
        "spf=pass smtp.mailfrom=example.com", "spf=pass smtp.mailfrom=example.com; dkim=fail header.d=example.com"
    )
    lines = path_card(read_headers(header)).lines
    assert [line.tone for line in lines[1:3]] == [Tone.GOOD, Tone.BAD]
    assert lines[2].text.startswith("DKIM failed")


def test_text_that_is_no_header_is_said_to_be_none() -> None:
    assert path_card(read_headers("hello")).tone is Tone.WARN
