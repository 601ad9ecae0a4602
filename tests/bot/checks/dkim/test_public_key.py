"""Key lengths, parsed from key bytes."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.dkim.key_record import ED25519_IN_DER, BadKey, parse_key, rsa_bits
from bot.checks.dkim.messages import PROBLEMS
from tests.bot.checks.dkim.keys import bare_rsa, element, wrapped_rsa


@pytest.mark.parametrize("bits", [512, 768, 1023, 1024, 1536, 2048, 3072, 4096, 8192])
def test_rsa_bits_of_wrapped_and_bare_key(bits: int) -> None:
    assert rsa_bits(wrapped_rsa(bits)) == rsa_bits(bare_rsa(bits)) == bits


def test_parse_key_ignores_whitespace_and_missing_padding() -> None:
    text = base64.b64encode(bare_rsa(1024)).decode().rstrip("=")
    assert parse_key("rsa", f"{text[:70]} \t\r\n {text[70:]}").bits == 1024


@pytest.mark.parametrize(
    ("key_type", "text", "message"),
    [
        ("rsa", "MIGf…", "not base64"),
        ("rsa", "MIGfM", "not base64"),
        ("rsa", "MIGf\\;MA0=", "not base64"),
        ("rsa", base64.b64encode(wrapped_rsa(1024)[:100]).decode(), "cut off"),
        ("rsa", base64.b64encode(bytes(32)).decode(), "is Ed25519"),
        ("rsa", base64.b64encode(element(0x30, element(0x02, b"\0") + element(0x02, b"\3"))).decode(), "empty"),
        ("rsa", base64.b64encode(ED25519_IN_DER + bytes(32)).decode(), "is Ed25519"),
        ("ed25519", base64.b64encode(bytes(31)).decode(), "31 bytes"),
        ("ed25519", base64.b64encode(ED25519_IN_DER + bytes(32)).decode(), "wrapped in DER"),
    ],
)
def test_parse_key_invalid_key_raises_with_reason(key_type: str, text: str, message: str) -> None:
    with pytest.raises(BadKey) as error:
        parse_key(key_type, text)
    assert message in error.value.problem.phrase(PROBLEMS)


@given(st.binary(max_size=300))
def test_rsa_bits_any_bytes_raise_only_bad_key(der: bytes) -> None:
    with suppress(BadKey):
        assert rsa_bits(der) > 0


@given(st.integers(0, 250), st.integers(0, 255))
def test_rsa_bits_one_wrong_byte_raises_only_bad_key(index: int, byte: int) -> None:
    der = bytearray(wrapped_rsa(2048))
    der[index] = byte
    with suppress(BadKey):
        assert rsa_bits(bytes(der)) > 0


@given(st.sampled_from(["rsa", "ed25519"]), st.text(max_size=100))
def test_parse_key_any_text_raises_only_bad_key(key_type: str, text: str) -> None:
    with suppress(BadKey):
        assert parse_key(key_type, text).bits > 0
