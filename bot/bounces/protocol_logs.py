"""Protocol logs: both sides of each SMTP session, line by line. hMailServer, MDaemon, MailEnable, Exchange."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bot.bounces.log_lines import LogEvent, LogLine, Sessions, State

REPLY = re.compile(r"[45]\d\d(?=[ -]|$)")
RCPT = re.compile(r"RCPT TO: ?<?([^<>\s]{1,320})", re.IGNORECASE)
HMAILSERVER = re.compile(
    r'"(SMTPC|SMTPD)"\t\d{1,10}\t(\d{1,12})\t"[^"]{0,40}"\t"([0-9A-Fa-f.:]{2,45})"\t"(RECEIVED|SENT): (.*?)"?$'
)
MDAEMON = re.compile(r"(?:\d\d: )?(?:\[([\d:]{1,20})\] )?(<--|-->) ?\*?(.*)$")
MAILENABLE = re.compile(r"(SMTP-OU|SMTP-IN)\t([^\t]{0,80})\t[^\t]{0,20}\t([0-9A-Fa-f.:]{2,45})\t([^\t]{0,20})\t(.*)$")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side sent in a session: `is_client` where we are the client, `address` of the other side."""

    session: str
    text: str
    is_client: bool
    address: str | None = None


def parse_hmailserver(line: LogLine, sessions: Sessions) -> LogEvent | None:
    """hMailServer: SMTPC is its client, SMTPD its server."""
    match = HMAILSERVER.match(line.body)
    if match is None:
        return None
    kind, session, address, direction, text = match.groups()
    is_client = kind == "SMTPC"
    is_reply = is_client == (direction == "RECEIVED")
    return _event(line, sessions, Turn(f"{kind} {session}", text.replace("[nl]", " "), is_client, address), is_reply)


def parse_mdaemon(line: LogLine, sessions: Sessions) -> LogEvent | None:
    """MDaemon: `<--` is what the other side sent, `-->` what MDaemon sent."""
    match = MDAEMON.match(line.body)
    if match is None:
        return None
    is_reply = bool(REPLY.match(match[3]))
    is_client = is_reply == (match[2] == "<--")
    return _event(line, sessions, Turn(f"MDaemon {match[1] or ''}", match[3], is_client), is_reply)


def parse_mailenable(line: LogLine, sessions: Sessions) -> LogEvent | None:
    """MailEnable's SMTP activity log: SMTP-OU is its client, SMTP-IN its server."""
    match = MAILENABLE.match(line.body)
    if match is None:
        return None
    kind, session, address, _, rest = match.groups()
    if recipient := RCPT.search(rest):
        sessions.set_recipient(session, recipient[1])
    reply = next((part for part in rest.split("\t") if REPLY.match(part)), "")
    return _event(line, sessions, Turn(session, reply, kind == "SMTP-OU", address), bool(reply))


def exchange_events(values: Mapping[str, str], text: str, log_type: str, sessions: Sessions) -> Iterator[LogEvent]:
    """A row of Exchange's protocol log of a send or receive connector; `<` is what the other side sent.

    https://learn.microsoft.com/en-us/exchange/mail-flow/connectors/protocol-logging
    """
    session, event, data = values["session-id"], values["event"], values["data"]
    is_client = event == "<"
    address = values.get("remote-endpoint", "").rpartition(":")[0].strip("[]")
    is_reply = event in ("<", ">") and not (is_client and "receive" in log_type)
    if refusal := _event(LogLine(text, text), sessions, Turn(session, data, is_client, address), is_reply):
        yield refusal


def _event(line: LogLine, sessions: Sessions, turn: Turn, is_reply: bool) -> LogEvent | None:
    """The refusal in what the server sent; what the client sent names the recipient."""
    if recipient := RCPT.match(turn.text):
        sessions.set_recipient(turn.session, recipient[1])
    if not is_reply or not REPLY.match(turn.text):
        return None
    state = State.REFUSED
    if turn.is_client:
        state = State.BOUNCED if turn.text.startswith("5") else State.DEFERRED
    return LogEvent(
        state,
        line.text,
        turn.session,
        sessions.recipient(turn.session),
        turn.text,
        client=None if turn.is_client else turn.address,
        day=line.day,
    )
