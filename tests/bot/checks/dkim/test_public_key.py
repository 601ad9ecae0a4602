"""How long a key is, read from its bytes."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.dkim.key_record import ED25519_IN_DER, BadKey, read_key, rsa_bits
from tests.bot.checks.dkim.keys import bare_rsa, element, wrapped_rsa


@pytest.mark.parametrize("bits", [512, 768, 1023, 1024, 1536, 2048, 3072, 4096, 8192])
def test_an_rsa_key_is_measured_wrapped_and_bare(bits: int) -> None:
    assert rsa_bits(wrapped_rsa(bits)) == rsa_bits(bare_rsa(bits)) == bits


def test_white_space_and_missing_padding_do_not_spoil_a_key() -> None:
    text = base64.b64encode(bare_rsa(1024)).decode().rstrip("=")
    assert read_key("rsa", f"{text[:70]} \t\r\n {text[70:]}").bits == 1024


@pytest.mark.parametrize(
    ("kind", "text", "complaint"),
    [
        ("rsa", "MIGf…", "not base64"),
        ("rsa", "MIGfM", "not base64"),
        ("rsa", "MIGf\\;MA0=", "not base64"),
        ("rsa", base64.b64encode(wrapped_rsa(1024)[:100]).decode(), "cut off"),
        ("rsa", base64.b64encode(bytes(32)).decode(), "no RSA key"),
        ("rsa", base64.b64encode(element(0x30, element(0x02, b"\0") + element(0x02, b"\3"))).decode(), "empty"),
        ("rsa", base64.b64encode(ED25519_IN_DER + bytes(32)).decode(), "no RSA key"),
        ("ed25519", base64.b64encode(bytes(31)).decode(), "31 bytes"),
        ("ed25519", base64.b64encode(ED25519_IN_DER + bytes(32)).decode(), "wrapped in DER"),
    ],
)
def test_a_broken_key_is_refused_with_the_reason(kind: str, text: str, complaint: str) -> None:
    with pytest.raises(BadKey, match=complaint):
        read_key(kind, text)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_key_or_a_bad_key(der: bytes) -> None:
    with suppress(BadKey):
        assert rsa_bits(der) > 0


@given(st.integers(0, 250), st.integers(0, 255))
def test_a_key_with_one_wrong_byte_is_still_read_or_refused(place: int, octet: int) -> None:
    der = bytearray(wrapped_rsa(2048))
    der[place] = octet
    with suppress(BadKey):
        assert rsa_bits(bytes(der)) > 0


@given(st.sampled_from(["rsa", "ed25519"]), st.text(max_size=100))
def test_any_text_is_a_key_or_a_bad_key(kind: str, text: str) -> None:
    with suppress(BadKey):
        assert read_key(kind, text).bits > 0
