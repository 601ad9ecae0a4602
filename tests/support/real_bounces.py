"""Cards for pasted bounces, logs and headers, made by the bot itself."""

from __future__ import annotations

from collections.abc import Iterator

from bot.bounces.pasted_text import analyze_text
from handlers.message import Card
from handlers.messages.bounces import analysis_card

REFUSED = (
    "550 5.7.1 Service unavailable; client [203.0.113.5] blocked using zen.spamhaus.org; "
    "https://www.spamhaus.org/query/ip/203.0.113.5"
)
SENT = "250 2.0.0 Ok"
# How many messages, to which server, with which replies: the last one decides.
DELIVERIES = (
    (1840, "mx.example.net", (REFUSED,)),
    (2310, "mx.example.net", (SENT,)),
    (612, "mta5.am0.yahoodns.net", ("421 4.7.0 [TSS04] 203.0.113.9 has to wait, its users complained",) * 2),
    (350, "mx.example.org", ("550 5.1.1 No such user here",)),
    (420, "mx.example.org", ("450 4.2.0 Greylisted, please come back in 5 minutes", SENT)),
    (41, "mx.example.net", ("550 5.7.1 Client host rejected: cannot find your hostname, [203.0.113.9]",)),
    (3, "mx.example.net", ("530 5.7.0 Must issue a STARTTLS command first",)),
)
# How often our own server refused others, and why.
REFUSED_BY_US = (
    (2237, "554 5.7.1 Service unavailable; Client host [192.0.2.77] blocked using bl.spamcop.net"),
    (
        58,
        "554 5.7.1 Service unavailable; Client host [192.0.2.77] blocked using zen.spamhaus.org; Error: open resolver",
    ),
)
NDR = """\
Delivery has failed to these recipients or groups:

a@example.com
Your message wasn't delivered. The recipient's email system refused it.

Diagnostic information for administrators:

Generating server: EX01.firm.local

a@example.com
mx.example.com
Remote Server returned '550 5.7.23 SPF of example.org does not permit 203.0.113.5'

Original message headers:

Received: from EX01.firm.local (10.0.0.5) by EX01.firm.local; Tue, 24 Nov 2026 07:40:11 +0000
Subject: 550 5.1.1 is in the subject
"""
HEADER = """\
Authentication-Results: mx.example.net; spf=pass smtp.mailfrom=example.com; dkim=fail \
header.d=example.com;
 dmarc=pass header.from=example.com
Received: from egress.example.com (egress.example.com [203.0.113.5]) by mx.example.net with \
ESMTPS id 3;
 Tue, 24 Nov 2026 06:00:05 +0000
Received: from mail.example.com (mail.example.com [10.1.0.25]) by egress.example.com with ESMTP \
id 2;
 Tue, 24 Nov 2026 06:00:03 +0000
Received: from laptop (unknown [10.1.7.12]) by mail.example.com with ESMTPSA id 1; Tue, 24 Nov \
2026 06:00:00 +0000
Return-Path: <ada@example.com>
From: Ada <ada@example.com>
List-Unsubscribe: <https://example.com/leave>
Subject: The minutes of Monday
"""
FORGED_HEADER = """\
Return-Path: <news@bank.example>
Received: from mail.bank.example (vps7.example.org [203.0.113.66]) by mx.example.net (Postfix) with ESMTP id 3;
 Tue, 24 Nov 2026 06:00:05 +0000
Authentication-Results: mx.example.net; spf=fail smtp.mailfrom=bank.example; dkim=none
Authentication-Results: gateway.bank.example; dkim=pass header.d=bank.example; dmarc=pass header.from=bank.example
Received: from core.bank.example (core.bank.example [198.51.100.9]) by mail.bank.example with ESMTPS id 2;
 Tue, 24 Nov 2026 06:00:03 +0000
From: Bank <news@bank.example>
Subject: Your account
"""


def log_lines() -> Iterator[str]:
    """A log of Postfix with both directions."""
    number = 0
    for times, host, replies in DELIVERIES:
        for _ in range(times):
            number += 1
            yield from (_delivery(f"{number:06X}", host, reply) for reply in replies)
    for times, reply in REFUSED_BY_US:
        for _ in range(times):
            yield (
                f"Nov 24 07:40:13 mail postfix/smtpd[9]: NOQUEUE: reject: RCPT from x[192.0.2.77]: {reply};"
                " from=<x@y.example> to=<a@example.org> proto=ESMTP helo=<x>"
            )


def _delivery(queue_id: str, host: str, reply: str) -> str:
    state = {"2": "sent", "4": "deferred", "5": "bounced"}[reply[0]]
    said = reply if state == "sent" else f"host {host}[198.51.100.1] said: {reply} (in reply to RCPT TO command)"
    return (
        f"Nov 24 07:40:13 mail postfix/smtp[2213]: {queue_id}: to=<a@example.com>, relay={host}[198.51.100.1]:25,"
        f" dsn={reply[4:9]}, status={state} ({said})"
    )


def cards() -> dict[str, Card]:
    """Cards by content."""
    texts = {"bounce": REFUSED, "bounce-ndr": NDR, "bounce-log": "\n".join(log_lines())}
    shown = {name: analysis_card(analyze_text("bounce", [text.encode()])) for name, text in texts.items()}
    for name, text in (("headers", HEADER), ("headers-forged", FORGED_HEADER)):
        shown[name] = analysis_card(analyze_text("headers", [text.encode()]))
    return shown
