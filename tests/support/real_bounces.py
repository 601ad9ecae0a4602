"""Cards for pasted bounces, logs and headers, made by the bot itself."""

from __future__ import annotations

from bot.bounces.pasted_text import analyze_text
from handlers.message import Card
from handlers.messages.bounces import analysis_card

REFUSED = (
    "550 5.7.1 Service unavailable; client [203.0.113.5] blocked using zen.spamhaus.org; "
    "https://www.spamhaus.org/query/ip/203.0.113.5"
)
REPLIES = (
    (1840, "203.0.113.5", "mx.example.net", REFUSED),
    (612, "203.0.113.9", "mta5.am0.yahoodns.net", "421 4.7.0 [TSS04] 203.0.113.9 has to wait, its users complained"),
    (350, "203.0.113.9", "mx.example.org", "550 5.1.1 No such user here"),
    (97, "203.0.113.9", "mx.example.org", "450 4.2.0 Greylisted, please come back in 5 minutes"),
    (41, "203.0.113.9", "mx.example.net", "550 5.7.1 Client host rejected: cannot find your hostname, [203.0.113.9]"),
    (3, "203.0.113.9", "mx.example.net", "530 5.7.0 Must issue a STARTTLS command first"),
)
LOG = "\n".join(
    f"Nov 24 07:40:13 mail postfix/smtp[2213]: {number:06X}: to=<a@example.com>,"
    f" relay={host}[198.51.100.1]:25, dsn=5.7.1,"
    f" status=bounced (host {host}[198.51.100.1] said: {reply} (in reply to RCPT TO command))"
    for times, _, host, reply in REPLIES
    for number in range(times)
)
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


def cards() -> dict[str, Card]:
    """Cards by content."""
    return {
        "bounce": analysis_card(analyze_text("bounce", [REFUSED.encode()])),
        "bounce-log": analysis_card(analyze_text("bounce", [LOG.encode()])),
        "headers": analysis_card(analyze_text("headers", [HEADER.encode()])),
    }
