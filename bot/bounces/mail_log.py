"""Refusals in mail logs, pasted replies and delivery reports, and their summary.

Works as a stream: a log of 10 MB is never held in memory, and the summary counts a bounded number
of names.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TypeVar

from bot.bounces.classify import Bounce, explain, sanitize_line
from bot.bounces.dsn import is_report, parse_report

MAX_BYTES = 10 * 2**20
MAX_LINE_BYTES = 64 * 2**10
MAX_REPORT_LINES = 20_000
PEEKED_LINES = 200  # the header of a report is near the top
MAX_STATEMENT = 4_000
MAX_REPLY = 1_500  # of one multiline reply; real ones have at most ten lines of 80
MAX_NAMES = 10_000
MAX_EXPLAINED = 2  # refusals returned with a summary

# Start of a log line: syslog, ISO time, Exim, date and time.
LOG_LINE = re.compile(
    r"^(?:<\d{1,3}>)?(?:[A-Z][a-z]{2}\s{1,2}\d{1,2} \d\d:\d\d:\d\d "
    r"|\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d"
    r"|\d{1,2}\.\d{1,2}\.\d{4},? \d\d:\d\d)"
)
LOG_REFUSAL = re.compile(
    r"status=(?:bounced|deferred|undeliverable|expired|softbounce)\b"
    r"|\breject(?:ed)?[: ]|\bdefer(?:red)? \(|\breject=[45]"
    r"| (?:\*\*|==) [^\s@]{1,200}@|\bsaid: [45]\d\d|refused to talk to me|\bdsn=[45]\.\d"
    r"|stat(?:us)?=(?:deferred|service unavailable|user unknown|host unknown|i/o error)"
    r"|\bconnect to [^\s]{1,200}: (?:connection|network|no route|operation|host)"
    r"|response=[\"'(]?[45]\d\d|smtp error from remote"
)
# Parts that differ per attempt: time, process and queue id; recipient and delays.
ATTEMPT_PREFIX = re.compile(
    r".{10,80}?(?:\[\d{1,7}\]: (?:[0-9A-Za-z]{5,20}: )?"
    r"|(?<=:\d\d) [0-9A-Za-z]{5,7}-[0-9A-Za-z]{5,12}-[0-9A-Za-z]{2,4} )"
)
RECIPIENT_FIELDS = re.compile(r"delays?=[\d./]{1,60}, |(?:orig_)?to=<[^<>\s]{0,200}>, ")
# Postfix, Exim and sendmail name the refusing server and quote its reply; only that is classified.
# The atomic group keeps the first server found, so that the rest of the line is read once.
HOST = r"(?P<host>[^\s\[,]{1,255}?)\.? ?\[[0-9a-fA-F.:]{2,45}\]"
QUOTED_REPLIES = tuple(
    (mark, re.compile(pattern))
    for mark, pattern in (
        (
            "status=",
            rf"\A(?>.*?\bdsn=(?P<status>[45]\.\d{{1,3}}\.\d{{1,3}}), status=[a-z]{{1,20}} \(host {HOST}"
            r" (?:said|refused to talk to me): )(?P<reply>.+?)(?: \(in reply to [^)]{0,60}\))?\)$",
        ),
        (
            " SMTP error from remote mail",
            rf"\A(?>.*? H=(?P<status>){HOST}.{{0,400}} SMTP error from remote mail(?: server|er) after "
            r"(?:[^:]{1,40}|[^:]{1,20}:<[^<>\s]{0,320}>[^:]{0,40}): (?=[45]\d\d))(?P<reply>.{4,})$",
        ),
        (
            "stat=",
            rf"\A(?>.*? relay={HOST}, dsn=(?P<status>[45]\.\d{{1,3}}\.\d{{1,3}}), "
            r"stat=[A-Za-z /]{1,40}\((?=[45]\d\d))(?P<reply>.{4,})\)$",
        ),
    )
)
HEADER = re.compile(
    r"^(?:received|from|to|cc|subject|date|message-id|reporting-mta|received-from-mta|final-recipient"
    r"|original-recipient|action|status|remote-mta|arrival-date|last-attempt-date|will-retry-until"
    r"|content-[a-z-]+|mime-version|return-path"
    r"|reply-to|x-[a-z0-9-]+|dkim-signature|authentication-results|arc-[a-z-]+|delivered-to"
    r"|auto-submitted|list-[a-z-]+|references|in-reply-to|user-agent|precedence)\s?:",
    re.IGNORECASE,
)
REFUSAL_WORDS = re.compile(
    r"(?:^|[\s:;\"'(])[45]\d\d[- ]|(?<![\w.])[45]\.\d{1,3}\.\d{1,3}(?![\w.])"
    r"|reject|refus|den(?:y|ied)|block|defer|bounce|undeliver|unknown"
    r"|not (?:accept|allow|permit|found|exist|authori)|blacklist|spam|timed out|unreachable"
    r"|over ?quota|too many|limit|unable to|failed|relay|reputation"
)
REPLY_CONTINUES = re.compile(r"^([45]\d\d)-(?:([45]\.\d{1,3}\.\d{1,3}) )?")

Name = TypeVar("Name", str, tuple[str, str])


class LogTooBig(ValueError):
    """The file has more than `MAX_BYTES`; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class LogSummary:
    """Counts of a log, most frequent first; a cause is (category, list id or "")."""

    lines: int
    refusals: int
    causes: tuple[tuple[tuple[str, str], int], ...]
    addresses: tuple[tuple[str, int], ...]
    receivers: tuple[tuple[str, int], ...]
    steps: tuple[tuple[str, int], ...]


