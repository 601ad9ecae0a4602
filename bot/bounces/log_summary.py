"""The sum of a log: messages by their last state, causes, and whose refusals they are. Bounded memory."""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from bot.bounces.classify import INBOUND, Bounce, receiver_of
from bot.bounces.log_lines import LogEvent, State
from bot.bounces.text_input import FileCutShort

MAX_OPEN = 200_000  # messages that are in the queue at a time
MAX_OPEN_DAYS = 5  # of log time; a mail server gives up after that
MAX_NAMES = 10_000
NO_NEW_REASON = re.compile(r"retry time not reached|retry timeout exceeded|message expired|in the queue too long")

Name = TypeVar("Name", str, "Cause")


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a message was refused: a cause of causes.toml, the list it names, the receiver, whose fix, which step."""

    cause: str
    list: str
    receiver: str
    side: str
    step: str


@dataclass(frozen=True, slots=True)
class CauseCount:
    """A cause and its messages; `receiver` has most of them, `receiver_total` of all mail to it (0: not known)."""

    cause: str
    list: str
    side: str
    step: str
    messages: int
    receiver: str
    receiver_messages: int
    receiver_total: int


@dataclass(frozen=True, slots=True)
class LogSummary:
    """Counts of a log, most frequent first.

    `refusals` are messages (per recipient) that others refused and that were not delivered:
    `bounced` and, at the end of the log, `deferred` ones. `recovered` were delivered after all;
    `attempts` are all refused attempts. `refused_by_us` are refusals by our own server, with
    `own_causes`; `own_faults` of them are our server's fault. `at_least`: more may have been;
    `cut_short`: because the file ends before its content does.
    """

    lines: int
    refusals: int = 0
    bounced: int = 0
    deferred: int = 0
    recovered: int = 0
    attempts: int = 0
    sent: int = 0
    refused_by_us: int = 0
    at_least: bool = False
    cut_short: bool = False
    causes: tuple[CauseCount, ...] = ()
    own_causes: tuple[CauseCount, ...] = ()
    own_faults: tuple[CauseCount, ...] = ()
    addresses: tuple[tuple[str, int], ...] = ()
    receivers: tuple[tuple[str, int], ...] = ()


@dataclass(slots=True)
class _OpenMessage:
    """A deferred recipient of a message."""

    cause: Cause
    ip: str | None
    day: int


class DeliveryCounter:
    """Counts messages by their last state; see LogSummary."""

    def __init__(self) -> None:
        self.lines = 0
        self._totals: Counter[str] = Counter()
        self._causes: Counter[Cause] = Counter()
        self._own_causes: Counter[Cause] = Counter()
        self._addresses: Counter[str] = Counter()
        self._sent_by_receiver: Counter[str] = Counter()
        self._open: OrderedDict[str, dict[str, _OpenMessage]] = OrderedDict()
        self._open_count = 0
        self._at_least = False
        self._cut_short = False

    def count_lines(self, lines: Iterable[str]) -> Iterator[str]:
        """Pass the lines through, counting them; a file that is cut short ends there."""
        try:
            for line in lines:
                self.lines += 1
                yield line
        except FileCutShort:
            self._cut_short = self._at_least = True

    def add(self, event: LogEvent | None, bounce: Bounce | None) -> None:
        """Count one event of a log, or one refusal that was in no log."""
        if bounce and bounce.direction == INBOUND:
            self._add_refused(bounce)
        elif event is None or not event.message:
            if bounce:
                self._totals["attempts"] += 1
                self._count(_cause(event, bounce), bounce.ip, "deferred" if _is_temporary(bounce) else "bounced")
        elif event.state is State.SENT:
            self._add_sent(event)
        elif event.state in (State.REMOVED, State.EXPIRED):
            self._close(event.message, "bounced" if event.state is State.EXPIRED else "deferred")
        elif bounce and event.state is State.BOUNCED:
            self._totals["attempts"] += 1
            cause = self._cause_so_far(event, bounce)
            self._pop(event)
            self._count(cause, bounce.ip, "bounced")
        elif bounce:
            self._totals["attempts"] += 1
            self._defer(event, bounce)

    def summary(self, limit: int = 10) -> LogSummary:
        """The summary with the `limit` most frequent names of each kind; what is still open is deferred."""
        while self._open:
            self._close(next(iter(self._open)), "deferred")
        causes = self._cause_counts(self._causes)
        own_causes = self._cause_counts(self._own_causes)
        receivers: Counter[str] = Counter()
        for cause, number in self._causes.items():
            if cause.receiver:
                receivers[cause.receiver] += number
        totals = self._totals
        return LogSummary(
            lines=self.lines,
            refusals=totals["bounced"] + totals["deferred"],
            bounced=totals["bounced"],
            deferred=totals["deferred"],
            recovered=totals["recovered"],
            attempts=totals["attempts"],
            sent=totals["sent"],
            refused_by_us=totals["refused_by_us"],
            at_least=self._at_least,
            cut_short=self._cut_short,
            causes=causes[:limit],
            own_causes=own_causes[:limit],
            own_faults=tuple(cause for cause in own_causes if cause.side == "you")[:limit],
            addresses=tuple(self._addresses.most_common(limit)),
            receivers=tuple(receivers.most_common(limit)),
        )

    def _add_refused(self, bounce: Bounce) -> None:
        self._totals["refused_by_us"] += 1
        _count(self._own_causes, _cause(None, bounce))

    def _add_sent(self, event: LogEvent) -> None:
        self._totals["sent"] += 1
        if receiver := receiver_of(event.host):
            _count(self._sent_by_receiver, receiver)
        recipients = [event.recipient] if event.recipient else list(self._open.get(event.message, {}))
        self._totals["recovered"] += sum(self._pop(replace(event, recipient=recipient)) for recipient in recipients)

    def _defer(self, event: LogEvent, bounce: Bounce) -> None:
        recipients = self._open.setdefault(event.message, {})
        if event.recipient in recipients:
            message = recipients[event.recipient]
            message.cause, message.ip = self._cause_so_far(event, bounce), bounce.ip or message.ip
            return
        recipients[event.recipient] = _OpenMessage(_cause(event, bounce), bounce.ip, event.day)
        self._open_count += 1
        if self._open_count > MAX_OPEN:
            self._at_least = True
            self._close(next(iter(self._open)), "deferred")
        while self._is_old(event.day):
            self._close(next(iter(self._open)), "deferred")

    def _cause_so_far(self, event: LogEvent, bounce: Bounce) -> Cause:
        """The cause of the refusal, or of the one before where the server only waits or gives up."""
        before = self._open.get(event.message, {}).get(event.recipient)
        return before.cause if before and NO_NEW_REASON.search(event.reply.lower()) else _cause(event, bounce)

    def _is_old(self, day: int) -> bool:
        """Whether the oldest open message is too old; a day without a year may start over."""
        oldest = next(iter(next(iter(self._open.values())).values()), None)
        return oldest is not None and 0 < oldest.day < day - MAX_OPEN_DAYS

    def _pop(self, event: LogEvent) -> bool:
        """Close one recipient of a message; whether it was open."""
        recipients = self._open.get(event.message)
        if not recipients or recipients.pop(event.recipient, None) is None:
            return False
        self._open_count -= 1
        if not recipients:
            del self._open[event.message]
        return True

    def _close(self, message: str, state: str) -> None:
        for recipient in self._open.pop(message, {}).values():
            self._open_count -= 1
            self._count(recipient.cause, recipient.ip, state)

    def _count(self, cause: Cause, ip: str | None, state: str) -> None:
        self._totals[state] += 1
        _count(self._causes, cause)
        if ip:
            _count(self._addresses, ip)

    def _cause_counts(self, counter: Counter[Cause]) -> tuple[CauseCount, ...]:
        """The causes without their receivers; each with its most frequent receiver and step."""
        groups: dict[tuple[str, str], Counter[Cause]] = {}
        for cause, number in counter.items():
            groups.setdefault((cause.cause, cause.list), Counter())[cause] += number
        result = []
        for (name, list_id), group in groups.items():
            receivers: Counter[str] = Counter()
            for cause, number in group.items():
                receivers[cause.receiver] += number
            receiver, number = receivers.most_common(1)[0]
            most = next(cause for cause, _ in group.most_common() if cause.receiver == receiver)
            result.append(
                CauseCount(
                    name, list_id, most.side, most.step, group.total(), receiver, number, self._mail_to(receiver)
                )
            )
        return tuple(sorted(result, key=lambda cause: -cause.messages))

    def _mail_to(self, receiver: str) -> int:
        """All mail to a receiver, 0 if the log has none that was sent."""
        if not self._totals["sent"] or not receiver:
            return 0
        refused = sum(number for cause, number in self._causes.items() if cause.receiver == receiver)
        return refused + self._sent_by_receiver[receiver]


def _is_temporary(bounce: Bounce) -> bool:
    code = bounce.enhanced_code or (str(bounce.smtp_code) if bounce.smtp_code else "")
    return code.startswith("4")


def _cause(event: LogEvent | None, bounce: Bounce) -> Cause:
    receiver = (receiver_of(event.host) if event else None) or bounce.receiver or ""
    return Cause(bounce.cause, bounce.list or "", receiver, bounce.side, bounce.remediation)


def _count(counter: Counter[Name], name: Name) -> None:
    if name in counter or len(counter) < MAX_NAMES:
        counter[name] += 1
