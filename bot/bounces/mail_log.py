"""Logs, pasted replies and reports, read line by line: which lines are refusals, and what they add up to.

A log of 10 MB is never held whole: lines come in, bounces go out, and the summary counts a bounded number of names.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TypeVar

from bot.bounces.classify import Bounce, explain, shown
from bot.bounces.dsn import is_report, read_report

MOST_BYTES = 10 * 2**20
MOST_LINE_BYTES = 64 * 2**10
MOST_REPORT_LINES = 20_000
PEEKED_LINES = 200  # a report says in its header, near the top, that it is one
MOST_STATEMENT = 4_000
MOST_REPLY = 1_500  # of one reply in several lines; the longest seen have ten lines of 80
MOST_NAMES = 10_000
EXPLAINED = 2  # refusals that a summary comes with

# The beginning of a line that a program wrote: syslog, ISO time, Exim, a time of day with its date.
LOG_LINE = re.compile(
    r"^(?:<\d{1,3}>)?(?:[A-Z][a-z]{2}\s{1,2}\d{1,2} \d\d:\d\d:\d\d |\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d"
    r"|\d{1,2}\.\d{1,2}\.\d{4},? \d\d:\d\d)"
)
REFUSED_IN_A_LOG = re.compile(
    r"status=(?:bounced|deferred|undeliverable|expired|softbounce)\b"
    r"|\breject(?:ed)?[: ]|\bdefer(?:red)? \(|\breject=[45]"
    r"| (?:\*\*|==) [^\s@]{1,200}@|\bsaid: [45]\d\d|refused to talk to me|\bdsn=[45]\.\d"
    r"|stat(?:us)?=(?:deferred|service unavailable|user unknown|host unknown|i/o error)"
    r"|\bconnect to [^\s]{1,200}: (?:connection|network|no route|operation|host)"
    r"|response=[\"'(]?[45]\d\d|smtp error from remote"
)
# When it was, which process, the queue's name of the message; and for whom it was, and how long it took.
THIS_TRY = re.compile(
    r".{10,80}?(?:\[\d{1,7}\]: (?:[0-9A-Za-z]{5,20}: )?"
    r"|(?<=:\d\d) [0-9A-Za-z]{5,7}-[0-9A-Za-z]{5,12}-[0-9A-Za-z]{2,4} )"
)
THIS_MESSAGE = re.compile(r"delays?=[\d./]{1,60}, |(?:orig_)?to=<[^<>\s]{0,200}>, ")
# Postfix, Exim and sendmail name the server that refused, and quote it: nothing else of such a line has to be read.
HOST = r"(?P<host>[^\s\[,]{1,255}?)\.? ?\[[0-9a-fA-F.:]{2,45}\]"
QUOTED = tuple(
    (mark, re.compile(pattern))
    for mark, pattern in (
        (
            "status=",
            rf"\bdsn=(?P<status>[45]\.\d{{1,3}}\.\d{{1,3}}), status=[a-z]{{1,20}} \(host {HOST}"
            r" (?:said|refused to talk to me): (?P<reply>.+?)(?: \(in reply to [^)]{0,60}\))?\)$",
        ),
        (
            " SMTP error from remote mail",
            rf" H=(?P<status>){HOST}.{{0,400}} SMTP error from remote mail(?: server|er) after "
            r"(?:[^:]{1,40}|[^:]{1,20}:<[^<>\s]{0,320}>[^:]{0,40}): (?P<reply>[45]\d\d.+)$",
        ),
        (
            "stat=",
            rf" relay={HOST}, dsn=(?P<status>[45]\.\d{{1,3}}\.\d{{1,3}}), stat=[A-Za-z /]{{1,40}}\((?P<reply>[45]\d\d.+)\)$",
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
SPEAKS_OF_REFUSAL = re.compile(
    r"(?:^|[\s:;\"'(])[45]\d\d[- ]|(?<![\w.])[45]\.\d{1,3}\.\d{1,3}(?![\w.])"
    r"|reject|refus|den(?:y|ied)|block|defer|bounce|undeliver|unknown"
    r"|not (?:accept|allow|permit|found|exist|authori)|blacklist|spam|timed out|unreachable"
    r"|over ?quota|too many|limit|unable to|failed|relay|reputation"
)
REPLY_GOES_ON = re.compile(r"^([45]\d\d)-(?:([45]\.\d{1,3}\.\d{1,3}) )?")

Name = TypeVar("Name", str, tuple[str, str])


class LogTooBig(ValueError):
    """The file has more than `MOST_BYTES`; the message is one sentence for the person who gave it."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a log adds up to, the most frequent first; `causes` are (category, list or receiver's system, or "")."""

    lines: int
    refusals: int
    causes: tuple[tuple[tuple[str, str], int], ...]
    addresses: tuple[tuple[str, int], ...]
    receivers: tuple[tuple[str, int], ...]
    steps: tuple[tuple[str, int], ...]


class Tally:
    """Counts bounces as they pass. Holds at most `MOST_NAMES` names of a kind; rarer ones beyond that are not named."""

    def __init__(self) -> None:
        self.lines = 0
        self.refusals = 0
        self._causes: Counter[tuple[str, str]] = Counter()
        self._addresses: Counter[str] = Counter()
        self._receivers: Counter[str] = Counter()
        self._steps: Counter[str] = Counter()

    def lines_of(self, lines: Iterable[str]) -> Iterator[str]:
        """The same lines, counted."""
        for line in lines:
            self.lines += 1
            yield line

    def add(self, bounce: Bounce) -> None:
        """Counts one bounce."""
        self.refusals += 1
        _count(self._causes, (bounce.category, bounce.list or ""))
        _count(self._steps, bounce.step)
        if bounce.ip:
            _count(self._addresses, bounce.ip)
        if bounce.receiver:
            _count(self._receivers, bounce.receiver)

    def summary(self, most: int = 10) -> Summary:
        """The `most` frequent of each kind."""
        return Summary(
            self.lines,
            self.refusals,
            tuple(self._causes.most_common(most)),
            tuple(self._addresses.most_common(most)),
            tuple(self._receivers.most_common(most)),
            tuple(self._steps.most_common(most)),
        )


