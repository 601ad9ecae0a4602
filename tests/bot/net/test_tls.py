"""TLS contexts and certificate errors."""

from __future__ import annotations

import ssl

import pytest

from bot.net.tls import handshake_error, mail_tls_context, web_tls_context
from bot.probe_results import ProbeError


@pytest.mark.parametrize("context", [web_tls_context(), mail_tls_context()], ids=["web", "mail"])
def test_tls_contexts_verify_against_public_cas(context: ssl.SSLContext) -> None:
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.cert_store_stats()["x509_ca"] > 50


def test_only_mail_context_skips_host_name() -> None:
    assert web_tls_context().check_hostname
    assert not mail_tls_context().check_hostname


@pytest.mark.parametrize("error", [ssl.SSLError("no shared cipher"), ConnectionResetError(), EOFError(), None])
def test_other_handshake_errors_are_no_tls(error: BaseException | None) -> None:
    assert handshake_error(error) is ProbeError.NO_TLS


def test_unknown_certificate_error_is_untrusted() -> None:
    error = ssl.SSLCertVerificationError("revoked")
    error.verify_code = 23
    assert handshake_error(error) is ProbeError.UNTRUSTED
