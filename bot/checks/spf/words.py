"""What the SPF check says about one address, as data: a verdict, a code, a sentence and the next step per situation.

The braces are filled in by `advice`: {ip} and {domain}, {why} (the matching term and the way to it) with {used} (the
limits used up), {problem} (of an error), {where} (whose record it is in), {term} (the mechanism to add), {size} (of the
record with it), {names} (that lead to nothing), {count} (of lookups).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.checks.spf.evaluation import Cause, Result
from bot.model import Verdict


@dataclass(frozen=True, slots=True)
class Words:
    """One situation in words."""

    verdict: Verdict
    code: str
    says: str
    step: str = ""


ADD = "If {ip} sends your mail, add {term} after v=spf1 in the TXT record of {domain}: no lookup more, {size} bytes."
TOO_LONG = (
    "If {ip} sends your mail, add {term} to the SPF record of {domain}, but first move other terms into a record that "
    "it includes: {size} bytes are more than the 450 that are safe."
)
AGAIN = "Check again in a few minutes."
UNCLEAR = "It is not known whether {domain} lets {ip} send its mail: {problem}."
FEWER = "Remove the includes of services you no longer use, or write a and mx as ip4 and ip6, which cost nothing."

MAIL_FROM: Mapping[Result, Words] = {
    Result.PASS: Words(Verdict.PASS, "spf.pass", "{domain} lets {ip} send its mail: {why}; {used}."),
    Result.FAIL: Words(
        Verdict.FAIL,
        "spf.fail",
        "{domain} forbids {ip} to send its mail, so receivers may reject it: {why}; {used}.",
        ADD,
    ),
    Result.SOFTFAIL: Words(
        Verdict.WARN, "spf.softfail", "{domain} does not list {ip}, so its mail may count as spam: {why}; {used}.", ADD
    ),
    Result.NEUTRAL: Words(
        Verdict.WARN,
        "spf.neutral",
        "{domain} says nothing about {ip}, so SPF does not help its mail: {why}; {used}.",
        ADD,
    ),
    Result.NONE: Words(
        Verdict.FAIL,
        "spf.missing-record",
        "{domain} has no SPF record, so receivers cannot tell that {ip} may send its mail.",
        "Publish a TXT record at {domain} that lists every server that sends for it: v=spf1 {term} ~all",
    ),
    Result.PERMERROR: Words(
        Verdict.FAIL, "spf.permanent-error", "Receivers stop at the SPF record of {domain} with an error: {problem}."
    ),
    Result.TEMPERROR: Words(Verdict.UNKNOWN, "spf.temporary-error", UNCLEAR, AGAIN),
    Result.UNKNOWN: Words(Verdict.UNKNOWN, "spf.not-finished", UNCLEAR, AGAIN),
}
CLIENT_NOT_LISTED = Words(
    Verdict.PASS,
    "spf.client-not-listed",
    "{domain} does not list {ip}, and need not: a client hands its mail to a server with a password, and receivers see "
    "that server.",
)

REPAIRS: Mapping[Cause, str] = {
    Cause.SYNTAX: "Correct that part of the TXT record of {where}.",
    Cause.SEVERAL_RECORDS: "Merge the SPF records of {where} into one TXT record and delete the others.",
    Cause.NO_RECORD: "Remove that name from the TXT record of {where}, or correct its spelling.",
    Cause.LOOKUPS: FEWER,
    Cause.VOIDS: "Remove {names} from the SPF record of {domain} and of what it includes.",
    Cause.MAIL_SERVERS: "List the mail servers as ip4 and ip6 instead of mx.",
}
COUNTED = Words(
    Verdict.FAIL,
    "spf.permanent-error",
    "The SPF record of {domain} can need {count} lookups; 10 are allowed, so receivers stop with an error for {ip}.",
    FEWER,
)
CIRCLE = Words(
    Verdict.FAIL,
    "spf.permanent-error",
    "The SPF records under {domain} include each other in a circle, so receivers stop with an error for {ip}.",
    "Remove the include or redirect that leads back.",
)
NO_IPV6_HOSTS = Words(
    Verdict.FAIL,
    "spf.permanent-error",
    "{names} have no IPv6 address and SPF allows 2 such names, so receivers stop with an error for mail from {ip}.",
    "If {ip} sends your mail, add {term} after v=spf1 in the TXT record of {domain}, in front of a and mx.",
)

HELO: Mapping[Result, Words] = {
    Result.PASS: Words(Verdict.PASS, "spf.helo-pass", "The SPF record of the HELO name {domain} lists {ip}."),
    Result.NONE: Words(
        Verdict.PASS, "spf.helo-no-record", "The HELO name {domain} has no SPF record of its own, which is allowed."
    ),
    Result.NEUTRAL: Words(
        Verdict.PASS, "spf.helo-neutral", "The SPF record of the HELO name {domain} says nothing about {ip}."
    ),
    Result.SOFTFAIL: Words(
        Verdict.WARN,
        "spf.helo-softfail",
        "The SPF record of the HELO name {domain} does not list {ip}, so its bounces may count as spam: {why}.",
        "Add {term} to the TXT record of {domain}.",
    ),
    Result.FAIL: Words(
        Verdict.FAIL,
        "spf.helo-fail",
        "The SPF record of the HELO name {domain} forbids {ip} to use it, so mail may be refused: {why}.",
        "Add {term} to the TXT record of {domain}.",
    ),
    Result.PERMERROR: Words(
        Verdict.FAIL, "spf.helo-error", "Receivers stop at the SPF record of the HELO name {domain}: {problem}."
    ),
    Result.TEMPERROR: Words(
        Verdict.UNKNOWN, "spf.helo-no-answer", "SPF of the HELO name {domain} could not be checked: {problem}.", AGAIN
    ),
    Result.UNKNOWN: Words(
        Verdict.UNKNOWN, "spf.helo-no-answer", "SPF of the HELO name {domain} could not be checked: {problem}.", AGAIN
    ),
}
