from __future__ import annotations

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.models import DnsAnswer, LookupFailed
from bot.net.dns_message import Alias, MalformedReply, parse_reply
from bot.net.dns_wire import (
    HEADER_BYTES,
    SecureRandom,
    encode_query,
    encode_question,
    lowercase_name,
    parse_plain_reply,
    with_random_case,
)

LABEL = st.text("abcXYZ019-_", min_size=1, max_size=63)
NAME = st.lists(LABEL, min_size=1, max_size=6).map(".".join).filter(lambda name: len(name) < 250)
SOA = "ns.example. admin.example. 1 3600 600 86400 150"


def response(name: str, rdtype: str, *lines: str, rcode: int = 0) -> bytes:
    """A reply; records are given as `answer|authority owner ttl type text`."""
    message = dns.message.make_response(dns.message.make_query(name, rdtype), recursion_available=True)
    message.set_rcode(dns.rcode.Rcode(rcode))
    for line in lines:
        section, owner, ttl, record_type, text = line.split(" ", 4)
        getattr(message, section).append(dns.rrset.from_text(owner, int(ttl), "IN", record_type, text))
    return message.to_wire()


@given(NAME, st.sampled_from(["A", "TXT", "MX", "PTR"]))
def test_encoded_question_parses_back(name: str, rdtype: str) -> None:
    message = dns.message.from_wire(encode_query(b"ab", encode_question(name, rdtype).wire, edns=rdtype != "A"))
    assert message.question[0].name == dns.name.from_text(name)
    assert message.question[0].rdtype == dns.rdatatype.from_text(rdtype)
    assert (message.id, message.edns, message.payload) == (
        0x6162,
        -1 if rdtype == "A" else 0,
        0 if rdtype == "A" else 1232,
    )
    assert message.flags & dns.flags.RD


@given(NAME, st.sampled_from(["A", "HTTPS"]))  # type 65 (HTTPS) is an ASCII letter
def test_random_case_changes_case_only(name: str, rdtype: str) -> None:
    question = encode_question(name.lower(), rdtype)
    mixed_wire = with_random_case(question, SecureRandom())
    assert lowercase_name(mixed_wire) == question.wire
    assert mixed_wire[-4:] == question.wire[-4:]


def test_random_case_covers_every_character() -> None:
    question = encode_question("abcdefghijklmnopqrstuvwxyz.example", "A")
    variants = {with_random_case(question, SecureRandom(block_size=64)) for _ in range(200)}
    assert len(variants) == 200
    assert all(len({variant[at] for variant in variants}) == 2 for at in range(HEADER_BYTES + 1, HEADER_BYTES + 14))


def test_escaped_name_is_encoded_as_bytes() -> None:
    assert encode_question("a\\032b\\.c.example", "PTR").wire.startswith(b"\x05a b.c\x07example\0")


@pytest.mark.parametrize("name", ["a" * 63, ".".join(["a" * 61] * 4), "."])
def test_longest_and_shortest_names_are_encoded(name: str) -> None:
    assert len(encode_question(name, "A").wire) <= 255 + 4


@pytest.mark.parametrize(("ttl", "negative"), [(3600, 150), (60, 60)])
@pytest.mark.parametrize(("rcode", "exists"), [(0, True), (3, False)])
def test_denial_ttl_comes_from_soa(ttl: int, negative: int, rcode: int, exists: bool) -> None:
    reply = response("no.list.example", "A", f"authority list.example. {ttl} SOA {SOA}", rcode=rcode)
    assert parse_plain_reply(encode_question("no.list.example", "A"), reply) == DnsAnswer(
        "no.list.example", "A", exists=exists, ttl=negative
    )


RECORDS = st.sampled_from(
    [
        "answer {name} 60 A 127.0.0.2",
        "answer {name} 30 A 127.0.0.4",
        "answer {name} 60 CNAME other.example.",
        "answer other.example. 60 A 192.0.2.1",
        f"authority example. 600 SOA {SOA}",
        "authority example. 600 NS ns.example.",
        "additional ns.example. 600 A 192.0.2.53",
    ]
)


@given(NAME, st.lists(RECORDS, max_size=5), st.sampled_from([0, 3]))
def test_plain_parser_agrees_with_full_parser(name: str, lines: list[str], rcode: int) -> None:
    question = encode_question(name, "A")
    reply = response(name, "A", *(line.format(name=f"{name}.") for line in lines), rcode=rcode)
    answer = parse_plain_reply(question, reply)
    if answer is not None:
        assert answer == parse_reply(question, reply)


@given(st.data(), st.lists(RECORDS, max_size=5), st.sampled_from(["A", "TXT", "MX"]))
def test_corrupt_reply_raises_only_known_errors(data: st.DataObject, lines: list[str], rdtype: str) -> None:
    question = encode_question("n.example", rdtype)
    reply = bytearray(response("n.example", rdtype, *(line.format(name="n.example.") for line in lines)))
    for at, octet in data.draw(st.lists(st.tuples(st.integers(0, len(reply) - 1), st.integers(0, 255)), max_size=4)):
        reply[at] = octet
    truncated = bytes(reply[: data.draw(st.integers(HEADER_BYTES + len(question.wire), len(reply)))])
    try:
        result = parse_plain_reply(question, truncated) or parse_reply(question, truncated)
    except (MalformedReply, LookupFailed):
        return
    assert isinstance(result, DnsAnswer | Alias)


@given(st.integers(1, 60))
def test_truncated_packet_is_rejected(missing: int) -> None:
    question = encode_question("n.example", "A")
    for lines, rcode in (([f"authority example. 600 SOA {SOA}"], 3), (["answer n.example. 60 TXT " + "x" * 60], 0)):
        reply = response("n.example", "A", *lines, rcode=rcode)[:-missing]
        if len(reply) > HEADER_BYTES + len(question.wire):
            assert parse_plain_reply(question, reply) is None
            with pytest.raises(MalformedReply):
                parse_reply(question, reply)
