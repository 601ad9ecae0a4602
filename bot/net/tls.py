"""TLS client contexts, and the meaning of certificate errors."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

import httpcore

from bot.probe_results import Certificate, ProbeError

# X509_V_ERR_* of OpenSSL's x509_vfy.h, as SSLCertVerificationError.verify_code gives them
VERIFY_ERRORS: Mapping[int, ProbeError] = {
    9: ProbeError.NOT_YET_VALID,
    10: ProbeError.EXPIRED,
    18: ProbeError.SELF_SIGNED,
    62: ProbeError.WRONG_NAME,
    64: ProbeError.WRONG_NAME,  # an IP address mismatch
}


@cache
def web_tls_context() -> ssl.SSLContext:
    """TLS 1.2 or newer, public CAs, host name verified."""
    return _verified_context()


@cache
def mail_tls_context() -> ssl.SSLContext:
    """The same without the host name, so that a wrong certificate still shows its names and expiry.

    The caller compares the name.
    """
    context = _verified_context()
    context.check_hostname = False
    return context


def _verified_context() -> ssl.SSLContext:
    context = httpcore.default_ssl_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # some Python builds leave this to the system
    return context


def handshake_error(error: BaseException | None) -> ProbeError:
    """Probe error for a failed handshake; NO_TLS if it is not about the certificate."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return VERIFY_ERRORS.get(error.verify_code, ProbeError.UNTRUSTED)
    return ProbeError.NO_TLS


def peer_certificate(connection: ssl.SSLObject) -> Certificate:
    """The verified certificate of the peer."""
    fields = connection.getpeercert() or {}
    names = (str(pair[1]).lower() for pair in fields.get("subjectAltName", ()) if pair[0] == "DNS")
    expires = ssl.cert_time_to_seconds(str(fields["notAfter"]))
    return Certificate(tuple(names), datetime.fromtimestamp(expires, UTC))
