"""Classification of refusals: a table of own lines, a corpus of real ones, and hostile input."""

from __future__ import annotations

import json
import re
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.bounces.classify import Bounce, bounce_to_json, explain
from bot.bounces.rule_files import CategoryName, Side
from bot.bounces.rules import load_rules
from tests.support.cpu_growth import LINEAR, cpu_growth
from tests.support.field_data import OWN_FOLDER

JSON_KEYS = [
    "line",
    "cause",
    "side",
    "direction",
    "category",
    "ip",
    "list",
    "receiver",
    "smtp_code",
    "enhanced_code",
    "advice_url",
    "says",
]
CATEGORIES, SIDES = get_args(CategoryName), get_args(Side)
TABLE = OWN_FOLDER / "bounces.txt"


def table() -> list[list[str]]:
    lines = (line for line in TABLE.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#"))
    return [line.split(" | ", 3) for line in lines]


@pytest.mark.parametrize(
    ("remote_host", "category", "expected_text"),
    [("gmail-smtp-in.l.google.com", "spf", "SPF"), ("mx.example.com", "other", "null MX"), (None, "other", "null MX")],
)
def test_explain_5727_meaning_depends_on_remote_host(
    remote_host: str | None, category: str, expected_text: str
) -> None:
    bounce = explain("550 5.7.27 Sender address not accepted", remote_host=remote_host)
    assert bounce.category == category
    assert expected_text in bounce.summary


def test_explain_blocked_resolver_is_not_a_listing() -> None:
    line = (
        "<a@example.com>: host mx.example.com[198.51.100.1] said: 554 5.7.1 Service"
        " unavailable; Client host [203.0.113.5] "
        "blocked using zen.spamhaus.org; Error: open resolver;"
        " https://check.spamhaus.org/returnc/pub/198.51.100.53/"
    )
    bounce = explain(line)
    assert (bounce.category, bounce.ip, bounce.side) == ("other", "203.0.113.5", "receiver")
    assert "says nothing about 203.0.113.5" in bounce.summary


def test_explain_ended_list_is_receiver_fault() -> None:
    bounce = explain("554 5.7.1 Service unavailable; Client host [203.0.113.5] blocked using dnsbl.sorbs.net")
    assert (bounce.list, bounce.side) == ("sorbs", "receiver")
    assert "has shut down" in bounce.summary


def test_explain_pbl_is_policy_block() -> None:
    bounce = explain("550 5.7.1 Client host [203.0.113.5] blocked using pbl.spamhaus.org")
    assert (bounce.category, bounce.list) == ("policy-block-pbl", "spamhaus-pbl")
    assert "not a bad reputation" in bounce.summary


def test_explain_domain_list_is_not_about_the_address() -> None:
    bounce = explain("550 5.7.1 Message from 203.0.113.5 contains a link listed in multi.surbl.org")
    assert "the sending address is not the problem" in bounce.summary


@pytest.mark.parametrize(
    ("line", "url"),
    [
        (
            "554 blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/203.0.113.5",
            "https://www.spamhaus.org/query/ip/203.0.113.5",
        ),
        ("554 203.0.113.5 listed at bl.spamcop.net", "https://www.spamcop.net/bl.shtml?203.0.113.5"),
        (
            "554 203.0.113.5 listed at bl.spamcop.net, see https://evil.example/bl",
            "https://www.spamcop.net/bl.shtml?203.0.113.5",
        ),
        ("554 Client host [mx] blocked using zen.spamhaus.org", "https://check.spamhaus.org/results/"),
        (
            "554 203.0.113.5 blocked, see https://check.spamhaus.org/results/?query=",
            "https://check.spamhaus.org/results/?query=203.0.113.5",
        ),
        ("550 no such user, see https://mail.i.ua.evil.example/x", None),
        ("550 no such user, see https://mail.i.ua@evil.example/x", None),
        ("550 no such user, see https://mail.i.ua:8443/x", None),
        ("550 no such user, see javascript://mail.i.ua/%0aalert(1)", None),
        ("550 no such user, see https://mail.i.ua/<b>|x", "https://mail.i.ua/"),
        ("550 no such user, see https://mail.i.ua/" + "a" * 400, None),
        ("550 5.1.1 no such user", None),
    ],
)
def test_explain_advice_url_has_known_host_only(line: str, url: str | None) -> None:
    assert explain(line).advice_url == url


def test_explain_delivery_report_fields_fill_gaps() -> None:
    bounce = explain("smtp; blocked", status="5.7.606", remote_host="example-com.mail.protection.outlook.com")
    assert (bounce.receiver, bounce.enhanced_code, bounce.list) == ("Microsoft 365", "5.7.606", "microsoft-365")


def test_explain_unknown_receiver_is_named_by_domain() -> None:
    line = (
        "to=<a@example.org>, relay=mx1.mail.example.net[198.51.100.1]:25, status=bounced (host"
        " mx1.mail.example.net[198.51.100.1] said: 550 no)"
    )
    assert explain(line).receiver == "example.net"


def test_explain_client_host_is_not_the_receiver() -> None:
    line = (
        "NOQUEUE: reject: RCPT from mail.google.com[203.0.113.5]: 554 5.7.1 <a@example.com>:"
        " Relay access denied; from=<b@gmail.com>"
    )
    bounce = explain(line)
    assert (bounce.category, bounce.receiver, bounce.ip) == ("relay", None, "203.0.113.5")


def test_bounce_to_json_has_exact_keys() -> None:
    assert list(bounce_to_json(explain("550 5.1.1 User unknown"))) == JSON_KEYS
    json.dumps(bounce_to_json(explain("550 \ud800 x")), allow_nan=False)


def test_codes_have_a_meaning_for_every_category() -> None:
    categories = load_rules().categories
    assert tuple(categories) == CATEGORIES
    assert all(category.meaning.endswith(".") for category in categories.values())


WORDS = sorted({word for line in table() for word in line[3].split()})
PIECES = st.one_of(
    st.sampled_from(WORDS),
    st.text(max_size=12),
    st.sampled_from(
        ["550", "5.7.1", "[203.0.113.5]", "::", "<", ">", "@", "{list}", "{}", "%s", "\x00", "\u202e", "https://"]
    ),
)


def assert_well_formed(bounce: Bounce) -> None:
    assert bounce.category in CATEGORIES
    assert bounce.side in SIDES
    assert bounce.summary.endswith(".")
    assert bounce.remediation.endswith(".")
    names = {listing.name for listing in load_rules().listings.entries} | {
        r.name for r in load_rules().receivers.entries
    }
    own_text = f"{bounce.summary} {bounce.remediation}".replace(bounce.ip or "\0", "")
    for name in sorted(names, key=len, reverse=True):
        own_text = own_text.replace(name, "")
    assert not re.search(r"[<>{}\[\]|`\x00-\x1f\u200b-\u202e]", own_text)
    assert not re.search(r"[\x00-\x1f\u202a-\u202e]", bounce.line)


@given(st.lists(PIECES, max_size=40).map(" ".join))
@settings(max_examples=400, deadline=None)
def test_explain_any_words_give_safe_sentences(line: str) -> None:
    assert_well_formed(explain(line))


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_explain_any_characters_give_a_result(line: str) -> None:
    assert_well_formed(explain(line))


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "<",
        "<a@",
        "1.2.3.4 ",
        "1.",
        ":",
        "::1 ",
        "550-",
        "550 5.7.1 ",
        "(in reply to ",
        "host a[1.2.3.4] ",
        "http://",
        "from=<",
        "\u0301",
        "H=a (",
        "blocked ",
        "client host [",
        "rcpt from a[",
        "ip * ",
    ],
)
def test_explain_line_takes_linear_time(piece: str) -> None:
    assert cpu_growth(explain, lambda length: piece * (length // len(piece)), 16_384) <= LINEAR