class BounceCounter:
    """Counts bounces, with at most `MAX_NAMES` distinct names per counter."""

    def __init__(self) -> None:
        self.lines = 0
        self.refusals = 0
        self._causes: Counter[tuple[str, str]] = Counter()
        self._addresses: Counter[str] = Counter()
        self._receivers: Counter[str] = Counter()
        self._steps: Counter[str] = Counter()

    def count_lines(self, lines: Iterable[str]) -> Iterator[str]:
        """Pass the lines through, counting them."""
        for line in lines:
            self.lines += 1
            yield line

    def add(self, bounce: Bounce) -> None:
        """Count one bounce."""
        self.refusals += 1
        _count(self._causes, (bounce.category, bounce.list or ""))
        _count(self._steps, bounce.remediation)
        if bounce.ip:
            _count(self._addresses, bounce.ip)
        if bounce.receiver:
            _count(self._receivers, bounce.receiver)

    def summary(self, limit: int = 10) -> LogSummary:
        """The summary with the `limit` most frequent names of each kind."""
        return LogSummary(
            self.lines,
            self.refusals,
            tuple(self._causes.most_common(limit)),
            tuple(self._addresses.most_common(limit)),
            tuple(self._receivers.most_common(limit)),
            tuple(self._steps.most_common(limit)),
        )


def decode_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Decode the lines of a file that comes in chunks; invalid UTF-8 becomes U+FFFD.

    Raises LogTooBig.

    Lines are cut at `MAX_LINE_BYTES`, so that a file without line ends cannot fill the memory.
    """
    partial = b""
    for chunk in _to_utf8(_limit_size(MAX_BYTES, chunks)):
        *lines, partial = (partial + chunk).split(b"\n")
        partial = partial[:MAX_LINE_BYTES]
        yield from (line[:MAX_LINE_BYTES].decode("utf-8", "replace") for line in lines)
    if partial:
        yield partial.decode("utf-8", "replace")


def _limit_size(limit: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise LogTooBig(f"The file is larger than {limit // 2**20} MB; send the part of the log that matters.")
        yield chunk


def _to_utf8(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Recode UTF-16 with a byte order mark, as PowerShell writes it, to UTF-8."""
    chunks = iter(chunks)
    first = next(chunks, b"")
    if not first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return chain((first,), chunks)
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    return (decoder.decode(chunk).encode("utf-8", "replace") for chunk in chain((first,), chunks))


