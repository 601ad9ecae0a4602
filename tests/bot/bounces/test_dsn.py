"""Delivery reports (RFC 3464): every refused recipient once, from the delivery-status part."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.bounces.dsn import parse_report
from bot.bounces.mail_log import find_bounces

REPORT = """\
From: MAILER-DAEMON@mail.example.org
To: b@example.org
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=b"

--=b
Content-Type: text/plain

<a@example.com>: host mx.example.com[198.51.100.1] said: 554 5.7.1 Service unavailable

--=b
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.org
Arrival-Date: Tue, 24 Nov 2026 07:40:11 +0000

Final-Recipient: rfc822; a@example.com
Action: failed
Status: 5.7.1
Remote-MTA: dns; mx.example.com
Diagnostic-Code: smtp; 554 5.7.1 Service unavailable; Client host
    [203.0.113.5] blocked using zen.spamhaus.org

Final-Recipient: rfc822; c@gmail.example
Action: delayed
Status: 4.7.27
Remote-MTA: dns; gmail-smtp-in.l.google.com
Diagnostic-Code: smtp; 421-4.7.27 rate limited

Final-Recipient: rfc822; d@example.net
Action: delivered
Status: 2.0.0

--=b
Content-Type: message/rfc822

Subject: 550 is in the subject

550 5.1.1 user unknown
--=b--
"""


def test_dsn_gives_each_refused_recipient_once() -> None:
    results = list(find_bounces(REPORT.splitlines()))
    assert [(bounce.category, bounce.list, bounce.receiver) for bounce in results] == [
        ("blocklist", "spamhaus-zen", "example.com"),
        ("spf", "gmail", "Gmail"),
    ]
    assert results[0].ip == "203.0.113.5"


def test_dsn_status_without_diagnostic_is_enough() -> None:
    text = REPORT.replace(
        (
            "Diagnostic-Code: smtp; 554 5.7.1 Service unavailable; Client host\n    [203.0.113.5]"
            " blocked using zen.spamhaus.org\n"
        ),
        "",
    )
    assert [bounce.enhanced_code for _, bounce in parse_report(text)] == ["5.7.1", "4.7.27"]


@pytest.mark.parametrize(
    "text",
    [
        "Content-Type: multipart/report; boundary=b\n\nno parts at all, 550 5.1.1 user unknown",
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n550 5.1.1 user unknown",
    ],
)
def test_dsn_without_status_part_is_read_as_lines(text: str) -> None:
    assert [bounce.category for bounce in find_bounces(text.splitlines())] == ["mailbox"]


def test_dsn_deep_nesting_is_not_parsed() -> None:
    nested = (
        "Content-Type: multipart/report; boundary=b\n\n" + "--b\nContent-Type: multipart/mixed; boundary=b\n\n" * 5_000
    )
    assert parse_report(nested) == []
    assert list(find_bounces(nested.splitlines())) == []


@given(st.text(max_size=400), st.integers(0, len(REPORT)), st.integers(0, len(REPORT)))
@settings(max_examples=150, deadline=None)
def test_dsn_damaged_report_never_raises(noise: str, start: int, end: int) -> None:
    list(find_bounces((REPORT[: min(start, end)] + noise + REPORT[max(start, end) :]).splitlines()))
