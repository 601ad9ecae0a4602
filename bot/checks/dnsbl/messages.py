"""Words of the DNSBL check: one row per finding code, and the phrases for severities, reasons and removal.

Placeholders: {subject} (names, as below), {list}, {listing} (each sublist with its meaning), {operator}, {impact},
{note}, {step} (of a removal or reason below), {answers}, {cause}. What a list means by a return code, and how it
removes an entry, are facts about that list: they stand in `catalog.toml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bot.checks.dnsbl.return_codes import RemovalParty, Severity
from bot.checks.finding_codes import FindingCode, FindingText
from bot.models import Verdict

SPAMHAUS_CODES = (
    "[Spamhaus: return codes]"
    "(https://docs.spamhaus.com/datasets/docs/source/10-data-type-documentation/datasets/040-zones.html)"
)

CODES: Mapping[str, FindingCode] = {
    "blocklist.listed": FindingCode(
        "The list holds the address or domain; how bad that is depends on the list.",
        "RFC 5782 §2.1",
        "Stop what the list saw first, then use the removal procedure of the list, which the finding names: a form, "
        "the provider, or expiry.",
        verdict=Verdict.FAIL,
        summary="{subject} is on {listing}; {impact}.{note}",
        remediation="{step}",
    ),
    "blocklist.policy": FindingCode(
        "The list says that the address should not send mail itself; no abuse was seen.",
        SPAMHAUS_CODES,
        "Send through a mail server with authentication; request removal only where the address is a mail server "
        "itself, with a fixed address and a correct PTR record.",
        verdict=Verdict.FAIL,
        summary="{subject} is on {listing}; {impact}.{note}",
        remediation="{step}",
        variants={
            "client": FindingText(
                verdict=Verdict.PASS,
                summary="{subject} is on {listing}; this is expected for an address that does not send mail "
                "itself.{note}",
            )
        },
    ),
    "blocklist.noted": FindingCode(
        "The list says something neutral about the address or domain, or holds a name that the provider chose.",
        "RFC 5782 §2.1",
        verdict=Verdict.PASS,
        summary="{subject} is on {listing}.",
        variants={
            "provider": FindingText(
                verdict=Verdict.PASS,
                summary="{subject} is on {listing}; your provider chose that name, so this is only a note.",
            )
        },
    ),
    "blocklist.allowed": FindingCode(
        "The list is an allowlist, and vouches for the address or domain.",
        "[DNSWL](https://www.dnswl.org/)",
        verdict=Verdict.PASS,
        summary="{subject} is on {listing}.",
    ),
    "blocklist.unrecognised": FindingCode(
        "The list holds the address or domain under a code that is not documented.",
        "RFC 5782 §2.1",
        "Look it up on the list's own page to see why it is listed.",
        verdict=Verdict.FAIL,
        summary="{subject} is on {listing}.{note}",
        remediation="Look it up at {operator} to see why it is listed.",
    ),
    "blocklist.not-listed": FindingCode(
        "The list is working, which its test points prove, and the target is not listed.",
        "RFC 5782 §5",
        verdict=Verdict.PASS,
        summary="{subject} is not on {list}.",
        variants={"several": FindingText(verdict=Verdict.PASS, summary="{subject} are not on {list}.")},
    ),
    "blocklist.no-answer": FindingCode(
        "The list gave no reliable answer, so the state is not known.",
        "RFC 5782 §5",
        "Check again in a few minutes; where most lists do not answer, run `mailcheck doctor`.",
        verdict=Verdict.UNKNOWN,
        summary="{list}: not known whether {subject} is listed: {cause}.",
        remediation="{step}",
    ),
    "blocklist.unusable": FindingCode(
        "The list refuses this resolver or is unreliable right now, so the state is not known.",
        SPAMHAUS_CODES,
        "Run a resolver of your own and set MAILCHECK_NAMESERVERS, or set the key of the list.",
        verdict=Verdict.UNKNOWN,
        summary="{list}: not known whether {subject} is listed: {cause}.",
        remediation="{step}",
    ),
    "dns.resolver-fault": FindingCode(
        "At least half of the blocklists fail in the same way, which is a fault of the resolver and not of the lists.",
        "RFC 5782 §5",
        "Run `mailcheck doctor` where the bot runs: it says what to change at the resolver.",
        verdict=Verdict.UNKNOWN,
        summary="{count} of {total} blocklists fail in the same way, because of the resolver {resolver}: {cause}.",
        remediation="Run `mailcheck doctor` where the bot runs: it says what to change at the resolver.",
    ),
}
# What a resolver does where many lists fail for this reason; reasons about keys and zones are those of one list.
RESOLVER_CAUSES: Mapping[str, str] = {
    "parked": "it answers for names that do not exist, or an ad blocker answers in its place",
    "stripped": "it removes answers in 127.0.0.0/8",
    "refused": "it refuses the queries",
    "timeout": "it does not answer in time",
    "servfail": "it cannot reach their name servers",
    "emptied": "the lists seem to be empty through it",
    "lists-everything": "every address seems to be listed through it",
    "blocked": "the lists do not serve it, or it answers 127.0.0.1 in their place",
    "public-resolver": "the lists do not answer a public resolver",
    "quota": "the lists received too many queries from it",
    "truncated": "it truncates answers",
    "loop": "it answers with CNAME loops",
    "formerr": "it does not accept the queries",
    "notimp": "it does not accept the queries",
    "contradiction": "its answers contradict themselves",
}
IMPACTS: Mapping[Severity, str] = {
    Severity.HIGH: "large receivers reject its mail",
    Severity.MEDIUM: "many filters score its mail as spam, and some servers reject it",
    Severity.LOW: "a few servers reject or score down its mail",
    Severity.NONE: "no large receiver uses this list",
}
UNKNOWN_MEANING = "the meaning of {answers} is not documented"
IPV6_NOTE = " IPv6 listings usually cover the whole /64 ({network}), so check the other addresses in it, too."

NAME_OF_SERVER = "{name} (the {source} name)"
NAME_OF_PROVIDER = "{name} (the provider's {source} name)"

REMOVAL_STEPS: Mapping[RemovalParty, str] = {
    RemovalParty.OWNER: "Fix the cause first, then ask {operator} for removal and say what you changed.",
    RemovalParty.PROVIDER: "Fix the cause first, then have your provider ask {operator}: only the network's owner can "
    "request removal.",
    RemovalParty.SELF_SERVICE: "Fix the cause first, then use the removal form.",
    RemovalParty.AUTOMATIC: "Fix the cause and wait: the entry expires by itself{expiry}.",
    RemovalParty.DO_NOT_PAY: "Fix the cause and wait, do not pay: the entry expires by itself{expiry}.",
    RemovalParty.NOBODY: "",
}
REMOVAL_FORM, LOOKUP_PAGE, REGISTRATION_PAGE = "Removal form", "Look it up", "Register your resolver"


class Reason(NamedTuple):
    """Why a list gave no usable answer, and what to do about it."""

    cause: str
    step: str = ""


CHECK_AGAIN = "Check again in a minute."
OWN_RESOLVER = "Use your own resolver."
OWN_RESOLVER_OR_KEY = "Use your own resolver or a Spamhaus DQS key."
KEY_ACCOUNT = "Check the key in your account with {operator}."
REGISTER_RESOLVER = "Register your resolver with {operator}, which answers no other."

REASONS: Mapping[str, Reason] = {
    "timeout": Reason("it did not answer in time", CHECK_AGAIN),
    "servfail": Reason("its name servers failed", CHECK_AGAIN),
    "refused": Reason("the query was refused", OWN_RESOLVER),
    "formerr": Reason("its name servers did not accept the query", OWN_RESOLVER),
    "notimp": Reason("its name servers did not accept the query", OWN_RESOLVER),
    "truncated": Reason("its answer was truncated", CHECK_AGAIN),
    "loop": Reason("its names form a CNAME loop", CHECK_AGAIN),
    "time": Reason("there was no time left to query it", CHECK_AGAIN),
    "day-limit": Reason(
        "mailcheck has used up its share of the queries that the list allows in a day",
        "Check again after midnight UTC.",
    ),
    "budget": Reason(
        "watches have used up their share of the queries that the list allows", "A later poll queries it again."
    ),
    "contradiction": Reason("its answer contradicts itself", CHECK_AGAIN),
    "stripped": Reason(
        "the resolver removes its answers",
        "Let your resolver pass answers from 127.0.0.0/8: its rebinding protection removes them.",
    ),
    "blocked": Reason("it does not serve this resolver", OWN_RESOLVER),
    "public-resolver": Reason("it does not answer through a public resolver", OWN_RESOLVER),
    "quota": Reason("too many queries came from this resolver", OWN_RESOLVER),
    "key-disabled": Reason("the key is disabled", KEY_ACCOUNT),
    "key-misused": Reason("the key belongs to another account", KEY_ACCOUNT),
    "wrong-zone": Reason("its zone is misspelled in the catalog", "Correct the zone of this list in the catalog."),
    "wrong-query": Reason("it does not hold this kind of query"),
    "parked": Reason(
        "its answers are those of a parked domain",
        "Run `mailcheck doctor`: an ad blocker or the resolver may answer in place of the list.",
    ),
    "emptied": Reason("its test point is missing, as in a list that was emptied or does not serve this resolver"),
    "lists-everything": Reason("it lists a test point that must never be listed"),
}
NO_REASON = Reason("it did not answer", CHECK_AGAIN)
