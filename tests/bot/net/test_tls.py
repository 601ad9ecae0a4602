"""Whom we trust is never everybody."""

from __future__ import annotations

import ssl

import pytest

from bot.net.tls import mail_trust, trouble_of, web_trust
from bot.probe_results import Trouble


@pytest.mark.parametrize("context", [web_trust(), mail_trust()], ids=["web", "mail"])
def test_certificates_are_always_verified_against_public_issuers(context: ssl.SSLContext) -> None:
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.cert_store_stats()["x509_ca"] > 50


def test_only_for_mail_is_the_name_left_to_the_caller() -> None:
    assert web_trust().check_hostname
    assert not mail_trust().check_hostname


@pytest.mark.parametrize("error", [ssl.SSLError("no shared cipher"), ConnectionResetError(), EOFError(), None])
def test_what_is_not_about_the_certificate_is_no_tls(error: BaseException | None) -> None:
    assert trouble_of(error) is Trouble.NO_TLS


def test_a_certificate_error_of_a_new_kind_is_distrust() -> None:
    error = ssl.SSLCertVerificationError("revoked")
    error.verify_code = 23
    assert trouble_of(error) is Trouble.UNTRUSTED
