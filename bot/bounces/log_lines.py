"""Lines of mail logs: the time and program in front, and the event that the program's own parser reads."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from enum import Enum

from bot.bounces.classify import Bounce, as_our_refusal, explain, sanitize_line

MAX_SESSIONS = 10_000
DAYS_OF_MONTH = 31
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
CONTAINER = re.compile(r"[\w.-]{1,60} {0,20}\| ")  # docker compose
SYSLOG = re.compile(
    r"(?:<\d{1,3}>)?(?:(?P<year>\d{4}) )?(?P<month>[A-Z][a-z]{2}) {1,2}(?P<day>\d{1,2}) \d\d:\d\d:\d\d(?:[.,]\d{1,9})? "
)
RFC_5424 = re.compile(
    r"<\d{1,3}>\d{1,2} (?P<date>\d{4}-\d\d-\d\d)T\S{8,30} \S{1,255} (?P<program>\S{1,48}) "
    r"(?P<process>\S{1,128}) \S{1,32} (?:-|\[[^\]]{0,4000}\](?:\[[^\]]{0,4000}\]){0,8}) ?(?:\ufeff|BOM)?"
)
ISO = re.compile(
    r"(?:<\d{1,3}>)?\[?(?P<date>\d{4}[-/]\d\d[-/]\d\d)[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
    r"(?:Z|[+-]\d\d:?\d\d)?\]?[ ,\t]{1,4}"
)
# Dates that only a few programs write: 24.11.2026 07:40, 11/24/26 07:40:11, [24/Nov/2026 07:40:11], Tue 2026-11-24
# 07:40:11.123:, @4000…, 1700000000.123456.
OTHER_TIME = re.compile(
    r"\[?(?:\d{1,2}\.\d{1,2}\.\d{4},? \d\d:\d\d(?::\d\d)?|\d{1,2}/(?:\d\d|[A-Z][a-z]{2})/\d{2,4}[ :]\d\d:\d\d:\d\d"
    r"|[A-Z][a-z]{2},? \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d(?: [A-Z]{3,4})? \d{4}|@4[0-9a-f]{23}|\d{10}\.\d{3,9})"
    r"(?: [+-]\d{4})?\]?[:,\s]{1,4}"
)
PROGRAM = re.compile(
    r"(?:[^\s\[\]:]{1,255} )?(?P<program>[A-Za-z][\w./@+-]{0,80})(?:\[(?P<process>\d{1,10})\])?(?:\([\w-]{1,40}\))?: ?"
)


class State(Enum):
    """What happened to a recipient of a message."""

    SENT = "sent"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    ATTEMPT = "attempt"  # one server refused; another server or another attempt follows
    REFUSED = "refused"  # our own server refused the mail of others
    REMOVED = "removed"  # the message left the queue
    EXPIRED = "expired"


REFUSED_STATES = (State.DEFERRED, State.BOUNCED, State.ATTEMPT, State.REFUSED)


@dataclass(frozen=True, slots=True)
class LogEvent:
    """What a line says of a message: `reply` is the text of the refusal, `host` the server that refused.

    `message` is a queue id or Message-ID; `attempt` names the process or session, whose lines tell
    of one attempt; `client` is the address that our own server refused; `day` counts days of the log.
    """

    state: State
    line: str
    message: str = ""
    recipient: str = ""
    reply: str = ""
    status: str | None = None
    host: str | None = None
    attempt: str = ""
    client: str | None = None
    day: int = 0


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a log without its time and program; `process` is the process id, if there is one."""

    text: str
    body: str
    program: str = ""
    process: str = ""
    day: int = 0


@dataclass(frozen=True, slots=True)
class Sessions:
    """The recipients that earlier lines of a session named, of the newest `MAX_SESSIONS` sessions."""

    _recipients: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def set_recipient(self, session: str, recipient: str) -> None:
        """Remember the recipient that the next reply of this session is about."""
        self._recipients[session] = recipient
        self._recipients.move_to_end(session)
        if len(self._recipients) > MAX_SESSIONS:
            self._recipients.popitem(last=False)

    def recipient(self, session: str) -> str:
        """The last recipient of the session, or an empty string."""
        return self._recipients.get(session, "")


def split_line(text: str) -> LogLine | None:
    """The line without what stands before its message; None if it does not start with a time."""
    line = text
    if container := CONTAINER.match(line):
        line = line[container.end() :]
    if time := SYSLOG.match(line):
        return split_program(text, line[time.end() :], _syslog_day(time))
    if time := RFC_5424.match(line):
        program, process = time["program"], time["process"].strip("-")
        return LogLine(text, line[time.end() :], program, process, _iso_day(time["date"]))
    if time := ISO.match(line):
        return split_program(text, line[time.end() :], _iso_day(time["date"]))
    if time := OTHER_TIME.match(line):
        return split_program(text, line[time.end() :], 0)
    return None


def split_program(text: str, rest: str, day: int) -> LogLine:
    """The line with its program, if `rest` starts with one."""
    match = PROGRAM.match(rest)
    if match is None:
        return LogLine(text, rest, day=day)
    return LogLine(text, rest[match.end() :], match["program"], match["process"] or "", day)


def _syslog_day(time: re.Match[str]) -> int:
    year = int(time["year"] or 0)
    month = MONTHS.index(time["month"]) if time["month"] in MONTHS else 0
    return (year * len(MONTHS) + month) * DAYS_OF_MONTH + int(time["day"])


def _iso_day(date: str) -> int:
    return (int(date[:4]) * len(MONTHS) + int(date[5:7]) - 1) * DAYS_OF_MONTH + int(date[8:10])


def explain_event(event: LogEvent) -> Bounce:
    """The verdict on a refusal in a log; only the quoted reply is classified, so that equal ones are cached."""
    bounce = explain(event.reply, event.status, event.host)
    if event.state is State.REFUSED:
        bounce = as_our_refusal(bounce, event.client)
    return replace(bounce, line=sanitize_line(event.line))
