"""What counts as a DMARC record, and how its tags are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.dmarc.record import POLICIES, VALUES, one_level_lower, parse

RUA = "rua=mailto:dmarc@example.com"


@pytest.mark.parametrize(
    "text",
    ["v=DMARC1", "v=DMARC1;", "v=DMARC1;p=none", "v = DMARC1 ; p = none ;", "V=DMARC1; p=none", "v=DMARC1;;; p=none;;"],
)
def test_a_record_starts_with_the_version(text: str) -> None:
    assert parse(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=dmarc1; p=none",
        "v=DMARC1 p=none",
        "v=DMARC11; p=none",
        "v=DMARC; p=none",
        " v=DMARC1; p=none",
        "p=none; v=DMARC1",
        "DMARC1; p=none",
        "v=spf1 -all",
        "vv=DMARC1; p=none",
    ],
)
def test_any_other_text_is_no_record(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("tags", "read", "invalid"),
    [
        ("p=reject; sp=none; np=quarantine", {"p": "reject", "sp": "none", "np": "quarantine"}, ()),
        ("P=Reject; ADKIM=S; aspf=R", {"p": "reject", "adkim": "s", "aspf": "r"}, ()),
        ("p=quarentine", {}, ("p",)),
        ("p=", {}, ("p",)),
        ("p=none; p=reject", {"p": "none"}, ()),
        ("p=none; psd=x; t=1; adkim=x", {"p": "none"}, ("psd", "t", "adkim")),
        ("p=none; fo=1:d:s; unknown=7; bimi=yes", {"p": "none", "fo": "1:d:s"}, ()),
        ("p=none; fo=x", {"p": "none"}, ("fo",)),
        ("sp=none", {"sp": "none"}, ()),
    ],
)
def test_tags_are_read_and_unknown_ones_ignored(tags: str, read: dict[str, str], invalid: tuple[str, ...]) -> None:
    record = parse(f"v=DMARC1; {tags}")
    assert record is not None
    assert (dict(record.tags), record.invalid) == (read, invalid)


@pytest.mark.parametrize(
    ("tags", "removed"),
    [
        ("p=none", ()),
        ("p=none; pct=50; rf=afrf; ri=86400", ("pct", "rf", "ri")),
        ("p=none; rua=mailto:a@example.com!10m", ("!size",)),
        ("p=none; ruf=mailto:a@example.com, mailto:b@example.com!5", ("!size",)),
    ],
)
def test_tags_that_rfc_9989_removed_are_named(tags: str, removed: tuple[str, ...]) -> None:
    record = parse(f"v=DMARC1; {tags}")
    assert record is not None
    assert record.removed == removed


@pytest.mark.parametrize(
    ("rua", "uris", "hosts"),
    [
        ("mailto:a@example.com", ("mailto:a@example.com",), ("example.com",)),
        ("mailto:a@Example.COM!10m", ("mailto:a@Example.COM",), ("example.com",)),
        ("mailto:a@example.com , mailto:b@example.net", ("mailto:a@example.com", "mailto:b@example.net"), None),
        ("https://example.net/report", ("https://example.net/report",), ()),
        ("a@example.com", (), ()),
        ("mailto:example.com", (), ()),
        ("mailto:a@example.com!x", (), ()),
        ("", (), ()),
    ],
)
def test_report_addresses_are_valid_uris(rua: str, uris: tuple[str, ...], hosts: tuple[str, ...] | None) -> None:
    record = parse(f"v=DMARC1; p=none; rua={rua}")
    assert record is not None
    assert record.reports_to == uris
    assert hosts is None or record.report_hosts == hosts


@pytest.mark.parametrize(
    ("tags", "wanted", "policy"),
    [
        ("p=reject", ("p",), ("p", "reject")),
        ("p=reject; sp=none", ("p",), ("p", "reject")),
        ("p=reject; sp=none", ("sp", "p"), ("sp", "none")),
        ("p=reject", ("sp", "p"), ("p", "reject")),
        ("p=none; np=reject", ("np", "sp", "p"), ("np", "reject")),
        ("p=none; sp=quarantine", ("np", "sp", "p"), ("sp", "quarantine")),
        ("p=reject", ("np", "sp", "p"), ("p", "reject")),
        ("sp=reject", ("sp", "p"), None),
        (f"sp=reject; {RUA}", ("sp", "p"), ("p", "none")),
        (f"p=foo; {RUA}", ("p",), ("p", "none")),
        ("p=foo; rua=nonsense", ("p",), None),
        (f"p=reject; sp=foo; {RUA}", ("p",), ("p", "none")),
        ("p=reject; np=foo", ("p",), None),
        ("", ("p",), None),
    ],
)
def test_a_wrong_policy_counts_as_none_only_where_reports_are_wanted(
    tags: str, wanted: tuple[str, ...], policy: tuple[str, str] | None
) -> None:
    record = parse(f"v=DMARC1; {tags}")
    assert record is not None
    assert record.policy(wanted) == policy


def test_test_mode_goes_one_level_down_and_never_below_none() -> None:
    assert [one_level_lower(policy) for policy in POLICIES] == ["none", "none", "quarantine"]


words = st.one_of(
    st.sampled_from(
        [*VALUES, "v", "pct", "rf", "=", ";", " ", "DMARC1", "none", "reject", "mailto:a@b.example", "!", ","]
    ),
    st.text(max_size=5),
)


@given(
    st.one_of(st.text(), st.lists(words).map("".join), st.lists(words).map(lambda parts: "v=DMARC1;" + "".join(parts)))
)
def test_any_text_is_a_record_or_none(text: str) -> None:
    record = parse(text)
    if record is None:
        return
    assert record.text == text
    assert not set(record.tags) & set(record.invalid)
    assert record.policy(("np", "sp", "p")) is None or record.policy(("p",)) is not None
    assert all(host == host.lower() for host in record.report_hosts)
