from __future__ import annotations

import pytest

from bot.models import DnsAnswer, LookupFailed
from bot.net.dns_message import Alias, parse_reply
from bot.net.dns_wire import encode_question, parse_plain_reply
from tests.bot.net.test_dns_wire import SOA, response


@pytest.mark.parametrize(
    ("rdtype", "line", "text"),
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
def test_rdata_is_rendered_as_text(rdtype: str, line: str, text: str) -> None:
    answer = parse_reply(
        encode_question("n.example", rdtype), response("n.example", rdtype, f"answer n.example. 60 {line}")
    )
    assert answer == DnsAnswer("n.example", rdtype, (text,), ttl=60)


def test_cname_chain_has_its_shortest_ttl() -> None:
    lines = ["answer n.example. 30 CNAME other.example.", "answer other.example. 600 A 192.0.2.1"]
    assert parse_reply(encode_question("n.example", "A"), response("n.example", "A", *lines)) == DnsAnswer(
        "n.example", "A", ("192.0.2.1",), ttl=30, aliases=("other.example",)
    )


def test_cname_to_missing_name_is_nxdomain() -> None:
    lines = ["answer n.example. 600 CNAME gone.example.", f"authority example. 600 SOA {SOA}"]
    reply = response("n.example", "A", *lines, rcode=3)
    assert parse_reply(encode_question("n.example", "A"), reply) == DnsAnswer(
        "n.example", "A", exists=False, ttl=150, aliases=("gone.example",)
    )


def test_cname_to_name_without_record_is_nodata() -> None:
    lines = ["answer n.example. 600 CNAME other.example.", f"authority example. 600 SOA {SOA}"]
    assert parse_reply(encode_question("n.example", "A"), response("n.example", "A", *lines)) == DnsAnswer(
        "n.example", "A", ttl=150, aliases=("other.example",)
    )


def test_cname_without_target_is_an_alias() -> None:
    reply = response("n.example", "A", "answer n.example. 600 CNAME other.example.")
    assert parse_reply(encode_question("n.example", "A"), reply) == Alias(("other.example",), 600, False)


def test_denial_without_soa_has_ttl_zero() -> None:
    assert parse_reply(encode_question("n.example", "A"), response("n.example", "A", rcode=3)) == DnsAnswer(
        "n.example", "A", exists=False, ttl=0
    )


@pytest.mark.parametrize(
    ("lines", "rcode", "reason"), [(["answer other.example. 60 A 127.0.0.2"], 3, "malformed"), ([], 9, "servfail")]
)
def test_error_reply_raises_lookup_failed(lines: list[str], rcode: int, reason: str) -> None:
    with pytest.raises(LookupFailed) as error:
        parse_reply(encode_question("n.example", "A"), response("n.example", "A", *lines, rcode=rcode))
    assert error.value.reason == reason


@pytest.mark.parametrize(("strings", "accepted"), [(64, True), (66, False)])
def test_record_too_long_to_be_parsed_is_malformed(strings: int, accepted: bool) -> None:
    question = encode_question("n.example", "TXT")
    line = "answer n.example. 60 TXT " + " ".join([f'"{" " * 255}"'] * strings)
    reply = response("n.example", "TXT", line)
    assert (parse_plain_reply(question, reply) is not None) is accepted
    if accepted:
        assert parse_reply(question, reply) == parse_plain_reply(question, reply)
        return
    with pytest.raises(LookupFailed) as error:
        parse_reply(question, reply)
    assert error.value.reason == "malformed"
