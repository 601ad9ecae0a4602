"""The codes of the SPF check: first about one address or HELO name, then about the records of a domain.

What the SPF check says about one address, as data: a verdict, a code, a sentence and the next step per situation.

The braces are filled in by `advice`: {ip} and {domain}, {why} (the matching term and the way to it) with {used} (the
limits used up), {problem} (of an error), {where} (whose record it is in), {term} (the mechanism to add), {size} (of the
record with it), {names} (that lead to nothing), {count} (of lookups).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.checks.finding_codes import Code
from bot.checks.spf.result import Cause, Result
from bot.models import Verdict

CODES: Mapping[str, Code] = {
    "spf.pass": Code("The domain lets the address send its mail.", "RFC 7208 §2.6.3"),
    "spf.fail": Code(
        "The domain forbids the address to send its mail.",
        "RFC 7208 §2.6.4",
        "If the address sends your mail, add it in front of the record: ip4: or ip6: costs no lookup.",
    ),
    "spf.softfail": Code(
        "The domain does not list the address and asks for suspicion.",
        "RFC 7208 §2.6.5",
        "If the address sends your mail, add it in front of the record: ip4: or ip6: costs no lookup.",
    ),
    "spf.neutral": Code(
        "The domain says nothing about the address.",
        "RFC 7208 §2.6.2",
        "If the address sends your mail, add it in front of the record: ip4: or ip6: costs no lookup.",
    ),
    "spf.missing-record": Code(
        "The domain has no SPF record.",
        "RFC 7208 §2.6.1",
        "Publish a TXT record that lists every server that sends for the domain; v=spf1 -all where none does.",
    ),
    "spf.permanent-error": Code(
        "The records of the domain end in an error for this address (RFC 7208 permerror).",
        "RFC 7208 §2.6.7",
        "Correct the part of the record that the finding names.",
    ),
    "spf.temporary-error": Code(
        "DNS gave no answer about something the result depends on (RFC 7208 temperror).",
        "RFC 7208 §2.6.6",
        "Check again in a few minutes.",
    ),
    "spf.not-finished": Code(
        "The check stopped at its own limit of 130 questions or 8 seconds; this is no result of SPF.",
        "RFC 7208 §4.6.4",
        "Check again in a few minutes.",
    ),
    "spf.client-not-listed": Code(
        "The domain does not list the address, and need not: it submits its mail with a password.", "RFC 6409 §4.3"
    ),
    "spf.helo-pass": Code("The record of the HELO name lists the address.", "RFC 7208 §2.3"),
    "spf.helo-no-record": Code("The HELO name has no SPF record, which is allowed.", "RFC 7208 §2.3"),
    "spf.helo-neutral": Code("The record of the HELO name says nothing about the address.", "RFC 7208 §2.3"),
    "spf.helo-softfail": Code(
        "The record of the HELO name does not list the address and asks for suspicion.",
        "RFC 7208 §2.3",
        "Add the address to the record of the HELO name.",
    ),
    "spf.helo-fail": Code(
        "The record of the HELO name forbids the address to use it.",
        "RFC 7208 §2.3",
        "Add the address to the record of the HELO name.",
    ),
    "spf.helo-error": Code(
        "The record of the HELO name ends in an error (RFC 7208 permerror).",
        "RFC 7208 §2.3",
        "Correct the record of the HELO name.",
    ),
    "spf.helo-no-answer": Code("The HELO name could not be checked.", "RFC 7208 §2.3", "Check again in a few minutes."),
    "spf.valid-record": Code("The domain has one valid SPF record that stays within the limits.", "RFC 7208 §3"),
    "spf.no-such-domain": Code(
        "The domain does not exist in DNS.",
        "RFC 7208 §4.3",
        "Look for a typing mistake, or for an expired registration.",
    ),
    "spf.multiple-records": Code(
        "A domain has more than one SPF record, which receivers answer with permerror.",
        "RFC 7208 §4.5",
        "Merge the records into one TXT record and delete the others.",
    ),
    "spf.syntax-error": Code(
        "A record breaks the grammar of RFC 7208, which receivers answer with permerror.",
        "RFC 7208 §12",
        "Correct the term that the finding quotes.",
    ),
    "spf.missing-include": Code(
        "Include or redirect names a domain without an SPF record.",
        "RFC 7208 §5.2",
        "Remove the name from the record, or correct its spelling.",
    ),
    "spf.too-many-lookups": Code(
        "The record can need more than 10 terms that ask DNS.",
        "RFC 7208 §4.6.4",
        "Remove the includes of services you no longer use, or write a and mx as ip4 and ip6, which cost nothing.",
    ),
    "spf.too-many-hosts": Code(
        "An mx term names a domain with more than 10 mail servers.",
        "RFC 7208 §4.6.4",
        "List the mail servers as ip4 and ip6 instead of mx.",
    ),
    "spf.too-many-voids": Code(
        "More than 2 names of the record lead to nothing, which receivers answer with permerror.",
        "RFC 7208 §4.6.4",
        "Remove the names that lead to nothing.",
    ),
    "spf.dead-name": Code(
        "A name in the record leads to nothing.", "RFC 7208 §4.6.4", "Remove the name from the record."
    ),
    "spf.ipv6-voids": Code(
        "Over IPv6 more than 2 names lead to nothing, because mail servers have no AAAA record.",
        "RFC 7208 §4.6.4",
        "Give the mail servers AAAA records, or move ip6 and include in front of a and mx.",
    ),
    "spf.allows-everyone": Code(
        "The record lets any address send.",
        "RFC 7208 §11.1",
        "Write ~all or -all, and name the servers that send for the domain.",
    ),
    "spf.neutral-default": Code(
        "The record ends in ?all, which says nothing about other senders.",
        "RFC 7208 §2.6.2",
        "Replace ?all by ~all or -all.",
    ),
    "spf.no-default": Code(
        "The record ends without all or redirect.", "RFC 7208 §4.7", "Put ~all or -all at the end of the record."
    ),
    "spf.uses-ptr": Code(
        "The record uses ptr, which RFC 7208 says not to publish.",
        "RFC 7208 §5.5",
        "List the servers as ip4, ip6, a or mx instead.",
    ),
    "spf.long-record": Code(
        "The record has more than 450 bytes, so its answer may not fit into one packet.",
        "RFC 7208 §3.4",
        "Move some terms into a record of their own, and include that.",
    ),
    "spf.no-answer": Code(
        "DNS gave no answer about a record, or the check stopped by itself.",
        "RFC 7208 §4.4",
        "Check again in a few minutes.",
    ),
}


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
