from __future__ import annotations

import pytest

from bot.models import Answer, LookupFailed
from bot.net.dns_message import Alias, read
from bot.net.dns_wire import question
from tests.bot.net.test_dns_wire import SOA, response


@pytest.mark.parametrize(
    ("kind", "line", "text"),
    [
        ("A", "A 192.0.2.1", "192.0.2.1"),
        ("AAAA", "AAAA 2001:db8::1", "2001:db8::1"),
        ("TXT", 'TXT "v=spf1 ip4:192.0.2.1" " -all"', "v=spf1 ip4:192.0.2.1 -all"),
        ("TXT", 'TXT "one" "two"', "onetwo"),
        ("TXT", 'TXT "\\195\\188 \\255"', "ü �"),
        ("MX", "MX 10 Mail.Other.", "10 Mail.Other"),
        ("MX", "MX 0 .", "0 ."),
        ("PTR", "PTR mail.example.", "mail.example"),
        ("PTR", "PTR a\\032b.example.", "a\\032b.example"),
        ("NS", "NS .", "."),
        ("CNAME", "CNAME other.example.", "other.example"),
        ("TLSA", f"TLSA 3 1 1 {'00ff' * 16}", f"3 1 1 {'00ff' * 16}"),
    ],
)
def test_records_in_text_form(kind: str, line: str, text: str) -> None:
    answer = read(question("n.example", kind), response("n.example", kind, f"answer n.example. 60 {line}"))
    assert answer == Answer("n.example", kind, (text,), ttl=60)


def test_the_shortest_ttl_of_a_chain_counts() -> None:
    lines = ["answer n.example. 30 CNAME other.example.", "answer other.example. 600 A 192.0.2.1"]
    assert read(question("n.example", "A"), response("n.example", "A", *lines)) == Answer(
        "n.example", "A", ("192.0.2.1",), ttl=30
    )


def test_an_alias_to_nothing_does_not_exist() -> None:
    lines = ["answer n.example. 600 CNAME gone.example.", f"authority example. 600 SOA {SOA}"]
    reply = response("n.example", "A", *lines, rcode=3)
    assert read(question("n.example", "A"), reply) == Answer("n.example", "A", exists=False, ttl=150)


def test_an_alias_to_a_name_without_such_a_record_is_nodata() -> None:
    lines = ["answer n.example. 600 CNAME other.example.", f"authority example. 600 SOA {SOA}"]
    assert read(question("n.example", "A"), response("n.example", "A", *lines)) == Answer("n.example", "A", ttl=150)


def test_an_alias_alone_is_the_next_question() -> None:
    reply = response("n.example", "A", "answer n.example. 600 CNAME other.example.")
    assert read(question("n.example", "A"), reply) == Alias("other.example", 600, False)


def test_a_negative_answer_without_soa_is_not_kept() -> None:
    assert read(question("n.example", "A"), response("n.example", "A", rcode=3)) == Answer(
        "n.example", "A", exists=False, ttl=0
    )


@pytest.mark.parametrize(
    ("lines", "rcode", "reason"),
    [
        (["answer n.example. 60 A 127.0.0.2"], 3, "malformed"),
        (["answer other.example. 60 A 127.0.0.2"], 3, "malformed"),
        (["answer n.example. 60 CNAME n.example."], 0, "loop"),
        ([], 9, "servfail"),
    ],
)
def test_a_clear_word_that_is_no_answer(lines: list[str], rcode: int, reason: str) -> None:
    with pytest.raises(LookupFailed) as failed:
        read(question("n.example", "A"), response("n.example", "A", *lines, rcode=rcode))
    assert failed.value.reason == reason
