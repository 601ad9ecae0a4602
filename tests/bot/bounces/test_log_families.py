"""Logs of every family: messages, directions and causes are counted exactly."""

from __future__ import annotations

import pytest

from bot.bounces.mail_log import find_bounces, summarize_with_examples
from tests.support.mail_logs import CLIENT, FAMILIES, LISTED, SENDER, Family, messages

MESSAGES = 400


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_log_of_family_is_counted_by_message_direction_and_cause(family: Family) -> None:
    truth = family.truth(messages(MESSAGES))
    _, summary = summarize_with_examples(family.lines(messages(MESSAGES)))
    counts = (summary.bounced, summary.deferred, summary.recovered, summary.sent, summary.refused_by_us)
    assert counts == (truth.bounced, truth.deferred, truth.recovered, truth.sent, truth.refused_by_us)
    assert {(cause.cause, cause.list): cause.messages for cause in summary.causes} == truth.causes
    assert not summary.at_least


TRACKING = "#Fields: date-time,source,event-id,message-id,recipient-address,recipient-status\n"
SENDMAIL = "Nov 24 07:40:11 mail sm-mta[9]: A1: to=<a@example.com>,<b@example.com>, mailer=esmtp, relay=mx.example.com."


@pytest.mark.parametrize(
    ("log", "causes"),
    [
        (f"{SENDMAIL} [198.51.100.1], dsn=5.1.1, stat=User unknown", ["mailbox-unknown"] * 2),
        (
            f"{SENDMAIL} [198.51.100.1], dsn=5.7.1, reply=550 5.7.1 {LISTED}, stat=Service unavailable",
            ["blocklist"] * 2,
        ),
        (
            f"{TRACKING}2026-11-24T07:40:11Z,SMTP,FAIL,<1@x>,a@example.com;b@example.com,"
            '"[{LED=550 5.1.1 User unknown};{IP=198.51.100.1}];[{LED=552 5.2.2 Mailbox full};{IP=198.51.100.2}]"',
            ["mailbox-unknown", "mailbox-full"],
        ),
        (
            f"{TRACKING}2026-11-24T07:40:11Z,SMTP,FAIL,<1@x>,a@example.com;b@example.com,550 5.1.1 No;552 5.2.2 Full",
            ["mailbox-unknown", "mailbox-full"],
        ),
    ],
)
def test_line_about_several_recipients_is_a_refusal_of_each(log: str, causes: list[str]) -> None:
    bounces = list(find_bounces(log.splitlines()))
    assert [bounce.cause for bounce in bounces] == causes
    assert {bounce.ip for bounce in bounces} <= {SENDER, None}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_address_of_family_is_the_senders_or_the_refused_clients(family: Family) -> None:
    by_direction: dict[str, set[str | None]] = {"outbound": set(), "inbound": set()}
    for bounce in find_bounces(family.lines(messages(20))):
        by_direction[bounce.direction].add(bounce.ip)
    assert by_direction["outbound"] <= {SENDER, None}
    assert by_direction["inbound"] <= {CLIENT}
