"""Refusals in mail logs, exports, bounce mails and lists of replies, and their sum.

Works as a stream: a log is never held in memory, and the sum counts a bounded number of names. Text
that is no log is read whole, up to `MAX_TEXT_LINES`.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice

from bot.bounces.bounce_mail import HEADER, read_text
from bot.bounces.classify import INBOUND, OUTBOUND, Bounce
from bot.bounces.log_exports import read_json
from bot.bounces.log_families import parse_line
from bot.bounces.log_lines import REFUSED_STATES, LogEvent, LogLine, Sessions, State, explain_event, split_line
from bot.bounces.log_summary import DeliveryCounter, LogSummary
from bot.bounces.log_tables import is_queue, is_table, read_queue, read_table
from bot.bounces.text_input import MAX_BYTES, LogTooBig, NotText, decode_lines

PEEKED_LINES = 200
MAX_TEXT_LINES = 20_000
MAX_STATEMENT = 4_000
MAX_PENDING = 10_000  # attempts whose result has not come yet
MAX_EXPLAINED = 2  # refusals returned with a summary
UNDATED = ('"SMTPC"\t', '"SMTPD"\t')  # hMailServer's time is in the fourth field
TERMINAL_WIDTHS = (80, 100, 120, 132, 160, 200)  # lines of such a length were cut anywhere, not between words
STARTS_REPLY = re.compile(r"[45]\d\d[ -]")

__all__ = ["MAX_BYTES", "LogSummary", "LogTooBig", "NotText", "decode_lines", "find_bounces", "summarize_with_examples"]

Reading = tuple[LogEvent | None, Bounce | None]


def find_bounces(lines: Iterable[str]) -> Iterator[Bounce]:
    """Yield every refusal in a log, a list of replies or a bounce mail, in order."""
    return (bounce for _, bounce in _read(lines) if bounce)


def summarize_with_examples(lines: Iterable[str], limit: int = 10) -> tuple[list[Bounce], LogSummary]:
    """Summarize a log, and return the first refusals by others (by us, if there are none): a single one is
    explained, not counted.
    """
    counter = DeliveryCounter()
    examples: dict[str, list[Bounce]] = {OUTBOUND: [], INBOUND: []}
    for event, bounce in _read(counter.count_lines(lines)):
        counter.add(event, bounce)
        if bounce and len(examples[bounce.direction]) < MAX_EXPLAINED:
            examples[bounce.direction].append(bounce)
    return examples[OUTBOUND] or examples[INBOUND], counter.summary(limit)


def _read(lines: Iterable[str]) -> Iterator[Reading]:
    """Read the lines as what their start looks like."""
    lines = iter(lines)
    first = list(islice(lines, PEEKED_LINES))
    start = next((line for line in first if line.strip()), "")
    everything = chain(first, lines)
    if start.lstrip().startswith(("{", "[{")) or start.strip() == "[":
        yield from _read_events(read_json(everything))
    elif is_table(start):
        yield from _read_events(read_table(everything))
    elif is_queue(start):
        yield from _read_events(read_queue(everything))
    elif not HEADER.match(start) and any(split_line(line) or line.startswith(UNDATED) for line in first):
        yield from _read_events(_log_lines(everything))
    else:
        text = list(islice(everything, MAX_TEXT_LINES))
        yield from ((None, bounce) for bounce in read_text(text))
        yield from _read_events(_log_lines(everything))


def _log_lines(lines: Iterable[str]) -> Iterator[LogLine]:
    """The lines of a log; one without a time goes on with the line before, unless it is a reply of its own."""
    current: LogLine | None = None
    width = 0  # of the line before
    for text in lines:
        previous_width, width = width, len(text)
        if line := split_line(text):
            if current:
                yield current
            current = line
        elif not text.strip() or STARTS_REPLY.match(text) or current is None or text.startswith(UNDATED):
            if current:
                yield current
            current = LogLine(text, text.strip()) if text.strip() else None
        elif len(current.text) < MAX_STATEMENT:
            addition = text if previous_width in TERMINAL_WIDTHS else f" {text.strip()}"
            current = replace(current, text=current.text + addition, body=current.body + addition)
    if current:
        yield current


def _read_events(items: Iterable[LogEvent | LogLine]) -> Iterator[Reading]:
    """Events with their verdicts; of one attempt only the last line counts."""
    sessions = Sessions()
    pending: OrderedDict[str, LogEvent] = OrderedDict()
    for item in items:
        event = item if isinstance(item, LogEvent) else parse_line(item, sessions)
        if event is None:
            continue
        if event.state is State.ATTEMPT:
            pending[event.attempt or event.line] = event
            if len(pending) > MAX_PENDING:
                yield _reading(pending.popitem(last=False)[1])
            continue
        if event.attempt:
            pending.pop(event.attempt, None)
        for recipient in event.recipient.split(","):  # Sendmail tells of several in one line
            yield _reading(replace(event, recipient=recipient) if recipient != event.recipient else event)
    yield from map(_reading, pending.values())


def _reading(event: LogEvent) -> Reading:
    return event, explain_event(event) if event.state in REFUSED_STATES else None
