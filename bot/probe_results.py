"""Results and errors of probing other people's web and mail servers. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.models import Address


class ProbeError(StrEnum):
    """Reason a probe did not complete."""

    BAD_URL = "bad-url"  # not https, another port than 443, a user name in it
    NO_ADDRESS = "no-address"
    NO_ANSWER = "no-answer"  # no DNS answer
    SPECIAL = "special-address"  # an address is special-purpose, so none is connected to
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    CONNECTION_CLOSED = "hung-up"
    TOO_LARGE = "too-large"
    MALFORMED = "garbled"  # not the protocol of this port
    REDIRECT = "redirect"
    STATUS = "status"  # HTTP, and not 200
    REFUSED = "refused"  # SMTP, and the server rejected the session
    TLS_REFUSED = "tls-refused"  # STARTTLS is offered but refused
    NO_TLS = "no-tls"  # no common version or cipher, or the handshake broke
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    WRONG_NAME = "wrong-name"
    SELF_SIGNED = "self-signed"
    UNTRUSTED = "untrusted"  # no publicly trusted issuer


class ProbeFailed(Exception):
    """A probe ended with `error`; `detail` (address, status, location, text) may be foreign.

    `retry_after_s` is how long the server asks to be left alone, 0 if it does not say.
    """

    def __init__(self, error: ProbeError, detail: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(f"{error}: {detail}" if detail else str(error))
        self.error = error
        self.detail = detail
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class HttpPage:
    """An HTTP response with status 200; `media_type` is lower-case, without parameters.

    `certificate_expires` is that of the server; None where it is not known.
    """

    url: str
    media_type: str
    body: bytes
    certificate_expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate from a trusted issuer; `names` are its DNS names in lower case."""

    names: tuple[str, ...]
    expires: datetime

    def covers(self, host: str) -> bool:
        return any(name_covers(name, host) for name in self.names)


@dataclass(frozen=True, slots=True)
class SmtpProbeResult:
    """What an SMTP session showed, with `error` if it ended early.

    `greeting` is the text of the 220 line, `ehlo_name` the name in the reply to EHLO,
    `capabilities` the last ones announced (under TLS where TLS was reached). `offers_tls` is None
    where unknown. `early_bytes` counts what the server sent between its STARTTLS reply and the
    TLS handshake; it was discarded. `reply` is the text of a refusal.
    """

    name: str
    ip: Address | None = None
    greeting: str = ""
    ehlo_name: str = ""
    capabilities: tuple[str, ...] = ()
    offers_tls: bool | None = None
    tls_version: str = ""
    certificate: Certificate | None = None
    requires_tls: bool = False
    early_bytes: int = 0
    error: ProbeError | None = None
    reply: str = ""


class Fetch(Protocol):
    """HTTPS as one function: `await fetch("https://…")`. Raises ProbeFailed."""

    async def __call__(self, url: str, /) -> HttpPage: ...


Probe = Callable[[str], Awaitable[SmtpProbeResult]]  # by the name in an MX record


def name_covers(pattern: str, host: str) -> bool:
    """Whether a certificate or MTA-STS name matches a host; `*.` is one label (RFC 6125 §6.4.3)."""
    pattern, host = pattern.lower(), host.lower()
    if pattern.startswith("*."):
        label, _, rest = host.partition(".")
        return bool(label) and rest == pattern[2:]
    return pattern == host


CERTIFICATE_ERRORS = frozenset(
    (ProbeError.EXPIRED, ProbeError.NOT_YET_VALID, ProbeError.WRONG_NAME, ProbeError.SELF_SIGNED, ProbeError.UNTRUSTED)
)
