"""Mail logs and pasted replies: refusals, joined lines, summaries, bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.bounces.bounce_mail import is_refusal
from bot.bounces.mail_log import find_bounces, summarize_with_examples
from bot.bounces.text_input import MAX_BYTES, LogTooBig, decode_lines
from tests.support.cpu_growth import LINEAR, cpu_growth

POSTFIX = """\
Nov 24 07:40:11 mail postfix/smtpd[2212]: connect from mx.example.org[203.0.113.5]
Nov 24 07:40:12 mail postfix/smtpd[2212]: NOQUEUE: reject: RCPT from unknown[203.0.113.9]: 450 \
4.7.25 Client host rejected: cannot find your hostname, [203.0.113.9]; from=<b@example.org> \
to=<a@example.com> proto=ESMTP helo=<x>
Nov 24 07:40:12 mail postfix/qmgr[2212]: 4F2C1A: from=<b@example.org>, size=450, nrcpt=1 (queue \
active)
Nov 24 07:40:13 mail postfix/smtp[2213]: 4F2C1A: to=<a@example.com>, \
relay=mx.example.com[198.51.100.1]:25, delay=0.6, delays=0.1/0/0.4/0.1, dsn=5.7.1, status=bounced \
(host mx.example.com[198.51.100.1] said: 554 5.7.1 Service unavailable; Client host [203.0.113.5] \
blocked using zen.spamhaus.org (in reply to RCPT TO command))
Nov 24 07:40:14 mail postfix/smtp[2213]: 4F2C1B: to=<a@example.net>, \
relay=mx.example.net[198.51.100.2]:25, delay=0.6, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as \
550)
Nov 24 07:40:15 mail postfix/qmgr[2212]: 4F2C1B: removed
"""
EXIM = """\
2026-11-24 07:40:11 1tF2aa-0001Bc-2D <= b@example.org H=mail.example.org [203.0.113.5] P=esmtps \
X=TLS1.3:TLS_AES_256_GCM_SHA384:256 S=550
2026-11-24 07:40:12 1tF2aa-0001Bc-2D ** a@example.com R=dnslookup T=remote_smtp H=mx.example.com \
[198.51.100.1]: SMTP error from remote mail server after RCPT TO:<a@example.com>: 550 5.1.1 No \
such user
2026-11-24 07:40:13 1tF2aa-0001Bc-2D == c@example.net R=dnslookup T=remote_smtp defer (110): \
Connection timed out
2026-11-24 07:40:14 H=(x) [203.0.113.9] F=<b@example.org> rejected RCPT <a@example.com>: relay \
not permitted
2026-11-24 07:40:15 1tF2aa-0001Bc-2D Completed
"""
REPLIES = """\
550 5.1.1 <a@example.com>: User unknown
Service unavailable; Client host [203.0.113.5] blocked using bl.spamcop.net

We do not accept mail from hosts with dynamic IP
"""
WRAPPED = """\
550-5.7.26 The MAIL FROM domain [example.org] has an SPF record with a
550-5.7.26 hard fail policy (-all) but it fails to pass SPF checks with the ip:
550 5.7.26 [203.0.113.5]. To best protect our users the message has been blocked. - gsmtp
421 4.7.28 Our system has detected an unusual rate of unsolicited mail - gsmtp
"""
NOTIFICATION = """\
This is the mail system at host mail.example.org.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

<a@example.com>: host mx.example.com[198.51.100.1] said: 554 5.7.1 Service
    unavailable; Client host [203.0.113.5] blocked using
    zen.spamhaus.org (in reply to RCPT TO command)