def find_bounces(lines: Iterable[str], every_reply: bool = False) -> Iterator[Bounce]:
    """Yield every refusal in a log, a list of replies or a delivery report, in order.

    With `every_reply`, if the input is neither a log nor a message, each line is a reply.
    """
    lines = iter(lines)
    first = list(islice(lines, PEEKED_LINES))
    if is_report("\n".join(line.rstrip("\r\n") for line in first)):
        report = "\n".join(line.rstrip("\r\n") for line in chain(first, islice(lines, MAX_REPORT_LINES)))
        if is_report(report) and (results := parse_report(report)):
            yield from results
            return
        first = report.split("\n")
    every_reply = every_reply and not any(LOG_LINE.match(line) or HEADER.match(line) for line in first)
    for statement in _join_continuations(chain(first, lines)):
        if every_reply or is_refusal(statement):
            yield replace(_explain_statement(statement), line=sanitize_line(statement))


def summarize_with_examples(
    lines: Iterable[str], every_reply: bool = False, limit: int = 10
) -> tuple[list[Bounce], LogSummary]:
    """Summarize a log, and return the first refusals: a single one is explained, not counted."""
    tally = BounceCounter()
    first: list[Bounce] = []
    for bounce in find_bounces(tally.count_lines(lines), every_reply):
        tally.add(bounce)
        if len(first) < MAX_EXPLAINED:
            first.append(bounce)
    return first, tally.summary(limit)


def is_refusal(line: str) -> bool:
    """Whether a line is a refusal.

    Log lines must say so; of other lines refusal words are enough.
    """
    if LOG_LINE.match(line):
        return bool(LOG_REFUSAL.search(line.lower()))
    if HEADER.match(line):
        return False
    return bool(REFUSAL_WORDS.search(line.lower())) and (
        any(mark in line for mark in "0123456789") or explain(line).certain
    )


def _join_continuations(lines: Iterable[str]) -> Iterator[str]:
    """Join lines with their continuations: indented lines and multiline replies (550-… 550 …)."""
    statement, indent = "", 0
    for raw_line in lines:
        line = raw_line.rstrip("\r\n")
        text = line.strip()
        if not text:
            yield from _non_empty(statement)
            statement, indent = "", 0
        elif statement and (len(line) - len(line.lstrip()) > indent or _continues(statement, text)):
            statement = f"{statement} {text}"[:MAX_STATEMENT]
        else:
            yield from _non_empty(statement)
            statement, indent = text[:MAX_STATEMENT], len(line) - len(line.lstrip())
    yield from _non_empty(statement)


def _explain_statement(line: str) -> Bounce:
    """Classify only the quoted reply of a log line, so that equal refusals hit the cache."""
    if not LOG_LINE.match(line):
        return explain(line)
    for mark, pattern in QUOTED_REPLIES:
        if mark in line and (quote := pattern.search(line)):
            return explain(quote["reply"], quote["status"], quote["host"])
    attempt = ATTEMPT_PREFIX.match(line)
    return explain(RECIPIENT_FIELDS.sub("", line[attempt.end() :] if attempt else line))


def _non_empty(statement: str) -> Iterator[str]:
    if statement:
        yield statement


def _continues(statement: str, line: str) -> bool:
    """Whether the line is the next line of the reply that the statement started."""
    reply = REPLY_CONTINUES.match(statement)
    if not reply or len(statement) > MAX_REPLY or f" {reply[1]} " in statement or not line.startswith(reply[1]):
        return False
    code, enhanced = reply[1], reply[2]
    if enhanced:
        return line[len(code) + 1 :].startswith(enhanced)
    return line[len(code) : len(code) + 1] in "- " and not explain(statement).certain


def _count(counter: Counter[Name], name: Name) -> None:
    if name in counter or len(counter) < MAX_NAMES:
        counter[name] += 1
