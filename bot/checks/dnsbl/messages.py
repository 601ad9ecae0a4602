"""The words of the blocklist check, as tables: what a severity, a reason and a way of removal mean to a person."""

from __future__ import annotations

from collections.abc import Mapping

from bot.checks.dnsbl.return_codes import Effect, Severity, Who
from bot.checks.finding_codes import Code
from bot.models import Verdict

CODES: Mapping[str, Code] = {
    "blocklist.listed": Code(
        "The list holds the address or domain; how bad that is depends on the list.",
        "RFC 5782 §2.1",
        "Stop what the list saw first, then follow the list's own way out, which the finding names: a form, the provider, or time.",
    ),
    "blocklist.policy": Code(
        "The list says that the address should not send mail itself; no abuse was seen.",
        "[Spamhaus: return codes](https://docs.spamhaus.com/datasets/docs/source/10-data-type-documentation/datasets/040-zones.html)",
        "Send through a mail server with a password; ask for removal only where the address is a mail server itself, with a fixed address and a right reverse name.",
    ),
    "blocklist.noted": Code(
        "The list knows the address or domain and says something neutral about it.", "RFC 5782 §2.1"
    ),
    "blocklist.allowed": Code("The list praises the address or domain.", "[DNSWL](https://www.dnswl.org/)"),
    "blocklist.unrecognised": Code(
        "The list gave an answer that it does not explain.",
        "RFC 5782 §2.3",
        "Look the address up on the list's own page.",
    ),
    "blocklist.not-listed": Code(
        "The list answers, its test entries are right, and the target is not on it.", "RFC 5782 §5"
    ),
    "blocklist.no-answer": Code(
        "The list gave no answer that can be relied on, so the state is not known.",
        "RFC 5782 §5",
        "Check again in a few minutes; where most lists are silent, `mailcheck doctor` says why.",
    ),
    "blocklist.unusable": Code(
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

SEVERITY_VERDICTS = {
    Severity.HIGH: Verdict.FAIL,
    Severity.MEDIUM: Verdict.FAIL,
    Severity.LOW: Verdict.WARN,
    Severity.NONE: Verdict.PASS,
}

IMPACT = {
    Severity.HIGH: "large receivers reject its mail",
    Severity.MEDIUM: "many filters hold that against its mail, and some servers reject it",
    Severity.LOW: "a few servers reject or mark down its mail",
    Severity.NONE: "no large receiver uses this list",
}

STEPS = {
    Who.OWNER: "Fix the cause first, then ask {operator} for removal and say what you changed.",
    Who.PROVIDER: "Fix the cause first, then have your provider ask {operator}, which hears only the network's owner.",
    Who.SELF_SERVICE: "Fix the cause first, then use the removal form.",
    Who.AUTOMATIC: "Fix the cause and wait: the entry ends by itself{expiry}.",
    Who.DO_NOT_PAY: "Fix the cause and wait, do not pay: the entry ends by itself{expiry}.",
    Who.NOBODY: "",
}

OWN_RESOLVER = "Use your own resolver{or_key}."
SAME_AGAIN = "Check again in a minute."
# What stands behind a reason, and the next thing to do.
REASONS = {
    "timeout": ("it did not answer in time", SAME_AGAIN),
    "servfail": ("its name servers failed", SAME_AGAIN),
    "refused": ("the question was refused", OWN_RESOLVER),
    "formerr": ("its name servers did not accept the question", OWN_RESOLVER),
    "notimp": ("its name servers did not accept the question", OWN_RESOLVER),
    "truncated": ("its answer came cut short", SAME_AGAIN),
    "loop": ("its names lead in a circle", SAME_AGAIN),
    "budget": ("there was no time left to ask it", SAME_AGAIN),
    "day-limit": (
        "a sweep has used up what its operator allows in a day",
        "Check again tomorrow, or check the address by itself.",
    ),
    "contradiction": ("its answer contradicts itself", SAME_AGAIN),
    "stripped": (
        "the resolver takes its answers away",
        "Let your resolver pass answers from 127.0.0.0/8: its rebinding protection removes them.",
    ),
    "blocked": ("it does not serve this resolver", OWN_RESOLVER),
    "public-resolver": ("it does not answer through a public resolver", OWN_RESOLVER),
    "quota": ("too many questions came from this resolver", OWN_RESOLVER),
    "key-disabled": ("the key is disabled", "Look at the key in your account with {operator}."),
    "key-misused": ("the key belongs to another account", "Look at the key in your account with {operator}."),
    "wrong-zone": ("its zone is misspelt in the catalogue", "Correct the zone of this list in the catalogue."),
    "wrong-query": ("it does not hold what was asked", ""),
    "parked": ("its answers come from somebody else, as those of a parked domain do", ""),
    "emptied": ("its test entry is gone, as in a list that was emptied or does not serve this resolver", ""),
    "lists-everything": ("it lists what it promises never to list", ""),
}
OTHER_REASON = ("it did not answer", SAME_AGAIN)

OR_KEY = " or a Spamhaus DQS key"
# A list that serves only the resolvers it knows shows one of these to all others.
UNSERVED = frozenset({"timeout", "refused", "blocked", "public-resolver", "emptied"})
REGISTER = "Make your resolver known to {operator}, which answers no other."