"""


def categories(text: str) -> list[str]:
    return [bounce.category for bounce in find_bounces(text.splitlines())]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (POSTFIX, ["no-ptr", "blocklist"]),
        (EXIM, ["mailbox", "connection", "relay"]),
        (REPLIES, ["mailbox", "blocklist", "policy-block-pbl"]),
        (WRAPPED, ["spf", "rate-limit"]),
    ],
    ids=["postfix", "exim", "replies", "wrapped"],
)
def test_find_bounces_log_gives_one_per_refusal(text: str, expected: list[str]) -> None:
    assert categories(text) == expected


def test_find_bounces_indented_lines_are_joined() -> None:
    last = list(find_bounces(NOTIFICATION.splitlines()))[-1]
    assert (last.category, last.ip, last.list) == ("blocklist", "203.0.113.5", "spamhaus-zen")


def test_find_bounces_separate_replies_are_not_joined() -> None:
    text = (
        '550-"JunkMail rejected - mail.example.org [203.0.113.5]:16742 is in an RBL"\n550 no such'
        " user\n553 no relay here"
    )
    assert len(categories(text)) == 3


NO_PTR = "550-client 203.0.113.5 has no reverse DNS, ask your ISP\n550 mail from hosts without reverse DNS is refused"


@pytest.mark.parametrize(
    ("text", "causes"),
    [
        (NO_PTR, ["no-ptr"]),
        (
            "450-Requested action not taken: mailbox unavailable\n450 Mail send limit exceeded, mx.gmx.net",
            ["rate-limit"],
        ),
        ("550-Mail refused, too many\n550 complaints about 203.0.113.5", ["ip-reputation"]),
        ("LOG: 552-5.2.2 this mailbox\n552-5.2.2 is full, write\n552 5.2.2 later", ["mailbox-full"]),
        ("We pay 550 EUR for 554 pieces and reject 5.1.1 of them.", []),
        ('198.51.100.7 - - [24/Nov/2026:07:40:11 +0100] "GET / HTTP/1.1" 503 512 "-" "curl"', []),
        ("Our phone: +49 550 5719922, room 552, failed on 5.2.2026", []),
    ],
)
def test_reply_of_several_lines_is_one_and_prose_is_none(text: str, causes: list[str]) -> None:
    assert [bounce.cause for bounce in find_bounces(text.splitlines())] == causes


REPLY = "Service refused: client [203.0.113.5] has a poor reputation"


@pytest.mark.parametrize(
    "line",
    [
        "Nov 24 07:40:13 mail postfix/smtp[9]: 4F: to=<a@example.com>,"
        " relay=mx.example.com[198.51.100.1]:25, dsn=5.7.1,"
        f" status=bounced (host mx.example.com[198.51.100.1] said: 554 {REPLY} (in reply to"
        " RCPT TO command))",
        "2026-11-24 07:40:12 1tF2aa-0001Bc-2D ** a@example.com R=dnslookup T=remote_smtp"
        " H=mx.example.com [198.51.100.1]:"
        f" SMTP error from remote mail server after RCPT TO:<a@example.com>: 554 5.7.1 {REPLY}",
        "Nov 24 07:40:13 mail sendmail[9]: 4F: to=<a@example.com>, mailer=esmtp,"
        " relay=mx.example.com. [198.51.100.1],"
        f" dsn=5.7.1, stat=Service unavailable (554 {REPLY})",
    ],
    ids=["postfix", "exim", "sendmail"],
)
def test_find_bounces_quoted_reply_is_classified_in_each_log_format(line: str) -> None:
    (bounce,) = find_bounces([line])
    assert (bounce.category, bounce.ip, bounce.receiver) == ("ip-reputation", "203.0.113.5", "example.com")
    assert (bounce.smtp_code, bounce.enhanced_code, bounce.line) == (554, "5.7.1", line)


def test_find_bounces_line_is_the_whole_log_line() -> None:
    results = list(find_bounces(POSTFIX.splitlines()))
    assert results[1].line.startswith("Nov 24 07:40:13 mail postfix/smtp[2213]: 4F2C1A:")


@pytest.mark.parametrize(
    "line",
    [
        ("Received: from mail.example.org ([203.0.113.5]) by mx.example.com; Tue, 24 Nov 2026 07:40:11 +0000"),
        "Subject: 550 ways to be rejected",
        "Final-Recipient: rfc822; a@example.com",
        "Status: 5.1.1",
        "Nov 24 07:40:11 mail postfix/anvil[1]: statistics: max connection rate 550/60s",
        "",
    ],
)
def test_is_refusal_ordinary_line_is_false(line: str) -> None:
    assert not is_refusal(line)


def test_summary_counts_causes_addresses_receivers() -> None:
    _, summary = summarize_with_examples((POSTFIX + POSTFIX + EXIM).splitlines())
    assert (summary.lines, summary.refusals, summary.refused_by_us, summary.sent) == (17, 4, 3, 2)
    assert next((cause.cause, cause.list, cause.messages) for cause in summary.causes) == (
        "blocklist",
        "spamhaus-zen",
        2,
    )
    assert dict(summary.addresses) == {"203.0.113.5": 2}
    assert summary.receivers[0] == ("example.com", 3)


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_decode_lines_chunk_size_is_irrelevant(size: int) -> None:
    data = (POSTFIX + "ünd\n" + EXIM + "no end").encode()
    assert list(decode_lines(data[start : start + size] for start in range(0, len(data), size))) == data.decode().split(
        "\n"
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_decode_lines_utf16_with_bom_is_decoded(encoding: str) -> None:
    bom = b"\xfe\xff" if encoding == "utf-16-be" else b""
    data = bom + (POSTFIX + "ünd\n").encode(encoding)
    chunks = [data[start : start + 7] for start in range(0, len(data), 7)]
    assert list(decode_lines(chunks)) == (POSTFIX + "ünd").split("\n")


def test_decode_lines_overlong_line_is_cut() -> None:
    lines = list(decode_lines(b"x" * 65_536 for _ in range(50)))
    assert [len(line) for line in lines] == [65_536]


def test_decode_lines_too_big_file_raises() -> None:
    with pytest.raises(LogTooBig, match="larger than 10 MB"):
        list(decode_lines(b"550 no\n" * 9_000 for _ in range(200)))


SEED = 5


def big_log(size: int) -> Iterator[bytes]:
    """A log in which every fifth line is a refusal, all different."""
    random, lines = Random(SEED), [line for line in (POSTFIX + EXIM).splitlines() if "a@example.com" in line]
    written = 0
    while written < size:
        name = f"{random.getrandbits(40):x}"
        refusal = random.choice(lines).replace("a@example.com", f"{name}@example.com")
        other_lines = f"Nov 24 07:40:11 mail postfix/qmgr[2212]: {name}: removed\n" * 4
        chunk = f"{refusal}\n{other_lines}".encode()
        written += len(chunk)
        yield chunk


def test_summary_large_log_takes_bounded_memory() -> None:
    summarize_with_examples(POSTFIX.splitlines())
    tracemalloc.start()
    _, summary = summarize_with_examples(decode_lines(big_log(MAX_BYTES // 10)))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (summary.refusals + summary.refused_by_us) * 5 == summary.lines, f"seed {SEED}"
    assert peak_bytes < 16 * 2**20


@given(
    st.lists(
        st.sampled_from(
            [
                *POSTFIX.splitlines(),
                *EXIM.splitlines(),
                *WRAPPED.splitlines(),
                *NOTIFICATION.splitlines(),
                "",
                "550-",
                " x",
            ]
        ),
        max_size=30,
    )
)
@settings(max_examples=100, deadline=None)
def test_find_bounces_shuffled_lines_give_at_most_one_each(lines: list[str]) -> None:
    assert len(list(find_bounces(lines))) <= len(lines)


STARTS = (
    "", '{"message": ', "[{", '{"event": {}, "email": ', "#Fields: date-time,event-id,recipient-address\n",
    "type,rcpt,dsndiag\n", "-Queue ID- --Size--\n", '"SMTPC"\t1\t2\t', "Nov 24 07:40:11 mail postfix/smtp[1]: ",
    "Content-Type: multipart/report; boundary=b\n\n--b\n", "<html><p><p><p><p>", "> > ",
)  # fmt: skip


@given(st.sampled_from(STARTS), st.text(max_size=500))
@settings(max_examples=300, deadline=None)
def test_find_bounces_any_text_never_raises(start: str, text: str) -> None:
    summarize_with_examples((start + text).splitlines())
    list(find_bounces([start + text]))


def test_find_bounces_endless_reply_takes_linear_time() -> None:
    def bounces(text: str) -> None:
        assert list(find_bounces(text.splitlines()))

    assert cpu_growth(bounces, lambda length: "550-going on and on\n" * length, 5_000) <= LINEAR
