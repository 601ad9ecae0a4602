"""The sum of a log: messages by their last state, whose refusals they are, and what is kept of them."""

from __future__ import annotations

import pytest

from bot.bounces import log_summary
from bot.bounces.log_summary import LogSummary
from bot.bounces.mail_log import summarize_with_examples

HOST = "mx.example.com[198.51.100.1]"


def attempt(queue_id: str, state: str, *, day: int = 1, reply: str = "450 4.2.0 Greylisted", to: str = "a") -> str:
    result = f"host {HOST} said: {reply} (in reply to RCPT TO command)" if state != "sent" else "250 2.0.0 Ok"
    return (
        f"Nov {day:2} 07:40:11 mail postfix/smtp[9]: {queue_id}: to=<{to}@example.com>, relay={HOST}:25, delay=1,"
        f" delays=0/0/1/0, dsn=4.2.0, status={state} ({result})"
    )


def summary_of(*lines: str) -> LogSummary:
    return summarize_with_examples(lines)[1]


def test_summary_counts_a_message_once_by_its_last_state() -> None:
    summary = summary_of(
        attempt("AAAA1", "deferred"), attempt("AAAA1", "deferred"), attempt("AAAA1", "sent"),
        attempt("AAAA2", "deferred"), attempt("AAAA2", "bounced", reply="550 5.1.1 no such user"),
        attempt("AAAA3", "deferred"), attempt("AAAA3", "deferred"),
    )  # fmt: skip
    assert (summary.refusals, summary.bounced, summary.deferred, summary.recovered) == (2, 1, 1, 1)
    assert (summary.attempts, summary.sent) == (6, 1)
    assert [(cause.cause, cause.messages) for cause in summary.causes] == [("mailbox-unknown", 1), ("greylist", 1)]


def test_summary_counts_recipients_of_a_message_apart() -> None:
    summary = summary_of(attempt("AAAA1", "deferred"), attempt("AAAA1", "deferred", to="b"))
    assert summary.deferred == 2


def test_summary_gives_the_share_of_all_mail_to_the_receiver() -> None:
    sent = [attempt(f"BBBB{number}", "sent") for number in range(3)]
    (cause,) = summary_of(*sent, attempt("AAAA1", "bounced")).causes
    assert (cause.receiver, cause.receiver_messages, cause.receiver_total) == ("example.com", 1, 4)
    (cause,) = summary_of(attempt("AAAA1", "bounced")).causes
    assert cause.receiver_total == 0


def test_summary_of_expired_message_is_bounced() -> None:
    expired = "Nov  6 07:40:11 mail postfix/qmgr[1]: AAAA1: from=<b@example.org>, status=expired, returned to sender"
    summary = summary_of(attempt("AAAA1", "deferred"), expired)
    assert (summary.bounced, summary.deferred) == (1, 0)


def test_summary_closes_messages_after_five_days_of_the_log() -> None:
    late = attempt("AAAA1", "sent", day=9)
    summary = summary_of(attempt("AAAA1", "deferred"), attempt("AAAA2", "deferred", day=8), late)
    assert (summary.deferred, summary.recovered) == (2, 0)


def test_summary_of_more_open_messages_than_the_limit_is_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_summary, "MAX_OPEN", 3)
    summary = summary_of(*(attempt(f"AAA{number}", "deferred") for number in range(5)))
    assert (summary.deferred, summary.at_least) == (5, True)


def test_summary_separates_refusals_by_the_own_server() -> None:
    reject = (
        "Nov  1 07:40:11 mail postfix/smtpd[9]: NOQUEUE: reject: RCPT from x[203.0.113.77]: 554 5.7.1 Client host"
        " [203.0.113.77] blocked using {}; from=<x@y> to=<a@b> proto=ESMTP helo=<x>"
    )
    summary = summary_of(reject.format("bl.spamcop.net"), reject.format("zen.spamhaus.org; Error: open resolver"))
    assert (summary.refusals, summary.refused_by_us, summary.addresses) == (0, 2, ())
    assert [(cause.cause, cause.side) for cause in summary.own_faults] == [("resolver-refused", "you")]
