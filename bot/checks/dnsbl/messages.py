"""Texts of the DNSBL check: finding codes, and what severities, reasons and removal types mean."""

from __future__ import annotations

from collections.abc import Mapping

from bot.checks.dnsbl.catalog import Nature
from bot.checks.dnsbl.return_codes import Effect, RemovalParty, Severity
from bot.checks.finding_codes import FindingCode
from bot.models import Verdict

CODES: Mapping[str, FindingCode] = {
    "blocklist.listed": FindingCode(
        "The list holds the address or domain; how bad that is depends on the list.",
        "RFC 5782 §2.1",
        "Stop what the list saw first, then follow the list's own way out, which the finding "
        "names: a form, the provider, or time.",
    ),
    "blocklist.policy": FindingCode(
        "The list says that the address should not send mail itself; no abuse was seen.",
        "[Spamhaus: return codes](https://docs.spamhaus.com/datasets/docs/source/10-data-type-documentation/datasets/040-zones.html)",
        "Send through a mail server with a password; ask for removal only where the address is a "
        "mail server itself, with a fixed address and a right reverse name.",
    ),
    "blocklist.noted": FindingCode(
        "The list knows the address or domain and says something neutral about it.", "RFC 5782 §2.1"
    ),
    "blocklist.allowed": FindingCode("The list praises the address or domain.", "[DNSWL](https://www.dnswl.org/)"),
    "blocklist.unrecognised": FindingCode(
        "The list holds the address or domain under a code that is not documented.",
        "RFC 5782 §2.1",
        "Look the address up on the list's own page to see why it is listed.",
    ),
    "blocklist.not-listed": FindingCode(
        "The list answers, its test entries are right, and the target is not on it.", "RFC 5782 §5"
    ),
    "blocklist.no-answer": FindingCode(
        "The list gave no answer that can be relied on, so the state is not known.",
        "RFC 5782 §5",
        "Check again in a few minutes; where most lists are silent, `mailcheck doctor` says why.",
    ),
    "blocklist.unusable": FindingCode(
        "The list refuses this resolver or cannot be believed at present, so the state is not known.",
        "[Spamhaus: return codes](https://docs.spamhaus.com/datasets/docs/source/10-data-type-documentation/datasets/040-zones.html)",
        "Run a resolver of your own and set MAILCHECK_NAMESERVERS, or set the key of the list.",
    ),
}

EFFECT_CODES = {
    Effect.LISTED: "blocklist.listed",
    Effect.POLICY: "blocklist.policy",
    Effect.INFO: "blocklist.noted",
    Effect.ALLOW: "blocklist.allowed",
}

# A listing whose code is not in the catalog; severity none and lists that are no evidence still pass.
UNRECOGNIZED = "blocklist.unrecognised"
UNKNOWN_MEANING = "the meaning of {answers} is not documented"
UNKNOWN_REMEDIATION = "Look it up at {operator} to see why it is listed."
UNKNOWN_EFFECTS = {Nature.POLICY: Effect.POLICY, Nature.INFO: Effect.INFO, Nature.ALLOW: Effect.INFO}
UNKNOWN_SEVERITIES = {
    Severity.HIGH: Severity.HIGH,
    Severity.MEDIUM: Severity.LOW,
    Severity.LOW: Severity.LOW,
    Severity.NONE: Severity.NONE,
}

SEVERITY_VERDICTS = {
    Severity.HIGH: Verdict.FAIL,
    Severity.MEDIUM: Verdict.FAIL,
    Severity.LOW: Verdict.WARN,
    Severity.NONE: Verdict.PASS,
}

IMPACT_TEXTS = {
    Severity.HIGH: "large receivers reject its mail",
    Severity.MEDIUM: "many filters hold that against its mail, and some servers reject it",
    Severity.LOW: "a few servers reject or mark down its mail",
    Severity.NONE: "no large receiver uses this list",
}

PROVIDERS_NAME = "your provider chose that name, so this is only a note"

REMEDIATIONS = {
    RemovalParty.OWNER: ("Fix the cause first, then ask {operator} for removal and say what you changed."),
    RemovalParty.PROVIDER: (
        "Fix the cause first, then have your provider ask {operator}, which hears only the network's owner."
    ),
    RemovalParty.SELF_SERVICE: "Fix the cause first, then use the removal form.",
    RemovalParty.AUTOMATIC: "Fix the cause and wait: the entry ends by itself{expiry}.",
    RemovalParty.DO_NOT_PAY: ("Fix the cause and wait, do not pay: the entry ends by itself{expiry}."),
    RemovalParty.NOBODY: "",
}

USE_OWN_RESOLVER = "Use your own resolver{or_key}."
CHECK_AGAIN = "Check again in a minute."
# Cause and remediation by reason.
REASON_TEXTS = {
    "timeout": ("it did not answer in time", CHECK_AGAIN),
    "servfail": ("its name servers failed", CHECK_AGAIN),
    "refused": ("the question was refused", USE_OWN_RESOLVER),
    "formerr": ("its name servers did not accept the question", USE_OWN_RESOLVER),
    "notimp": ("its name servers did not accept the question", USE_OWN_RESOLVER),
    "truncated": ("its answer came cut short", CHECK_AGAIN),
    "loop": ("its names lead in a circle", CHECK_AGAIN),
    "budget": ("there was no time left to ask it", CHECK_AGAIN),
    "day-limit": (
        "a sweep has used up what its operator allows in a day",
        "Check again tomorrow, or check the address by itself.",
    ),
    "contradiction": ("its answer contradicts itself", CHECK_AGAIN),
    "stripped": (
        "the resolver takes its answers away",
        "Let your resolver pass answers from 127.0.0.0/8: its rebinding protection removes them.",
    ),
    "blocked": ("it does not serve this resolver", USE_OWN_RESOLVER),
    "public-resolver": ("it does not answer through a public resolver", USE_OWN_RESOLVER),
    "quota": ("too many questions came from this resolver", USE_OWN_RESOLVER),
    "key-disabled": ("the key is disabled", "Look at the key in your account with {operator}."),
    "key-misused": ("the key belongs to another account", "Look at the key in your account with {operator}."),
    "wrong-zone": ("its zone is misspelt in the catalogue", "Correct the zone of this list in the catalogue."),
    "wrong-query": ("it does not hold what was asked", ""),
    "parked": ("its answers come from somebody else, as those of a parked domain do", ""),
    "emptied": ("its test entry is gone, as in a list that was emptied or does not serve this resolver", ""),
    "lists-everything": ("it lists what it promises never to list", ""),
}
DEFAULT_REASON = ("it did not answer", CHECK_AGAIN)

OR_KEY = " or a Spamhaus DQS key"
# Reasons seen when a list serves only registered resolvers and this one is not registered.
UNREGISTERED_REASONS = frozenset({"timeout", "refused", "blocked", "public-resolver", "quota", "emptied"})
REGISTER_RESOLVER = "Make your resolver known to {operator}, which answers no other."
