"""What counts as a key record, and how its tags are read."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.dkim.key_record import BadKey, BadRecord, Key, looks_like_key, parse
from tests.bot.checks.dkim.keys import BRISBANE, FOOTBALL_ED25519, FOOTBALL_RSA, rsa_record


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (BRISBANE, Key("rsa", 1024)),
        (FOOTBALL_RSA, Key("rsa", 1024)),
        (FOOTBALL_ED25519, Key("ed25519", 256)),
    ],
)
def test_the_examples_of_the_standards_are_read(text: str, key: Key) -> None:
    assert parse(text).key == key


@pytest.mark.parametrize(
    ("text", "flags", "hashes", "services"),
    [
        (rsa_record(2048), set(), set(), set()),
        (rsa_record(2048, "t=y:s; "), {"y", "s"}, set(), set()),
        (rsa_record(2048, "h=sha1:sha256; s=email; n=note; "), set(), {"sha1", "sha256"}, {"email"}),
        (rsa_record(2048, "t = y : s ; s = * ; "), {"y", "s"}, set(), {"*"}),
        (rsa_record(2048) + ";", set(), set(), set()),
        (rsa_record(2048, "unknown=1; "), set(), set(), set()),
    ],
)
def test_tags_are_read_and_unknown_ones_ignored(
    text: str, flags: set[str], hashes: set[str], services: set[str]
) -> None:
    record = parse(text)
    assert [set(record.flags), set(record.hashes), set(record.services)] == [flags, hashes, services]
    assert record.key == Key("rsa", 2048)


def test_the_version_may_be_left_out() -> None:
    assert parse(rsa_record(2048).removeprefix("v=DKIM1; ")).key == Key("rsa", 2048)


@pytest.mark.parametrize("text", ["v=DKIM1; p=", "p=", "v=DKIM1; k=rsa; p= ;"])
def test_an_empty_key_is_a_revoked_one(text: str) -> None:
    assert parse(text).revoked


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("v=DKIM1; k=rsa", "no key"),
        ("", "no key"),
        ("v=DKIM2; p=", "v=DKIM1"),
        ("v=dkim1; p=", "v=DKIM1"),
        ("p=; v=DKIM1", "v=DKIM1"),
        ("v=DKIM1; p=; p=", "twice"),
        ("v=DKIM1 k=rsa p=", "v=DKIM1"),
        ("v=DKIM1; p", "tag=value"),
        ("v=DKIM1; p=; 1x=2", "tag=value"),
        ('"v=DKIM1; p="', "tag=value"),
    ],
)
def test_a_record_out_of_form_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(BadRecord, match=complaint):
        parse(text)


@pytest.mark.parametrize(
    ("text", "is_key"),
    [
        (BRISBANE, True),
        ("v=DKIM1", True),
        ("V = dkim1; p=", True),
        ("k=rsa; p=abc", True),
        ("p=abc", True),
        ("v=spf1 -all", False),
        ("v=DMARC1; p=reject", False),
        ("some-site-verification=abc", False),
        ("", False),
    ],
)
def test_what_a_wildcard_puts_at_a_selector_is_no_key_record(text: str, is_key: bool) -> None:
    assert looks_like_key(text) is is_key


TAGS = st.lists(
    st.tuples(st.sampled_from(["v", "k", "p", "t", "h", "s", "n", "x1", "9", ""]), st.text(max_size=20)), max_size=8
)


@given(TAGS.map(lambda tags: ";".join(f"{name}={value}" for name, value in tags)) | st.text(max_size=80))
def test_any_text_is_a_record_or_has_a_reason_why_not(text: str) -> None:
    with suppress(BadRecord, BadKey):
        record = parse(text)
        assert record.revoked or record.key is not None or record.kind not in ("rsa", "ed25519")
