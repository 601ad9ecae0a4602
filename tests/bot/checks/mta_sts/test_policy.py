"""Records and policies of MTA-STS, good and broken, after the examples of RFC 8461."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.mta_sts.policy import LONGEST_AGE, Policy, Unusable, find_records, read_id, read_policy
from bot.probe_results import covers

OF_THE_RFC = """version: STSv1
mode: enforce
mx: mail.example.com
mx: *.example.net
mx: backupmx.example.com
max_age: 604800
"""  # §3.2
GOOD_RECORDS = {
    "v=STSv1; id=20160831085700Z;": "20160831085700Z",  # §3.1
    "v=STSv1; id=20160831085700Z": "20160831085700Z",
    "v=STSv1;id=1": "1",
    "v=STSv1;\tid=1 ; note=a,b": "1",
    "v=STSv1; x.y-z_1=some; id=" + "a" * 32 + " ; ": "a" * 32,
    "v=STSv1; id=first; id=second": "first",
}
BROKEN_RECORDS = [
    "v=STSv1;",
    "v=STSv1; id=",
    "v=STSv1; id=2016-08-31",
    "v=STSv1; id=" + "a" * 33,
    "v=STSv1; id=a b",
    "v=STSv1; id",
    "v=STSv1; id=1;; note=2",
    "v=STSv1; ID=1",
    "v=STSv1; id=1; -x=2",
    "v=STSv1; id=1; note=ü",
    "v=STSv1 ; id=1",
    "v=stsv1; id=1",
    "V=STSv1; id=1",
    " v=STSv1; id=1",
    "v=STSv2; id=1",
]
GOOD_POLICIES = [
    (OF_THE_RFC, Policy("enforce", 604800, ("mail.example.com", "*.example.net", "backupmx.example.com"))),
    (OF_THE_RFC.replace("\n", "\r\n"), read_policy(OF_THE_RFC)),
    (OF_THE_RFC.rstrip(), read_policy(OF_THE_RFC)),
    (OF_THE_RFC.replace(": ", ":"), read_policy(OF_THE_RFC)),
    (OF_THE_RFC.replace("\n", "  \n"), read_policy(OF_THE_RFC)),
    (OF_THE_RFC.replace("mail.e", "MAIL.E"), read_policy(OF_THE_RFC)),
    ("max_age: 0\nmx: a.example\nmode: testing\nversion: STSv1", Policy("testing", 0, ("a.example",))),
    ("version: STSv1\nmode: none\nmax_age: 86400", Policy("none", 86400, ())),
    (f"version: STSv1\nmode: none\nmax_age: {LONGEST_AGE}", Policy("none", LONGEST_AGE, ())),
    (OF_THE_RFC + "mode: none\nmax_age: 1\nversion: STSv9\nnew_key: what: ever", read_policy(OF_THE_RFC)),
]
BROKEN_POLICIES = [
    ("", "no line"),
    ("<!DOCTYPE html>\n<html></html>", "not of the form"),
    (OF_THE_RFC.replace("STSv1", "STSv2"), "no line"),
    (OF_THE_RFC.replace("version", "Version"), "no line"),
    (OF_THE_RFC.replace("enforce", "Enforce"), "mode"),
    (OF_THE_RFC.replace("enforce", "report"), "mode"),
    (OF_THE_RFC.replace("mode: enforce\n", ""), "mode"),
    (OF_THE_RFC.replace("604800", "a week"), "max_age"),
    (OF_THE_RFC.replace("604800", "-1"), "max_age"),
    (OF_THE_RFC.replace("604800", "١"), "max_age"),
    (OF_THE_RFC.replace("604800", str(LONGEST_AGE + 1)), "max_age"),
    (OF_THE_RFC.replace("max_age: 604800\n", ""), "max_age"),
    ("version: STSv1\nmode: enforce\nmax_age: 1", "names no mail server"),
    (OF_THE_RFC.replace("*.example.net", "*example.net"), "name of a mail server"),
    (OF_THE_RFC.replace("*.example.net", "*.*.example.net"), "name of a mail server"),
    (OF_THE_RFC.replace("*.example.net", "mx.*.example.net"), "name of a mail server"),
    (OF_THE_RFC.replace("*.example.net", "*."), "name of a mail server"),
    (OF_THE_RFC.replace("*.example.net", "a.example, b.example"), "name of a mail server"),
    (OF_THE_RFC.replace("*.example.net", "10 mx.example.net"), "name of a mail server"),
    (OF_THE_RFC.replace("mode: enforce", "mode = enforce"), "not of the form"),
    ("\ufeff" + OF_THE_RFC, "not of the form"),
]
FITTING = [
    ("mail.example.com", "mail.example.com", True),
    ("mail.example.com", "MAIL.example.COM", True),
    ("mail.example.com", "mail.example.net", False),
    ("*.example.com", "mail.example.com", True),
    ("*.Example.com", "mail.example.com", True),
    ("*.example.com", "a.mail.example.com", False),
    ("*.example.com", "example.com", False),
    ("*.example.com", ".example.com", False),
    ("*.example.com", "mail.example.com.example.net", False),
    ("example.com", "mail.example.com", False),
]


@pytest.mark.parametrize(("record", "policy_id"), GOOD_RECORDS.items())
def test_a_good_record_has_an_id(record: str, policy_id: str) -> None:
    assert find_records(["v=spf1 -all", record]) == [record]
    assert read_id(record) == policy_id


@pytest.mark.parametrize("record", BROKEN_RECORDS)
def test_a_broken_record_is_found_and_not_used(record: str) -> None:
    assert find_records([record]) == [record]
    with pytest.raises(Unusable):
        read_id(record)


def test_what_does_not_begin_like_a_record_does_not_count_beside_one() -> None:
    good = "v=STSv1; id=1"
    assert find_records([good, "v=stsv1; id=2", "v=TLSRPTv1; rua=mailto:a@example.com"]) == [good]
    assert find_records(["v=TLSRPTv1; rua=mailto:a@example.com", "", "STSv1"]) == []


@pytest.mark.parametrize(("text", "policy"), GOOD_POLICIES)
def test_a_good_policy_is_read(text: str, policy: Policy) -> None:
    assert read_policy(text) == policy


@pytest.mark.parametrize(("text", "why"), BROKEN_POLICIES)
def test_a_broken_policy_says_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        read_policy(text)


@pytest.mark.parametrize(("pattern", "host", "fits"), FITTING)
def test_a_wildcard_is_exactly_one_label(pattern: str, host: str, fits: bool) -> None:
    assert covers(pattern, host) is fits
    assert Policy("enforce", 1, ("other.example", pattern)).allows(host) is fits


def complaint(read: Callable[[str], object], text: str) -> str:
    try:
        read(text)
    except Unusable as bad:
        return str(bad)
    return "none"


@given(st.text(max_size=80) | st.text(alphabet="v=STs1;id \tabc:*.\n", max_size=80))
def test_any_text_is_usable_or_says_in_one_line_why_not(text: str) -> None:
    for read in (read_policy, read_id):
        assert complaint(read, text).isprintable()
        assert complaint(read, text)


LINES = ["version: STSv1", "mode: testing", "max_age: 86400", "mx: a.example", "later: unknown"]


@given(st.permutations(LINES))
def test_the_order_of_lines_does_not_matter(lines: list[str]) -> None:
    assert read_policy("\n".join(lines)) == Policy("testing", 86400, ("a.example",))
