"""MTA-STS records and policies, with the examples of RFC 8461."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.mta_sts.messages import PROBLEMS
from bot.checks.mta_sts.policy import (
    MAX_AGE_LIMIT_S,
    BadMtaSts,
    MtaStsPolicy,
    find_records,
    parse_policy,
    parse_record_id,
)
from bot.probe_results import name_covers

RFC_POLICY = """version: STSv1
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
    (RFC_POLICY, MtaStsPolicy("enforce", 604800, ("mail.example.com", "*.example.net", "backupmx.example.com"))),
    (RFC_POLICY.replace("\n", "\r\n"), parse_policy(RFC_POLICY)),
    (RFC_POLICY.rstrip(), parse_policy(RFC_POLICY)),
    (RFC_POLICY.replace(": ", ":"), parse_policy(RFC_POLICY)),
    (RFC_POLICY.replace("\n", "  \n"), parse_policy(RFC_POLICY)),
    (RFC_POLICY.replace("mail.e", "MAIL.E"), parse_policy(RFC_POLICY)),
    ("max_age: 0\nmx: a.example\nmode: testing\nversion: STSv1", MtaStsPolicy("testing", 0, ("a.example",))),
    ("version: STSv1\nmode: none\nmax_age: 86400", MtaStsPolicy("none", 86400, ())),
    (f"version: STSv1\nmode: none\nmax_age: {MAX_AGE_LIMIT_S}", MtaStsPolicy("none", MAX_AGE_LIMIT_S, ())),
    (RFC_POLICY + "mode: none\nmax_age: 1\nversion: STSv9\nnew_key: what: ever", parse_policy(RFC_POLICY)),
]
BROKEN_POLICIES = [
    ("", "no line"),
    ("<!DOCTYPE html>\n<html></html>", "not of the form"),
    (RFC_POLICY.replace("STSv1", "STSv2"), "no line"),
    (RFC_POLICY.replace("version", "Version"), "no line"),
    (RFC_POLICY.replace("enforce", "Enforce"), "mode"),
    (RFC_POLICY.replace("enforce", "report"), "mode"),
    (RFC_POLICY.replace("mode: enforce\n", ""), "mode"),
    (RFC_POLICY.replace("604800", "a week"), "max_age"),
    (RFC_POLICY.replace("604800", "-1"), "max_age"),
    (RFC_POLICY.replace("604800", "١"), "max_age"),
    (RFC_POLICY.replace("604800", str(MAX_AGE_LIMIT_S + 1)), "max_age"),
    (RFC_POLICY.replace("max_age: 604800\n", ""), "max_age"),
    ("version: STSv1\nmode: enforce\nmax_age: 1", "names no mail server"),
    (RFC_POLICY.replace("*.example.net", "*example.net"), "name of a mail server"),
    (RFC_POLICY.replace("*.example.net", "*.*.example.net"), "name of a mail server"),
    (RFC_POLICY.replace("*.example.net", "mx.*.example.net"), "name of a mail server"),
    (RFC_POLICY.replace("*.example.net", "*."), "name of a mail server"),
    (RFC_POLICY.replace("*.example.net", "a.example, b.example"), "name of a mail server"),
    (RFC_POLICY.replace("*.example.net", "10 mx.example.net"), "name of a mail server"),
    (RFC_POLICY.replace("mode: enforce", "mode = enforce"), "not of the form"),
    ("\ufeff" + RFC_POLICY, "not of the form"),
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
def test_parse_record_id_valid_record_gives_id(record: str, policy_id: str) -> None:
    assert find_records(["v=spf1 -all", record]) == [record]
    assert parse_record_id(record) == policy_id


@pytest.mark.parametrize("record", BROKEN_RECORDS)
def test_parse_record_id_malformed_record_raises(record: str) -> None:
    assert find_records([record]) == [record]
    with pytest.raises(BadMtaSts):
        parse_record_id(record)


def test_find_records_ignores_other_texts() -> None:
    good = "v=STSv1; id=1"
    assert find_records([good, "v=stsv1; id=2", "v=TLSRPTv1; rua=mailto:a@example.com"]) == [good]
    assert find_records(["v=TLSRPTv1; rua=mailto:a@example.com", "", "STSv1"]) == []


@pytest.mark.parametrize(("text", "policy"), GOOD_POLICIES)
def test_parse_policy_valid_text_is_parsed(text: str, policy: MtaStsPolicy) -> None:
    assert parse_policy(text) == policy


@pytest.mark.parametrize(("text", "reason"), BROKEN_POLICIES)
def test_parse_policy_bad_text_raises_with_reason(text: str, reason: str) -> None:
    with pytest.raises(BadMtaSts) as error:
        parse_policy(text)
    assert reason in error.value.problem.phrase(PROBLEMS)


@pytest.mark.parametrize(("pattern", "host", "fits"), FITTING)
def test_policy_wildcard_matches_one_label(pattern: str, host: str, fits: bool) -> None:
    assert name_covers(pattern, host) is fits
    assert MtaStsPolicy("enforce", 1, ("other.example", pattern)).allows(host) is fits


def error_text(read: Callable[[str], object], text: str) -> str:
    try:
        read(text)
    except BadMtaSts as error:
        return str(error)
    return "none"


@given(st.text(max_size=80) | st.text(alphabet="v=STs1;id \tabc:*.\n", max_size=80))
def test_parse_policy_any_text_parses_or_gives_reason(text: str) -> None:
    for read in (parse_policy, parse_record_id):
        assert error_text(read, text).isprintable()
        assert error_text(read, text)


LINES = ["version: STSv1", "mode: testing", "max_age: 86400", "mx: a.example", "later: unknown"]


@given(st.permutations(LINES))
def test_parse_policy_line_order_is_irrelevant(lines: list[str]) -> None:
    assert parse_policy("\n".join(lines)) == MtaStsPolicy("testing", 86400, ("a.example",))
