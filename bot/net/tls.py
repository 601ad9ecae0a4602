"""TLS as a visitor: whom we trust, and what it means when a certificate does not hold."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

import httpcore

from bot.probe_results import Certificate, Trouble

# X509_V_ERR_* of OpenSSL's x509_vfy.h, as SSLCertVerificationError.verify_code gives them
VERIFY_ERRORS: Mapping[int, Trouble] = {
    9: Trouble.NOT_YET_VALID,
    10: Trouble.EXPIRED,
    18: Trouble.SELF_SIGNED,
    62: Trouble.WRONG_NAME,
    64: Trouble.WRONG_NAME,  # an address that the certificate does not name
}


@cache
def web_trust() -> ssl.SSLContext:
    """TLS 1.2 or newer, the usual public issuers, and the certificate must be for the name."""
    return _trust()


@cache
def mail_trust() -> ssl.SSLContext:
    """The same, but the name is compared by the caller, so that a wrong certificate still tells its names and its end."""
    context = _trust()
    context.check_hostname = False
    return context


def _trust() -> ssl.SSLContext:
    context = httpcore.default_ssl_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # some builds of Python leave this to the machine
    return context


def trouble_of(error: BaseException | None) -> Trouble:
    """What ended a handshake; anything that is not about the certificate is NO_TLS."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return VERIFY_ERRORS.get(error.verify_code, Trouble.UNTRUSTED)
    return Trouble.NO_TLS


def certificate_of(connection: ssl.SSLObject) -> Certificate:
    """The verified certificate of the other side."""
    told = connection.getpeercert() or {}
    names = (str(pair[1]).lower() for pair in told.get("subjectAltName", ()) if pair[0] == "DNS")
    expires = ssl.cert_time_to_seconds(str(told["notAfter"]))
    return Certificate(tuple(names), datetime.fromtimestamp(expires, UTC))
