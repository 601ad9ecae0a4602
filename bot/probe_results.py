"""What a visit to somebody else's server brought back, or why it ended: the words that the doors and the checks share.

Why a visit to a server ended, in words that complete a sentence. Pure.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.models import Address


class Trouble(StrEnum):
    """Why a visit ended before its end."""

    BAD_URL = "bad-url"  # not https, another port than 443, a user name in it
    NO_ADDRESS = "no-address"
    NO_ANSWER = "no-answer"  # the DNS gave none
    SPECIAL = "special-address"  # one of its addresses is special-purpose, so none of them is connected to
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    HUNG_UP = "hung-up"
    TOO_LARGE = "too-large"
    GARBLED = "garbled"  # this is not the protocol that the port is for
    REDIRECT = "redirect"
    STATUS = "status"  # HTTP, and not 200
    REFUSED = "refused"  # SMTP, and the server will not talk to us
    TLS_REFUSED = "tls-refused"  # STARTTLS is offered, and refused when it is asked for
    NO_TLS = "no-tls"  # no common version or cipher, or it broke off
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    WRONG_NAME = "wrong-name"
    SELF_SIGNED = "self-signed"
    UNTRUSTED = "untrusted"  # signed by nobody whom the public trusts


class VisitFailed(Exception):
    """`detail` is an address, a status, a redirect's goal or an error text; it may have been written by strangers."""

    def __init__(self, trouble: Trouble, detail: str = "") -> None:
        super().__init__(f"{trouble}: {detail}" if detail else str(trouble))
        self.trouble = trouble
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Page:
    """An answer with status 200. `kind` is its media type in lower case, without parameters: `text/plain`."""

    url: str
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate from a trusted issuer says; `names` are its DNS names in lower case."""

    names: tuple[str, ...]
    expires: datetime

    def covers(self, host: str) -> bool:
        return any(covers(name, host) for name in self.names)


@dataclass(frozen=True, slots=True)
class SmtpFacts:
    """What a mail server showed before the conversation ended, with `trouble` if it ended early.

    `greeting` is the text of its first line, `calls_itself` the name in its reply to EHLO, `capabilities` are those it named
    last: under TLS if it came to that. `offers_tls` is None where it is not known. `early_octets` counts what the server
    had sent after it agreed to TLS and before TLS began, which was thrown away. `reply` are the words of a refusal.
    """

    name: str
    ip: Address | None = None
    greeting: str = ""
    calls_itself: str = ""
    capabilities: tuple[str, ...] = ()
    offers_tls: bool | None = None
    tls_version: str = ""
    certificate: Certificate | None = None
    requires_tls: bool = False
    early_octets: int = 0
    trouble: Trouble | None = None
    reply: str = ""


class Fetch(Protocol):
    """The web as one function: `await fetch("https://…")` is a Page, or raises VisitFailed."""

    async def __call__(self, url: str, /) -> Page: ...


Probe = Callable[[str], Awaitable[SmtpFacts]]  # by the name in an MX record


def covers(pattern: str, host: str) -> bool:
    """Whether a name of a certificate or of an MTA-STS policy means this host; `*.` is one label (RFC 6125 §6.4.3)."""
    pattern, host = pattern.lower(), host.lower()
    if pattern.startswith("*."):
        label, _, rest = host.partition(".")
        return bool(label) and rest == pattern[2:]
    return pattern == host


CERTIFICATE = frozenset(
    (Trouble.EXPIRED, Trouble.NOT_YET_VALID, Trouble.WRONG_NAME, Trouble.SELF_SIGNED, Trouble.UNTRUSTED)
)

WORDS: Mapping[Trouble, str] = {
    Trouble.BAD_URL: "its address is no plain https address",
    Trouble.NO_ADDRESS: "its name has no address",
    Trouble.NO_ANSWER: "the DNS did not answer about its address",
    Trouble.SPECIAL: "its name leads to an address that is not on the public internet",
    Trouble.UNREACHABLE: "no connection to it opens",
    Trouble.TIMEOUT: "it did not answer in time",
    Trouble.HUNG_UP: "it hung up",
    Trouble.TOO_LARGE: "its answer is far too long",
    Trouble.GARBLED: "its answer could not be read",
    Trouble.REDIRECT: "it sends visitors on to another page",
    Trouble.STATUS: "it answers with an error",
    Trouble.REFUSED: "it refuses to talk to this host",
    Trouble.TLS_REFUSED: "it offers encryption and refuses it when asked",
    Trouble.NO_TLS: "no encrypted connection to it can be made",
    Trouble.EXPIRED: "its certificate has expired",
    Trouble.NOT_YET_VALID: "its certificate is not valid yet",
    Trouble.WRONG_NAME: "its certificate is for another name",
    Trouble.SELF_SIGNED: "its certificate is signed by nobody but itself",
    Trouble.UNTRUSTED: "its certificate comes from nobody that the public trusts",
}
