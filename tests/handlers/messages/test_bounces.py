from __future__ import annotations

import pytest

from bot.bounces.mail_log import find_bounces, summarize_with_examples
from bot.bounces.message_headers import analyze_headers
from handlers.commands import read_check
from handlers.message import Card, Tone
from handlers.messages import bounce_card, log_card, route_card

LISTED = "550 5.7.1 Service unavailable; client host [192.0.2.66] blocked using zen.spamhaus.org"
RESOLVER = (
    "554 5.7.1 blocked using zen.spamhaus.org; Error: open resolver; https://www.spamhaus.org/returnc/pub/198.51.100.53"
)
HEADER = (
    "Authentication-Results: mx.example.net; spf=pass smtp.mailfrom=example.com\n"
    "Received: from mail.example.com (mail.example.com [192.0.2.25]) by mx.example.net with ESMTPS;"
    " Tue, 24 Nov 2026 06:00:02 +0000\n"
    "Received: from laptop (unknown [10.0.0.7]) by mail.example.com with ESMTPSA;"
    " Tue, 24 Nov 2026 06:00:00 +0000\n"
    "Return-Path: <ada@example.com>\n"
    "From: Ada <ada@example.com>\n"
)


def card_of(line: str) -> Card:
    (bounce,) = find_bounces([line])
    return bounce_card(bounce)


@pytest.mark.parametrize(("line", "tone"), [(LISTED, Tone.BAD), (RESOLVER, Tone.WARN)])
def test_bounce_card_tone_follows_side(line: str, tone: Tone) -> None:
    card = card_of(line)
    assert (card.tone, bool(card.step)) == (tone, True)
    assert card.lines[0].quote == line


def test_bounce_card_has_check_button_for_its_address() -> None:
    assert "check 192.0.2.66" in [button.command for button in card_of(LISTED).buttons]


def test_bounce_card_shows_side_and_policy_block() -> None:
    facts = {fact.label: fact.value for fact in card_of(LISTED).facts}
    assert facts == {
        "Fix on": "your side",
        "Your address": "192.0.2.66",
        "List": "Spamhaus ZEN",
        "Policy block (PBL)": "not known from this line: ZEN combines SBL, XBL and PBL; the check tells them apart",
        "Code": "550 5.7.1",
    }
    policy = {fact.label: fact.value for fact in card_of("550 5.7.1 192.0.2.66 is listed by the Spamhaus PBL").facts}
    assert policy["Policy block (PBL)"].startswith("yes")
    assert "Policy block (PBL)" not in {fact.label for fact in card_of("550 5.1.1 no such user").facts}


def test_log_card_shows_causes_as_bars() -> None:
    log = [LISTED] * 10 + ["452 4.2.2 mailbox full"] * 5
    card = log_card(list(find_bounces(log)), summarize_with_examples(log)[1])
    assert card.title == "15 messages not delivered; 10 of them: blocklist (Spamhaus ZEN)"
    assert card.text_block is not None
    assert list(card.text_block.lines) == [
        "blocklist (Spamhaus ZEN)  " + "█" * 20 + "     10",
        "mailbox full              " + "█" * 10 + " " * 10 + "      5",
    ]


def test_log_card_merges_rare_causes() -> None:
    codes = (LISTED, "550 5.1.1 no such user", "450 4.2.0 greylisted", "554 5.7.1 relay access denied")
    _, summary = summarize_with_examples(
        [code for number, code in enumerate(codes) for _ in range(1 + 999 * (number == 0))], limit=2
    )
    card = log_card([], summary)
    assert card.text_block is not None
    assert [line.split()[-1] for line in card.text_block.lines] == ["1,000", "1", "2"]
    assert card.text_block.lines[1].count("█") == 1
    assert card.text_block.lines[2].startswith("everything else")


def test_log_card_has_check_buttons_for_each_address_and_all() -> None:
    log = [LISTED.replace("192.0.2.66", f"192.0.2.{number}") for number in range(1, 30)]
    commands = [button.command for button in log_card([], summarize_with_examples(log)[1]).buttons]
    assert commands[0] == "check " + " ".join(f"192.0.2.{number}" for number in range(1, 9))
    assert commands[1:] == [f"check 192.0.2.{number}" for number in range(1, 9)]
    assert len(read_check(commands[0].removeprefix("check ")).requests) == 8


def test_log_card_without_refusals_explains_what_to_paste() -> None:
    card = log_card(*summarize_with_examples(["all is well", "nothing to see"]))
    assert (card.title, card.buttons) == ("No refusal in 2 lines", ())
    assert "bounced, deferred or rejected" in card.step


def test_route_card_names_egress_address_and_offers_check() -> None:
    card = route_card(analyze_headers(HEADER))
    assert card.title == "The message left its organization from 192.0.2.25"
    assert [button.command for button in card.buttons] == ["check 192.0.2.25 example.com"]
    assert card.tone is Tone.GOOD
    assert card.text_block is not None
    assert list(card.text_block.lines) == [
        "laptop [10.0.0.7]  (claimed)",
        "  │ ESMTPSA, TLS, authenticated",
        "mail.example.com [192.0.2.25]  ◄ egress",
        "  │ ESMTPS, TLS, 2 s",
        "mx.example.net",
    ]


def test_route_card_shows_authentication_results_with_tones() -> None:
    header = HEADER.replace(
        "spf=pass smtp.mailfrom=example.com", "spf=pass smtp.mailfrom=example.com; dkim=fail header.d=example.com"
    )
    lines = route_card(analyze_headers(header)).lines
    assert [line.tone for line in lines[1:3]] == [Tone.GOOD, Tone.BAD]
    assert lines[2].text.startswith("DKIM failed")


def test_route_card_of_text_without_header_warns() -> None:
    assert route_card(analyze_headers("hello")).tone is Tone.WARN
