"""Logs of qmail: qmail-send, and the filters in front of qmail-smtpd."""

from __future__ import annotations

import re

from bot.bounces.log_lines import LogEvent, LogLine, Sessions, State

# https://cr.yp.to/proto/qsbmf.txt and qmail-log(5)
QMAIL_START = re.compile(r"starting delivery (\d{1,12}): msg (\d{1,20}) to (?:remote|local) (\S{1,320})")
QMAIL_DELIVERY = re.compile(r"delivery (\d{1,12}): (success|failure|deferral): ?")
QMAIL_STATES = {"success": State.SENT, "failure": State.BOUNCED, "deferral": State.DEFERRED}
QMAIL_END = re.compile(r"end msg (\d{1,20})")
QMAIL_SAID = "Remote host said: "
# https://cr.yp.to/ucspi-tcp/rblsmtpd.html, https://www.spamdyke.org/documentation/README.html
RBLSMTPD = re.compile(r"([0-9A-Fa-f.:]{2,45}) pid \d{1,10}: (?=[45]\d\d )")
SPAMDYKE = re.compile(
    r"DENIED_([A-Z_]{1,40}) from: \S{0,320} to: (\S{0,320}) origin_ip: ([0-9A-Fa-f.:]{2,45})"
    r" .{0,600}?reason: (.{0,300})"
)


def parse_qmail(line: LogLine, sessions: Sessions) -> LogEvent | None:
    """qmail-send; a delivery is numbered, and an earlier line says of which message to whom."""
    if start := QMAIL_START.search(line.body):
        sessions.set_recipient(f"delivery {start[1]}", f"{start[2]} {start[3]}")
        return None
    if end := QMAIL_END.match(line.body):
        return LogEvent(State.REMOVED, line.text, end[1], day=line.day)
    delivery = QMAIL_DELIVERY.search(line.body)
    if delivery is None:
        return None
    message, _, recipient = sessions.recipient(f"delivery {delivery[1]}").partition(" ")
    reason = line.body[delivery.end() :].replace("_", " ")
    reply = reason.partition(QMAIL_SAID)[2].partition("/Giving up on ")[0] or reason
    return LogEvent(
        QMAIL_STATES[delivery[2]], line.text, message or f"delivery {delivery[1]}", recipient, reply, day=line.day
    )


def parse_rblsmtpd(line: LogLine, _sessions: Sessions) -> LogEvent | None:
    """rblsmtpd in front of qmail-smtpd: whom it refuses, by its list."""
    refused = RBLSMTPD.match(line.body)
    return refused and LogEvent(
        State.REFUSED, line.text, reply=line.body[refused.end() :], client=refused[1], day=line.day
    )


def parse_spamdyke(line: LogLine, _sessions: Sessions) -> LogEvent | None:
    """spamdyke, a filter in front of qmail: its DENIED lines; the reason is a list or a host name."""
    denied = SPAMDYKE.match(line.body)
    return denied and LogEvent(
        State.REFUSED, line.text, recipient=denied[2], reply=f"{denied[1].replace('_', ' ')}: {denied[4]}",
        client=denied[3], day=line.day,
    )  # fmt: skip
