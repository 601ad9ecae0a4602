"""What Gmail, Yahoo and Outlook.com ask of those who send to them, as data.

A signal tells from the codes of other checks' findings whether one thing is in order. A rule is made of signals; one without
signals cannot be seen in the DNS. A receiver demands rules of all senders or of those who send in bulk, and says with which
reply it refuses.

Sources: Google's Email sender guidelines and their FAQ, Yahoo's Sender Hub, Microsoft's requirements for high-volume senders
(enforced since 2025-05-05).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.models import Link, Verdict


class State(StrEnum):
    """How a rule stands. `unseen` means that nothing was looked at or that it shows in no DNS record."""

    MET = "met"
    BROKEN = "broken"
    UNKNOWN = "unknown"
    UNSEEN = "unseen"


class Effect(StrEnum):
    """What a receiver does when a rule is broken."""

    REFUSED = "refused"
    DISTRUSTED = "distrusted"


@dataclass(frozen=True, slots=True)
class Row:
    """Any of these codes decides the state, if its finding is at least so bad: one that is excused decides nothing."""

    state: State
    codes: frozenset[str]
    at_least: Verdict = Verdict.PASS


@dataclass(frozen=True, slots=True)
class Rule:
    """`asks` is what it asks for, as in a table; `lacks` is what is true where it is broken, inside a sentence.

    One signal in order is enough where `any_signal`; otherwise all have to be.
    """

    id: str
    asks: str
    lacks: str = ""
    signals: tuple[str, ...] = ()
    any_signal: bool = False
    effect: Effect = Effect.REFUSED


@dataclass(frozen=True, slots=True)
class Demand:
    """A rule as one receiver asks for it, and the enhanced status codes (RFC 3463) with which it refuses."""

    rule: str
    replies: tuple[str, ...] = ()
    bulk: bool = False


@dataclass(frozen=True, slots=True)
class Receiver:
    """`bulk` says who counts as a bulk sender, inside a sentence about mail “from …”."""

    id: str
    name: str
    bulk: str
    demands: tuple[Demand, ...]
    links: tuple[Link, ...]


def _met(*codes: str) -> Row:
    return Row(State.MET, frozenset(codes))


def _broken(*codes: str, at_least: Verdict = Verdict.WARN) -> Row:
    return Row(State.BROKEN, frozenset(codes), at_least)


def _unknown(*codes: str) -> Row:
    return Row(State.UNKNOWN, frozenset(codes))


# The first row that fits decides.
SIGNALS: Mapping[str, tuple[Row, ...]] = {
    "reverse-name": (
        _met("ptr.ok", "ptr.several", "ptr.generic", "ptr.provider-default"),
        _broken("ptr.missing", "ptr.not-confirmed", "ptr.private-name"),
        _unknown("ptr.no-answer", "ptr.broken"),
    ),
    "spf": (
        _met("spf.pass"),
        _broken("spf.fail", "spf.softfail", "spf.neutral", "spf.missing-record", "spf.permanent-error"),
        _broken("spf.multiple-records", "spf.syntax-error", "spf.missing-include", "spf.no-such-domain"),
        _broken("spf.too-many-lookups", "spf.too-many-hosts", "spf.too-many-voids"),
        _unknown("spf.temporary-error", "spf.not-finished", "spf.no-answer", "spf.broken"),
        _met("spf.valid-record", "spf.allows-everyone", "spf.neutral-default", "spf.no-default", "spf.uses-ptr"),
        _met("spf.dead-name", "spf.ipv6-voids"),
    ),
    "dkim": (
        _met("dkim.ok", "dkim.short-key", "dkim.long-key"),
        _broken("dkim.missing-key", "dkim.revoked", "dkim.broken-key", "dkim.bad-record", "dkim.several-records"),
        _broken("dkim.weak-key", "dkim.only-sha1", "dkim.not-for-mail", "dkim.unknown-kind", "dkim.testing"),
        _broken("dkim.ed25519-alone"),
        _unknown("dkim.no-answer", "dkim.broken"),
    ),
    "dkim-key": (
        _broken("dkim.weak-key"),
        _met("dkim.ok", "dkim.short-key", "dkim.long-key", "dkim.testing", "dkim.ed25519-alone"),
        _unknown("dkim.no-answer", "dkim.broken"),
    ),
    "dmarc": (
        _met("dmarc.ok", "dmarc.monitoring-only", "dmarc.testing", "dmarc.no-policy"),
        _broken("dmarc.missing", "dmarc.several", "dmarc.invalid"),
        _unknown("dmarc.no-answer", "dmarc.broken"),
    ),
    "helo": (
        _met("helo.ok", "helo.other-name", "helo.elsewhere"),
        _broken("helo.missing", "helo.not-a-name"),
        _unknown("helo.no-answer"),
    ),
    "lists": (
        _broken("blocklist.listed", "blocklist.policy", at_least=Verdict.FAIL),
        _met("blocklist.not-listed"),
        _unknown("blocklist.no-answer", "blocklist.unusable", "blocklist.broken"),
    ),
}

RULES: Mapping[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule(
            "reverse-name",
            "a reverse name of the address that leads back to it",
            "the address has no reverse name that leads back to it",
            ("reverse-name",),
        ),
        Rule(
            "spf-or-dkim",
            "SPF or DKIM in order",
            "neither SPF nor DKIM is in order",
            ("spf", "dkim"),
            any_signal=True,
        ),
        Rule("spf", "SPF in order", "SPF is not in order", ("spf",)),
        Rule("dkim", "DKIM in order", "DKIM is not in order", ("dkim",)),
        Rule("dkim-key", "DKIM keys of at least 1024 bits", "a DKIM key is too short", ("dkim-key",)),
        Rule("dmarc", "a DMARC record, p=none at least", "there is no valid DMARC record", ("dmarc",)),
        Rule(
            "helo",
            "a HELO name that leads to an address",
            "the HELO name leads nowhere",
            ("helo",),
            effect=Effect.DISTRUSTED,
        ),
        Rule(
            "lists",
            "an address and a domain that are on no large blocklist",
            "a large blocklist has the address or the domain",
            ("lists",),
            effect=Effect.DISTRUSTED,
        ),
        Rule("alignment", "a From domain that SPF or DKIM vouches for"),
        Rule("tls", "delivery over TLS"),
        Rule("spam-rate", "less than 0.3 % of the mail reported as spam"),
        Rule("unsubscribe", "one-click unsubscribe in marketing mail (RFC 8058)"),
        Rule("format", "messages in the form of RFC 5322"),
    )
}

OVER_5000 = "a sender of more than 5,000 mails a day"
RECEIVERS: tuple[Receiver, ...] = (
    Receiver(
        "gmail",
        "Gmail",
        OVER_5000,
        (
            Demand("reverse-name", ("4.7.23", "5.7.25")),
            Demand("spf-or-dkim", ("5.7.26",)),
            Demand("dkim-key"),
            Demand("helo"),
            Demand("lists"),
            Demand("tls", ("4.7.29", "5.7.29")),
            Demand("spam-rate", ("5.7.28",)),
            Demand("format"),
            Demand("spf", ("4.7.27", "5.7.27"), bulk=True),
            Demand("dkim", ("4.7.30", "5.7.30"), bulk=True),
            Demand("dmarc", ("4.7.31", "4.7.40", "5.7.40"), bulk=True),
            Demand("alignment", ("4.7.32", "5.7.32"), bulk=True),
            Demand("unsubscribe", bulk=True),
        ),
        (
            Link("Gmail: what senders must do", "https://support.google.com/a/answer/81126"),
            Link("Gmail: your spam rate and compliance", "https://postmaster.google.com/"),
        ),
    ),
    Receiver(
        "yahoo",
        "Yahoo",
        "a bulk sender",
        (
            Demand("reverse-name"),
            Demand("spf-or-dkim"),
            Demand("lists"),
            Demand("spam-rate"),
            Demand("format"),
            Demand("spf", bulk=True),
            Demand("dkim", bulk=True),
            Demand("dmarc", bulk=True),
            Demand("alignment", bulk=True),
            Demand("unsubscribe", bulk=True),
        ),
        (Link("Yahoo: what senders must do", "https://senders.yahooinc.com/best-practices/"),),
    ),
    Receiver(
        "microsoft",
        "Outlook.com",
        OVER_5000,
        (
            Demand("lists"),
            Demand("spf", ("5.7.515",), bulk=True),
            Demand("dkim", ("5.7.515",), bulk=True),
            Demand("dmarc", ("5.7.515",), bulk=True),
            Demand("alignment", ("5.7.515",), bulk=True),
        ),
        (
            Link("Outlook.com: what senders must do", "https://sendersupport.olc.protection.outlook.com/pm/"),
            Link("Outlook.com: how it sees your addresses", "https://sendersupport.olc.protection.outlook.com/snds/"),
        ),
    ),
)
