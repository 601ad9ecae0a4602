"""DMARC records: what counts as one, and how its tags are parsed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.dmarc.record import POLICIES, TAG_PATTERNS, lower_policy, parse

RUA = "rua=mailto:dmarc@example.com"


@pytest.mark.parametrize(
    "text",
    ["v=DMARC1", "v=DMARC1;", "v=DMARC1;p=none", "v = DMARC1 ; p = none ;", "V=DMARC1; p=none", "v=DMARC1;;; p=none;;"],
)
def test_parse_record_starts_with_version(text: str) -> None:
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
def test_parse_other_text_is_none(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("tags", "valid", "invalid"),
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
def test_parse_tags_ignores_unknown_ones(tags: str, valid: dict[str, str], invalid: tuple[str, ...]) -> None:
    record = parse(f"v=DMARC1; {tags}")
    assert record is not None
    assert (dict(record.tags), record.invalid_tags) == (valid, invalid)


@pytest.mark.parametrize(
    ("tags", "removed"),
    [
        ("p=none", ()),
        ("p=none; pct=50; rf=afrf; ri=86400", ("pct", "rf", "ri")),
        ("p=none; rua=mailto:a@example.com!10m", ("!size",)),
        ("p=none; ruf=mailto:a@example.com, mailto:b@example.com!5", ("!size",)),
    ],
)
def test_parse_names_tags_removed_by_rfc_9989(tags: str, removed: tuple[str, ...]) -> None:
    record = parse(f"v=DMARC1; {tags}")
    assert record is not None
    assert record.obsolete_tags == removed


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
def test_record_report_uris_are_valid(rua: str, uris: tuple[str, ...], hosts: tuple[str, ...] | None) -> None:
    record = parse(f"v=DMARC1; p=none; rua={rua}")
    assert record is not None
    assert record.report_uris == uris
    assert hosts is None or record.report_hosts == hosts


@pytest.mark.parametrize(
    ("tags", "candidates", "policy"),
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
def test_policy_invalid_counts_as_none_only_with_rua(
    tags: str, candidates: tuple[str, ...], policy: tuple[str, str] | None
) -> None:
    record = parse(f"v=DMARC1; {tags}")
    assert record is not None
    assert record.policy(candidates) == policy


def test_lower_policy_stops_at_none() -> None:
    assert [lower_policy(policy) for policy in POLICIES] == ["none", "none", "quarantine"]


tokens = st.one_of(
    st.sampled_from(
        [*TAG_PATTERNS, "v", "pct", "rf", "=", ";", " ", "DMARC1", "none", "reject", "mailto:a@b.example", "!", ","]
    ),
    st.text(max_size=5),
)


@given(
    st.one_of(
        st.text(), st.lists(tokens).map("".join), st.lists(tokens).map(lambda parts: "v=DMARC1;" + "".join(parts))
    )
)
def test_parse_any_text_is_record_or_none(text: str) -> None:
    record = parse(text)
    if record is None:
        return
    assert record.text == text
    assert not set(record.tags) & set(record.invalid_tags)
    assert record.policy(("np", "sp", "p")) is None or record.policy(("p",)) is not None
    assert all(host == host.lower() for host in record.report_hosts)
