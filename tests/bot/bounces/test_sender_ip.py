"""Address of the sender in a refusal, never that of the receiver."""

from __future__ import annotations

import pytest

from bot.bounces.sender_ip import sender_address

SENDER = "203.0.113.5"


@pytest.mark.parametrize(
    "line",
    [
        "host mx.example.com[198.51.100.1] said: 550 Client host [203.0.113.5] blocked",
        "host mx.example.com [198.51.100.1]: 554 quota reached - 203.0.113.5",
        "relay=mx.example.com[198.51.100.1]:25, status=bounced (550 203.0.113.5 is blocked)",
        "198.51.100.1 does not like recipient. Remote host said: 550 [203.0.113.5] listed",
        "550-203.0.113.5 is blocked",
        "550 [203.0.113.5       7] Our system has detected",
        "554 host [203.0.113.5] is blacklisted",
        "550 5.7.1 host mail.example.org [203.0.113.5] black listed",
        "RCPT from mail.example.org[203.0.113.5]: 550 no",
        "554 421 mx.example.com [203.0.113.5] invalid sender",
        "553 DNSBL:RBL 521< 203.0.113.5 >_is_blocked",
        "550 IP=203.0.113.5 - a problem occurred",
        ("421 Messages from 203.0.113.5 temporarily deferred due to user complaints - 4.16.55.1; see"),
        "550 [192.0.2.9]:24706 is in an RBL: see https://www.spamcop.net/bl.shtml?203.0.113.5",
        "550 found in 5.113.0.203.zen.spamhaus.org",
        (
            "2026-11-24 07:40:11 1tF2-01 ** a@example.com R=dnslookup T=remote_smtp"
            " H=mx.example.com [198.51.100.1]: 550 203.0.113.5 listed"
        ),
        ("2026-11-24 07:40:11 H=(mail.example.org) [203.0.113.5] F=<b@example.org> rejected RCPT <a@example.com>: no"),
        "550 Mail from IP 203.0.113.5 was rejected, 127.0.0.2 from zen",
    ],
)
def test_sender_address_is_found(line: str) -> None:
    assert str(sender_address(line)) == SENDER


@pytest.mark.parametrize(
    "line",
    [
        "host mx.example.com[198.51.100.1] said: 550 no such user",
        "connect to mx.example.com[2001:db8::1]:25: Network is unreachable",
        (
            "to=<a@example.com>, relay=mx.example.com[198.51.100.1]:25, status=deferred (lost"
            " connection with mx.example.com[198.51.100.1] while sending)"
        ),
        (
            "554 Client host [x] blocked using zen.spamhaus.org; Error: open resolver;"
            " https://check.spamhaus.org/returnc/pub/198.51.100.53/"
        ),
        "421 Messages from a.b.c.d temporarily deferred due to unexpected volume - 4.16.55.1; see",
        "550 Client host [37.x.y.z] blocked; 85.244.xxx.yyy",
        "550 static.4.3.2.1.clients.example.net is blocked",
        "Remote-MTA: dns; mx.example.com (198.51.100.1)",
        "550 no, see http://198.51.100.1/why",
        "550 127.0.0.4 from the list",
        "550 at 07:40:11 on 24.11.2026",
        "550 999.1.2.3 is no address",
        "Giving up on 198.51.100.1.",
        'fail remote=198.51.100.1 reply="550 5.1.1 no such mailbox"',
        "ホスト mx.example.com[198.51.100.1] の応答: 550 5.1.1 ユーザーが存在しません",
        "delivery via mx.example.com[198.51.100.1]:25 failed: 550 no",
    ],
)
def test_sender_address_other_address_is_ignored(line: str) -> None:
    assert sender_address(line) is None


def test_sender_address_ipv6_is_compressed() -> None:
    assert str(sender_address("550 [2001:0DB8:0:0::25] has no PTR")) == "2001:db8::25"
