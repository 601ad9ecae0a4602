"""Secrets are taken out of text in any case, and nothing else is changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.inputs.redaction import redact


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("", ""),
        ("nothing", "nothing"),
        ("you asked 5.k3y.zen", "you asked 5.….zen"),
        ("K3Y k3Y K3y", "… … …"),
        ("k3yk3y", "……"),
        ("İk3yİ", "İ…İ"),
    ],
)
def test_redact_takes_secret_out_in_any_case(text: str, redacted: str) -> None:
    assert redact(text, ["", "k3Y", "other"]) == redacted


@given(st.text(), st.text(alphabet="aBc1", min_size=1, max_size=4))
def test_redacted_text_never_holds_the_secret(text: str, secret: str) -> None:
    assert secret.lower() not in redact(f"{text}{secret}{text}", [secret])
