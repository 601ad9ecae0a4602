from __future__ import annotations

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.models import Answer, LookupFailed
from bot.net.dns_message import Alias, Garbled, read
from bot.net.dns_wire import HEADER, Dice, fold, mixed, packet, question, read_plain

LABEL = st.text("abcXYZ019-_", min_size=1, max_size=63)
NAME = st.lists(LABEL, min_size=1, max_size=6).map(".".join).filter(lambda name: len(name) < 250)
SOA = "ns.example. admin.example. 1 3600 600 86400 150"


def response(name: str, kind: str, *lines: str, rcode: int = 0) -> bytes:
    """A reply with records as `answer|authority owner ttl kind text`, names compressed as servers do."""
    message = dns.message.make_response(dns.message.make_query(name, kind), recursion_available=True)
    message.set_rcode(dns.rcode.Rcode(rcode))
    for line in lines:
        section, owner, ttl, rdtype, text = line.split(" ", 4)
        getattr(message, section).append(dns.rrset.from_text(owner, int(ttl), "IN", rdtype, text))
    return message.to_wire()


@given(NAME, st.sampled_from(["A", "TXT", "MX", "PTR"]))
def test_a_question_reads_as_it_was_meant(name: str, kind: str) -> None:
    message = dns.message.from_wire(packet(b"ab", question(name, kind).wire, edns=kind != "A"))
    assert message.question[0].name == dns.name.from_text(name)
    assert message.question[0].rdtype == dns.rdatatype.from_text(kind)
    assert (message.id, message.edns, message.payload) == (0x6162, -1 if kind == "A" else 0, 0 if kind == "A" else 1232)
    assert message.flags & dns.flags.RD


@given(NAME, st.sampled_from(["A", "HTTPS"]))  # the number of HTTPS is that of a letter
def test_mixing_changes_nothing_but_letter_case(name: str, kind: str) -> None:
    asked = question(name.lower(), kind)
    thrown = mixed(asked, Dice())
    assert fold(thrown) == asked.wire
    assert thrown[-4:] == asked.wire[-4:]


def test_letter_case_is_thrown_for_every_letter() -> None:
    asked = question("abcdefghijklmnopqrstuvwxyz.example", "A")
    throws = {mixed(asked, Dice(block=64)) for _ in range(200)}
    assert len(throws) == 200
    assert all(len({thrown[at] for thrown in throws}) == 2 for at in range(HEADER + 1, HEADER + 14))


def test_a_name_is_put_out_with_the_bytes_it_was_shown_with() -> None:
    assert question("a\\032b\\.c.example", "PTR").wire.startswith(b"\x05a b.c\x07example\0")


@pytest.mark.parametrize("name", ["a" * 63, ".".join(["a" * 61] * 4), "."])
def test_the_longest_and_the_shortest_names_are_asked(name: str) -> None:
    assert len(question(name, "A").wire) <= 255 + 4


@pytest.mark.parametrize("name", ["a" * 64, ".".join(["a" * 62] * 4 + ["aa"]), "", "a..b", ".a", "bücher.example"])
def test_what_does_not_fit_into_a_name_is_malformed(name: str) -> None:
    with pytest.raises(LookupFailed) as failed:
        question(name, "A")
    assert failed.value.reason == "malformed"


@pytest.mark.parametrize(("ttl", "negative"), [(3600, 150), (60, 60)])
@pytest.mark.parametrize(("rcode", "exists"), [(0, True), (3, False)])
def test_a_negative_answer_lives_as_long_as_the_soa_says(ttl: int, negative: int, rcode: int, exists: bool) -> None:
    reply = response("no.list.example", "A", f"authority list.example. {ttl} SOA {SOA}", rcode=rcode)
    assert read_plain(question("no.list.example", "A"), reply) == Answer(
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
def test_the_short_way_of_reading_agrees_with_the_long_one(name: str, lines: list[str], rcode: int) -> None:
    asked = question(name, "A")
    reply = response(name, "A", *(line.format(name=f"{name}.") for line in lines), rcode=rcode)
    plain = read_plain(asked, reply)
    if plain is not None:
        assert plain == read(asked, reply)


@given(st.data(), st.lists(RECORDS, max_size=5), st.sampled_from(["A", "TXT", "MX"]))
def test_no_bytes_break_the_reader(data: st.DataObject, lines: list[str], kind: str) -> None:
    asked = question("n.example", kind)
    reply = bytearray(response("n.example", kind, *(line.format(name="n.example.") for line in lines)))
    for at, octet in data.draw(st.lists(st.tuples(st.integers(0, len(reply) - 1), st.integers(0, 255)), max_size=4)):
        reply[at] = octet
    cut = bytes(reply[: data.draw(st.integers(HEADER + len(asked.wire), len(reply)))])
    try:
        outcome = read_plain(asked, cut) or read(asked, cut)
    except (Garbled, LookupFailed):
        return
    assert isinstance(outcome, Answer | Alias)


@given(st.integers(1, 60))
def test_a_cut_packet_is_no_answer(missing: int) -> None:
    asked = question("n.example", "A")
    for lines, rcode in ([f"authority example. 600 SOA {SOA}"], 3), (["answer n.example. 60 TXT " + "x" * 60], 0):
        reply = response("n.example", "A", *lines, rcode=rcode)[:-missing]
        if len(reply) > HEADER + len(asked.wire):
            assert read_plain(asked, reply) is None
            with pytest.raises(Garbled):
                read(asked, reply)
