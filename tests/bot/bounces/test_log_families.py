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


EXIM = "2026-11-24 07:40:11"
TRACKING_OF_MAIL_IN = (
    "#Fields: date-time,client-ip,source,event-id,message-id,recipient-address,recipient-status,directionality\n"
)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (f"{EXIM} login authenticator failed for (x) [{CLIENT}]: 535 Incorrect authentication data", "auth-failed"),
        (f"@4000000067a1b3c80a1b2c44 rblsmtpd: {CLIENT} pid 7: 451 listed, see zen.spamhaus.org", "blocklist"),
        (
            "Nov 24 07:40:11 mail spamdyke[9]: DENIED_RBL_MATCH from: x@example.net to: a@example.org"
            f" origin_ip: {CLIENT} origin_rdns: (unknown) auth: (unknown) encryption: (none) reason: zen.spamhaus.org",
            "blocklist",
        ),
        (
            f"{TRACKING_OF_MAIL_IN}2026-11-24T07:40:11Z,{CLIENT},ROUTING,FAIL,<1@x>,gone@example.org,"
            "550 5.1.1 RESOLVER.ADR.RecipNotFound; not found,Incoming",
            "mailbox-unknown",
        ),
    ],
    ids=["exim-login", "rblsmtpd", "spamdyke", "exchange"],
)
def test_refusal_by_the_own_server_is_no_bounce_of_ours(line: str, cause: str) -> None:
    _, summary = summarize_with_examples(line.splitlines())
    assert (summary.refusals, summary.refused_by_us, summary.attempts) == (0, 1, 0)
    assert [own.cause for own in summary.own_causes] == [cause]


HARAKA = "2026-11-24T07:40:11.100Z [NOTICE] [6A1B.1.2] [outbound]"
PROGRAM = "[2026-11-24 07:40:11] sender.WARN"


@pytest.mark.parametrize(
    ("lines", "counts", "causes"),
    [
        (
            [
                f"{EXIM} 1tE003-0000CC-1c == a@example.com R=dns T=smtp defer (111): Connection refused"
                " H=mx [198.51.100.1]",
                f"{EXIM} 1tE003-0000CC-1c == a@example.com routing defer (-51): retry time not reached",
            ],
            (0, 1, 0),
            ["connection-refused"],
        ),
        (
            [
                f"{HARAKA} recipient <a@example.com> rejected: 550 5.1.1 no such user",
                f'{HARAKA} bounced file=1 domain=example.com reason="Some recipients failed: <a@example.com>"',
            ],
            (1, 0, 0),
            ["mailbox-unknown"],
        ),
        (
            [
                f"{HARAKA} Temporary failure for <a@example.com>: 450 4.7.1 greylisted",
                f'{HARAKA} delivered file=1 domain=example.com host=mx.example.com response="OK"',
            ],
            (0, 0, 1),
            [],
        ),
        (
            [
                f'{PROGRAM} job=3 rcpt=a@example.com retry=1 reply="451 4.7.1 greylisted"',
                f'{PROGRAM} job=3 rcpt=a@example.com ok "250 OK"',
                f'{PROGRAM} job=4 rcpt=b@example.com remote=198.51.100.1 reply="550 5.1.1 no such mailbox"',
                f"{PROGRAM} worker 550 started, pool=554 heap=452",
                f"{PROGRAM} database error 550 at line 421",
            ],
            (1, 0, 1),
            ["mailbox-unknown"],
        ),
    ],
    ids=["exim-wait", "haraka-recipient", "haraka-retry", "unknown-program"],
)
def test_message_is_counted_once_with_the_reason_that_a_server_gave(
    lines: list[str], counts: tuple[int, int, int], causes: list[str]
) -> None:
    _, summary = summarize_with_examples(lines)
    assert (summary.bounced, summary.deferred, summary.recovered) == counts
    assert [cause.cause for cause in summary.causes] == causes
    assert summary.addresses == ()