def text_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """The lines of a file that comes in pieces; bytes that are not UTF-8 become U+FFFD. Raises LogTooBig.

    A line longer than `MOST_LINE_BYTES` is cut there, so that a file without line ends cannot fill the memory.
    """
    rest = b""
    for chunk in _in_utf8(_no_more_than(MOST_BYTES, chunks)):
        *whole, rest = (rest + chunk).split(b"\n")
        rest = rest[:MOST_LINE_BYTES]
        yield from (line[:MOST_LINE_BYTES].decode("utf-8", "replace") for line in whole)
    if rest:
        yield rest.decode("utf-8", "replace")


def _no_more_than(most: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise LogTooBig(f"The file is larger than {most // 2**20} MB; send the part of the log that matters.")
        yield chunk


def _in_utf8(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What PowerShell writes to a file is UTF-16; its mark at the beginning says so."""
    chunks = iter(chunks)
    first = next(chunks, b"")
    if not first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return chain((first,), chunks)
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    return (decoder.decode(chunk).encode("utf-8", "replace") for chunk in chain((first,), chunks))


def bounces(lines: Iterable[str], every_reply: bool = False) -> Iterator[Bounce]:
    """Every refusal in a log, a list of replies or a delivery report, in order; ordinary lines give nothing.

    `every_reply`: where the input is neither a log nor a message, each line of it is taken for a reply and explained.
    """
    lines = iter(lines)
    first = list(islice(lines, PEEKED_LINES))
    if is_report("\n".join(line.rstrip("\r\n") for line in first)):
        report = "\n".join(line.rstrip("\r\n") for line in chain(first, islice(lines, MOST_REPORT_LINES)))
        if is_report(report) and (found := read_report(report)):
            yield from found
            return
        first = report.split("\n")
    every_reply = every_reply and not any(LOG_LINE.match(line) or HEADER.match(line) for line in first)
    for statement in _statements(chain(first, lines)):
        if every_reply or is_refusal(statement):
            yield replace(_explained(statement), line=shown(statement))


def summarise(lines: Iterable[str], most: int = 10) -> Summary:
    """The summary of a log, in one pass."""
    return sum_up(lines, most=most)[1]


def sum_up(lines: Iterable[str], every_reply: bool = False, most: int = 10) -> tuple[list[Bounce], Summary]:
    """The same with the first refusals: where there is only one, it is explained and not counted."""
    tally = Tally()
    first: list[Bounce] = []
    for bounce in bounces(tally.lines_of(lines), every_reply):
        tally.add(bounce)
        if len(first) < EXPLAINED:
            first.append(bounce)
    return first, tally.summary(most)


def is_refusal(line: str) -> bool:
    """Whether a line is a refusal: in a log only a line that says so, elsewhere every line that speaks of one."""
    if LOG_LINE.match(line):
        return bool(REFUSED_IN_A_LOG.search(line.lower()))
    if HEADER.match(line):
        return False
    return bool(SPEAKS_OF_REFUSAL.search(line.lower())) and (
        any(mark in line for mark in "0123456789") or explain(line).certain
    )


def _statements(lines: Iterable[str]) -> Iterator[str]:
    """Lines with what continues them: a line set further in, or the next line of one SMTP reply (550-… 550 …)."""
    statement, indent = "", 0
    for raw in lines:
        line = raw.rstrip("\r\n")
        text = line.strip()
        if not text:
            yield from _whole(statement)
            statement, indent = "", 0
        elif statement and (len(line) - len(line.lstrip()) > indent or _continues(statement, text)):
            statement = f"{statement} {text}"[:MOST_STATEMENT]
        else:
            yield from _whole(statement)
            statement, indent = text[:MOST_LINE_BYTES], len(line) - len(line.lstrip())
    yield from _whole(statement)


def _explained(line: str) -> Bounce:
    """Of a log line only what the other server said, so that the same refusal is thought about once."""
    if not LOG_LINE.match(line):
        return explain(line)
    for mark, pattern in QUOTED:
        if mark in line and (quoted := pattern.search(line)):
            return explain(quoted["reply"], quoted["status"], quoted["host"])
    begun = THIS_TRY.match(line)
    return explain(THIS_MESSAGE.sub("", line[begun.end() :] if begun else line))


def _whole(statement: str) -> Iterator[str]:
    if statement:
        yield statement


def _continues(statement: str, line: str) -> bool:
    """Whether the line is the next of the reply that the statement began and has not ended."""
    begun = REPLY_GOES_ON.match(statement)
    if not begun or len(statement) > MOST_REPLY or f" {begun[1]} " in statement or not line.startswith(begun[1]):
        return False
    code, enhanced = begun[1], begun[2]
    if enhanced:
        return line[len(code) + 1 :].startswith(enhanced)
    return line[len(code) : len(code) + 1] in "- " and not explain(statement).certain


def _count(counter: Counter[Name], name: Name) -> None:
    if name in counter or len(counter) < MOST_NAMES:
        counter[name] += 1
