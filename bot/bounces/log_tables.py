"""Logs that are tables: Exchange's message tracking and protocol logs, exports as CSV, and the list of a queue."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from bot.bounces.log_exports import load_exports
from bot.bounces.log_lines import LogEvent, LogLine, Sessions, State, split_line
from bot.bounces.protocol_logs import exchange_events

FIELDS_LINE = "#Fields:"
TRACKING_COLUMNS = {"event-id", "recipient-address"}
PROTOCOL_COLUMNS = {"session-id", "event", "data"}
ACCOUNTING_COLUMNS = {"type", "rcpt", "dsndiag"}
ACCOUNTING_STATES = {"b": State.BOUNCED, "rb": State.BOUNCED, "t": State.DEFERRED, "tq": State.DEFERRED}
TRACKING_STATES = {
    "FAIL": State.BOUNCED,
    "DEFER": State.DEFERRED,
    "SEND": State.SENT,
    "SENDEXTERNAL": State.SENT,
    "DELIVER": State.SENT,
}
# In a tracking log: [{LED=550 5.1.1 …};{MSG=…};{FQDN=mx.example.com};{IP=192.0.2.4};…]
LAST_ERROR = re.compile(r"\{LED=([^{}]{1,2000})")
LAST_HOST = re.compile(r"\{FQDN=([^{}]{1,255})")
STATUS_END = re.compile(r"(?<=\]);(?=\[)|(?<![\]}]);(?![{\[])")
QUEUE_ENTRY = re.compile(r"(?P<id>[0-9A-Za-z]{5,20})[*!#X-]? {1,12}\d{1,12} [A-Z][a-z]{2} ")
QUEUE_HEAD = re.compile(r"-{1,10} ?Q(?:ueue)?[ -]ID ?-{1,10}", re.IGNORECASE)
QUEUE_REASON = re.compile(r"\s*\((.{3,2000})\)\s*$")


def is_table(first: str) -> bool:
    """Whether the first line is that of a table."""
    if first[:1].isdigit():
        return False
    columns = _columns(first)
    return first.startswith(("#Software:", "#Version:", "#Log-type:", "#Date:", FIELDS_LINE)) or bool(
        columns >= TRACKING_COLUMNS
        or columns >= ACCOUNTING_COLUMNS
        or (len(columns) > 1 and columns & set(load_exports().columns.line))
    )


def is_queue(first: str) -> bool:
    """Whether the first line is the head of a list of a queue, as `mailq` prints it."""
    return bool(QUEUE_HEAD.search(first[:200]))


def read_table(lines: Iterable[str]) -> Iterator[LogEvent | LogLine]:
    """Events of Exchange's logs, and log lines that stand in a column."""
    columns: list[str] = []
    log_type, sessions = "", Sessions()
    for row, text in _rows(lines):
        if text.startswith("#Log-type:"):
            log_type = text.lower()
        elif text.startswith(FIELDS_LINE):
            columns = [name.strip().lower() for name in text.removeprefix(FIELDS_LINE).split(",")]
        elif not text.startswith("#") and row:
            if not columns:
                columns = [name.strip().lower() for name in row]
                continue
            values = dict(zip(columns, row, strict=False))
            yield from _row_events(values, text, log_type, sessions)


def _rows(lines: Iterable[str]) -> Iterator[tuple[list[str], str]]:
    """The fields of each row with its text; a row ends with its line."""
    for line in lines:
        try:
            yield next(csv.reader([line]), []), line
        except csv.Error:
            continue


def _row_events(
    values: Mapping[str, str], text: str, log_type: str, sessions: Sessions
) -> Iterator[LogEvent | LogLine]:
    if values.keys() >= TRACKING_COLUMNS:
        yield from _tracking_events(values, text)
    elif values.keys() >= ACCOUNTING_COLUMNS:
        yield from _accounting_events(values, text)
    elif values.keys() >= PROTOCOL_COLUMNS:
        yield from exchange_events(values, text, log_type, sessions)
    else:
        message = next((values[name] for name in load_exports().columns.line if values.get(name)), "")
        yield split_line(message) or LogLine(message, message)


def _tracking_events(values: Mapping[str, str], text: str) -> Iterator[LogEvent]:
    """https://learn.microsoft.com/en-us/exchange/mail-flow/transport-logs/message-tracking"""
    state = TRACKING_STATES.get(values["event-id"].upper())
    if state is None:
        return
    if state is State.BOUNCED and _is_incoming(values):
        client = values.get("client-ip") or None
        reply = values.get("recipient-status") or values.get("source-context", "")
        yield LogEvent(State.REFUSED, text, recipient=values["recipient-address"], reply=reply, client=client)
        return
    recipients = values["recipient-address"].split(";")
    statuses = STATUS_END.split(values.get("recipient-status", ""))  # a reply may have a semicolon of its own
    for number, recipient in enumerate(recipients):
        status = statuses[number] if len(statuses) == len(recipients) else values.get("recipient-status", "")
        context = status or values.get("source-context", "")
        error, host = LAST_ERROR.search(context), LAST_HOST.search(context)
        yield LogEvent(
            state, text, values.get("message-id") or values.get("internal-message-id", ""), recipient,
            error[1] if error else context, host=host[1] if host else values.get("server-hostname") or None,
        )  # fmt: skip


def _is_incoming(values: Mapping[str, str]) -> bool:
    """Whether our own server refused the mail: an agent did, or the mail came from outside and never left again."""
    is_agent = values.get("source", "").upper() == "AGENT"
    return is_agent or (
        values.get("directionality", "").lower() == "incoming" and values.get("source", "").upper() == "ROUTING"
    )


def _accounting_events(values: Mapping[str, str], text: str) -> Iterator[LogEvent]:
    """A row of PowerMTA's accounting file; https://www.postmastery.com/powermta-accounting-files/"""
    state = ACCOUNTING_STATES.get(values["type"])
    if state:
        host = values.get("dsnmta", "").partition(" ")[0] or None
        status = values.get("dsnstatus", "").partition(" ")[0] or None
        yield LogEvent(state, text, recipient=values["rcpt"], reply=values["dsndiag"], status=status, host=host)


def read_queue(lines: Iterable[str]) -> Iterator[LogEvent]:
    """The deferred messages in a list of a queue: an entry, its reason in parentheses, its recipients."""
    queue_id, reason, is_named = "", "", False
    for line in chain(lines, [""]):
        entry, reply = QUEUE_ENTRY.match(line), QUEUE_REASON.match(line)
        recipient = line.strip(" <>") if line.startswith((" ", "\t")) and "@" in line and not reply else ""
        ends = bool(entry or reply or not line.strip())
        if reason and (recipient or (ends and not is_named)):
            yield LogEvent(State.DEFERRED, f"{queue_id} {reason}", queue_id, recipient, reason)
            is_named = True
        if ends:
            queue_id = entry["id"] if entry else queue_id
            reason, is_named = reply[1] if reply else "", False


def _columns(line: str) -> set[str]:
    return {name.strip().strip('"').lower() for name in line.split(",")}
