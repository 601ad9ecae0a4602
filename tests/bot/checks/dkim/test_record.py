"""DKIM key records: what counts as one, and how its tags are parsed."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.dkim.key_record import BadKey, BadRecord, Key, is_key_record, parse
from bot.checks.dkim.messages import PROBLEMS
from tests.bot.checks.dkim.keys import BRISBANE, FOOTBALL_ED25519, FOOTBALL_RSA, rsa_record


@pytest.mark.parametrize(
    ("text", "key"),
    [(BRISBANE, Key("rsa", 1024)), (FOOTBALL_RSA, Key("rsa", 1024)), (FOOTBALL_ED25519, Key("ed25519", 256))],
)
def test_parse_examples_of_the_rfcs(text: str, key: Key) -> None:
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
def test_parse_tags_ignores_unknown_ones(text: str, flags: set[str], hashes: set[str], services: set[str]) -> None:
    record = parse(text)
    assert [set(record.flags), set(record.hashes), set(record.services)] == [flags, hashes, services]
    assert record.key == Key("rsa", 2048)


def test_parse_without_version() -> None:
    assert parse(rsa_record(2048).removeprefix("v=DKIM1; ")).key == Key("rsa", 2048)


@pytest.mark.parametrize("text", ["v=DKIM1; p=", "p=", "v=DKIM1; k=rsa; p= ;"])
def test_parse_empty_key_is_revoked(text: str) -> None:
    assert parse(text).revoked


@pytest.mark.parametrize(
    ("text", "message"),
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
        ('"v=DKIM1; p="', "quotation marks"),
        ("v=DKIM1\\; k=rsa\\; p=", "backslash"),
        ("s1.domainkey.u1.wl.example.net", "name of a host"),
    ],
)
def test_parse_invalid_record_raises_with_reason(text: str, message: str) -> None:
    with pytest.raises(BadRecord) as error:
        parse(text)
    assert message in error.value.problem.phrase(PROBLEMS)


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
def test_is_key_record_rejects_other_wildcard_text(text: str, is_key: bool) -> None:
    assert is_key_record(text) is is_key


TAGS = st.lists(
    st.tuples(st.sampled_from(["v", "k", "p", "t", "h", "s", "n", "x1", "9", ""]), st.text(max_size=20)), max_size=8
)


@given(TAGS.map(lambda tags: ";".join(f"{name}={value}" for name, value in tags)) | st.text(max_size=80))
def test_parse_any_text_raises_only_bad_record_or_key(text: str) -> None:
    with suppress(BadRecord, BadKey):
        record = parse(text)
        assert record.revoked or record.key is not None or record.key_type not in ("rsa", "ed25519")
