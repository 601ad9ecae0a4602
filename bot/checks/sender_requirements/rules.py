"""Sender requirements of Gmail, Yahoo and Outlook.com, as data.

A signal derives the state of one thing from the finding codes of other checks. A rule combines
signals; without signals it cannot be checked from outside. A receiver requires rules of all or of
bulk senders, and rejects with the given enhanced status codes.

Sources: Google's Email sender guidelines and their FAQ, Yahoo's Sender Hub, Microsoft's
requirements for high-volume senders (enforced since 2025-05-05).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.models import Link, Verdict


class RuleState(StrEnum):
    """State of a rule; `unseen` means not checked, or not visible in the DNS."""

    MET = "met"
    BROKEN = "broken"
    UNKNOWN = "unknown"
    UNSEEN = "unseen"


class Effect(StrEnum):
    """What a receiver does with mail that breaks the rule."""

    REFUSED = "refused"
    DISTRUSTED = "distrusted"


@dataclass(frozen=True, slots=True)
class SignalRow:
    """Finding codes that decide the state, if the verdict is at least `at_least`."""

    state: RuleState
    codes: frozenset[str]
    at_least: Verdict = Verdict.PASS


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule; with `any_signal` one met signal is enough, otherwise all must be met.

    Its words are in `messages.RULE_TEXTS`.
    """

    id: str
    signals: tuple[str, ...] = ()
    any_signal: bool = False
    effect: Effect = Effect.REFUSED


@dataclass(frozen=True, slots=True)
class Requirement:
    """A rule that a receiver requires, and the enhanced status codes (RFC 3463) of rejections."""

    rule: str
    reply_codes: tuple[str, ...] = ()
    bulk: bool = False


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver; `messages.BULK_SENDERS` has the words for its bulk senders."""

    id: str
    name: str
    requirements: tuple[Requirement, ...]
    links: tuple[Link, ...]


def _met(*codes: str) -> SignalRow:
    return SignalRow(RuleState.MET, frozenset(codes))


def _broken(*codes: str, at_least: Verdict = Verdict.WARN) -> SignalRow:
    return SignalRow(RuleState.BROKEN, frozenset(codes), at_least)


def _unknown(*codes: str) -> SignalRow:
    return SignalRow(RuleState.UNKNOWN, frozenset(codes))


# The first matching row decides.
SIGNALS: Mapping[str, tuple[SignalRow, ...]] = {
    "reverse-name": (
        _met("ptr.ok", "ptr.several", "ptr.generic", "ptr.provider-default"),
        _broken("ptr.missing", "ptr.not-confirmed", "ptr.private-name"),
        _unknown("ptr.no-answer", "ptr.broken"),
    ),
    "spf": (
        _met("spf.pass"),
        _broken("spf.fail", "spf.softfail", "spf.neutral", "spf.missing-record", "spf.permanent-error"),
        _broken("spf.multiple-records", "spf.syntax-error", "spf.missing-include", "spf.no-such-domain"),
        _broken("mx.no-domain"),
        _broken("spf.too-many-lookups", "spf.too-many-hosts", "spf.too-many-voids"),
        _unknown("spf.other-return-path", "spf.temporary-error", "spf.not-finished", "spf.no-answer", "spf.broken"),
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
        Rule("reverse-name", ("reverse-name",)),
        Rule("spf-or-dkim", ("spf", "dkim"), any_signal=True),
        Rule("spf", ("spf",)),
        Rule("dkim", ("dkim",)),
        Rule("dkim-key", ("dkim-key",)),
        Rule("dmarc", ("dmarc",)),
        Rule("helo", ("helo",), effect=Effect.DISTRUSTED),
        Rule("lists", ("lists",), effect=Effect.DISTRUSTED),
        Rule("alignment"),
        Rule("tls"),
        Rule("spam-rate"),
        Rule("unsubscribe"),
        Rule("format"),
    )
}

RECEIVERS: tuple[Receiver, ...] = (
    Receiver(
        "gmail",
        "Gmail",
        (
            Requirement("reverse-name", ("4.7.23", "5.7.25")),
            Requirement("spf-or-dkim", ("5.7.26",)),
            Requirement("dkim-key"),
            Requirement("helo"),
            Requirement("lists"),
            Requirement("tls", ("4.7.29", "5.7.29")),
            Requirement("spam-rate", ("5.7.28",)),
            Requirement("format"),
            Requirement("spf", ("4.7.27", "5.7.27"), bulk=True),
            Requirement("dkim", ("4.7.30", "5.7.30"), bulk=True),
            Requirement("dmarc", ("4.7.31", "4.7.40", "5.7.40"), bulk=True),
            Requirement("alignment", ("4.7.32", "5.7.32"), bulk=True),
            Requirement("unsubscribe", bulk=True),
        ),
        (
            Link("Gmail: sender guidelines", "https://support.google.com/a/answer/81126"),
            Link("Gmail: Postmaster Tools", "https://postmaster.google.com/"),
        ),
    ),
    Receiver(
        "yahoo",
        "Yahoo",
        (
            Requirement("reverse-name"),
            Requirement("spf-or-dkim"),
            Requirement("lists"),
            Requirement("spam-rate"),
            Requirement("format"),
            Requirement("spf", bulk=True),
            Requirement("dkim", bulk=True),
            Requirement("dmarc", bulk=True),
            Requirement("alignment", bulk=True),
            Requirement("unsubscribe", bulk=True),
        ),
        (Link("Yahoo: best practices", "https://senders.yahooinc.com/best-practices/"),),
    ),
    Receiver(
        "microsoft",
        "Outlook.com",
        (
            Requirement("lists"),
            Requirement("spf", ("5.7.515",), bulk=True),
            Requirement("dkim", ("5.7.515",), bulk=True),
            Requirement("dmarc", ("5.7.515",), bulk=True),
            Requirement("alignment", ("5.7.515",), bulk=True),
        ),
        (
            Link("Outlook.com: sender policies", "https://sendersupport.olc.protection.outlook.com/pm/"),
            Link("Outlook.com: SNDS", "https://sendersupport.olc.protection.outlook.com/snds/"),
        ),
    ),
)
