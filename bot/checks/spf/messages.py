"""Texts of the SPF check: finding codes, and a template per result of an address or HELO name.

Placeholders, filled in by `findings`: {ip}, {domain}, {why} (the matching term and its path),
{used} (the limits used up), {problem} (of an error), {where} (the domain of the record), {term}
(the mechanism to add), {size} (of the record with it), {names} (dead names), {count} (of lookups).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.checks.finding_codes import FindingCode
from bot.checks.spf.result import PermErrorCause, ResultCode
from bot.models import Verdict

CODES: Mapping[str, FindingCode] = {
    "spf.pass": FindingCode("The domain lets the address send its mail.", "RFC 7208 §2.6.3"),
    "spf.fail": FindingCode(
        "The domain forbids the address to send its mail.",
        "RFC 7208 §2.6.4",
        "If the address sends your mail, add it in front of the record: ip4: or ip6: costs no lookup.",
    ),
    "spf.softfail": FindingCode(
        "The domain does not list the address and asks for suspicion.",
        "RFC 7208 §2.6.5",
        "If the address sends your mail, add it in front of the record: ip4: or ip6: costs no lookup.",
    ),
    "spf.neutral": FindingCode(
        "The domain says nothing about the address.",
        "RFC 7208 §2.6.2",
        "If the address sends your mail, add it in front of the record: ip4: or ip6: costs no lookup.",
    ),
    "spf.missing-record": FindingCode(
        "The domain has no SPF record.",
        "RFC 7208 §2.6.1",
        "Publish a TXT record that lists every server that sends for the domain; v=spf1 -all where none does.",
    ),
    "spf.permanent-error": FindingCode(
        "The records of the domain end in an error for this address (RFC 7208 permerror).",
        "RFC 7208 §2.6.7",
        "Correct the part of the record that the finding names.",
    ),
    "spf.temporary-error": FindingCode(
        "DNS gave no answer about something the result depends on (RFC 7208 temperror).",
        "RFC 7208 §2.6.6",
        "Check again in a few minutes.",
    ),
    "spf.not-finished": FindingCode(
        "The check stopped at its own limit of 130 questions or 8 seconds; this is no result of SPF.",
        "RFC 7208 §4.6.4",
        "Check again in a few minutes.",
    ),
    "spf.client-not-listed": FindingCode(
        "The domain does not list the address, and need not: it submits its mail with a password.", "RFC 6409 §4.3"
    ),
    "spf.helo-pass": FindingCode("The record of the HELO name lists the address.", "RFC 7208 §2.3"),
    "spf.helo-no-record": FindingCode("The HELO name has no SPF record, which is allowed.", "RFC 7208 §2.3"),
    "spf.helo-neutral": FindingCode("The record of the HELO name says nothing about the address.", "RFC 7208 §2.3"),
    "spf.helo-softfail": FindingCode(
        "The record of the HELO name does not list the address and asks for suspicion.",
        "RFC 7208 §2.3",
        "Add the address to the record of the HELO name.",
    ),
    "spf.helo-fail": FindingCode(
        "The record of the HELO name forbids the address to use it.",
        "RFC 7208 §2.3",
        "Add the address to the record of the HELO name.",
    ),
    "spf.helo-error": FindingCode(
        "The record of the HELO name ends in an error (RFC 7208 permerror).",
        "RFC 7208 §2.3",
        "Correct the record of the HELO name.",
    ),
    "spf.helo-no-answer": FindingCode(
        "The HELO name could not be checked.", "RFC 7208 §2.3", "Check again in a few minutes."
    ),
    "spf.valid-record": FindingCode("The domain has one valid SPF record that stays within the limits.", "RFC 7208 §3"),
    "spf.no-such-domain": FindingCode(
        "The domain does not exist in DNS.",
        "RFC 7208 §4.3",
        "Look for a typing mistake, or for an expired registration.",
    ),
    "spf.multiple-records": FindingCode(
        "A domain has more than one SPF record, which receivers answer with permerror.",
        "RFC 7208 §4.5",
        "Merge the records into one TXT record and delete the others.",
    ),
    "spf.syntax-error": FindingCode(
        "A record breaks the grammar of RFC 7208, which receivers answer with permerror.",
        "RFC 7208 §12",
        "Correct the term that the finding quotes.",
    ),
    "spf.missing-include": FindingCode(
        "Include or redirect names a domain without an SPF record.",
        "RFC 7208 §5.2",
        "Remove the name from the record, or correct its spelling.",
    ),
    "spf.too-many-lookups": FindingCode(
        "The record can need more than 10 terms that ask DNS.",
        "RFC 7208 §4.6.4",
        "Remove the includes of services you no longer use, or write a and mx as ip4 and ip6, which cost nothing.",
    ),
    "spf.too-many-hosts": FindingCode(
        "An mx term names a domain with more than 10 mail servers.",
        "RFC 7208 §4.6.4",
        "List the mail servers as ip4 and ip6 instead of mx.",
    ),
    "spf.too-many-voids": FindingCode(
        "More than 2 names of the record lead to nothing, which receivers answer with permerror.",
        "RFC 7208 §4.6.4",
        "Remove the names that lead to nothing.",
    ),
    "spf.dead-name": FindingCode(
        "A name in the record leads to nothing.", "RFC 7208 §4.6.4", "Remove the name from the record."
    ),
    "spf.ipv6-voids": FindingCode(
        "Over IPv6 more than 2 names lead to nothing, because mail servers have no AAAA record.",
        "RFC 7208 §4.6.4",
        "Give the mail servers AAAA records, or move ip6 and include in front of a and mx.",
    ),
    "spf.allows-everyone": FindingCode(
        "The record lets any address send.",
        "RFC 7208 §11.1",
        "Write ~all or -all, and name the servers that send for the domain.",
    ),
    "spf.neutral-default": FindingCode(
        "The record ends in ?all, which says nothing about other senders.",
        "RFC 7208 §2.6.2",
        "Replace ?all by ~all or -all.",
    ),
    "spf.no-default": FindingCode(
        "The record ends without all or redirect.", "RFC 7208 §4.7", "Put ~all or -all at the end of the record."
    ),
    "spf.uses-ptr": FindingCode(
        "The record uses ptr, which RFC 7208 says not to publish.",
        "RFC 7208 §5.5",
        "List the servers as ip4, ip6, a or mx instead.",
    ),
    "spf.long-record": FindingCode(
        "The record has more than 450 bytes, so its answer may not fit into one packet.",
        "RFC 7208 §3.4",
        "Move some terms into a record of their own, and include that.",
    ),
    "spf.no-answer": FindingCode(
        "DNS gave no answer about a record, or the check stopped by itself.",
        "RFC 7208 §4.4",
        "Check again in a few minutes.",
    ),
}


@dataclass(frozen=True, slots=True)
class SpfTemplate:
    """Verdict, code and texts for one situation."""

    verdict: Verdict
    code: str
    summary: str
    remediation: str = ""


ADD_ADDRESS = (
    "If {ip} sends your mail, add {term} after v=spf1 in the TXT record of {domain}: no lookup more, {size} bytes."
)
RECORD_TOO_LONG = (
    "If {ip} sends your mail, add {term} to the SPF record of {domain}, but first move other terms "
    "into a record that it includes: {size} bytes are more than the 450 that are safe."
)
CHECK_AGAIN = "Check again in a few minutes."
NOT_KNOWN = "It is not known whether {domain} lets {ip} send its mail: {problem}."
USE_FEWER_LOOKUPS = (
    "Remove the includes of services you no longer use, or write a and mx as ip4 and ip6, which cost nothing."
)

MAIL_FROM_TEMPLATES: Mapping[ResultCode, SpfTemplate] = {
    ResultCode.PASS: SpfTemplate(Verdict.PASS, "spf.pass", "{domain} lets {ip} send its mail: {why}; {used}."),
    ResultCode.FAIL: SpfTemplate(
        Verdict.FAIL,
        "spf.fail",
        "{domain} forbids {ip} to send its mail, so receivers may reject it: {why}; {used}.",
        ADD_ADDRESS,
    ),
    ResultCode.SOFTFAIL: SpfTemplate(
        Verdict.WARN,
        "spf.softfail",
        "{domain} does not list {ip}, so its mail may count as spam: {why}; {used}.",
        ADD_ADDRESS,
    ),
    ResultCode.NEUTRAL: SpfTemplate(
        Verdict.WARN,
        "spf.neutral",
        "{domain} says nothing about {ip}, so SPF does not help its mail: {why}; {used}.",
        ADD_ADDRESS,
    ),
    ResultCode.NONE: SpfTemplate(
        Verdict.FAIL,
        "spf.missing-record",
        "{domain} has no SPF record, so receivers cannot tell that {ip} may send its mail.",
        "Publish a TXT record at {domain} that lists every server that sends for it: v=spf1 {term} ~all",
    ),
    ResultCode.PERMERROR: SpfTemplate(
        Verdict.FAIL, "spf.permanent-error", "Receivers stop at the SPF record of {domain} with an error: {problem}."
    ),
    ResultCode.TEMPERROR: SpfTemplate(Verdict.UNKNOWN, "spf.temporary-error", NOT_KNOWN, CHECK_AGAIN),
    ResultCode.UNKNOWN: SpfTemplate(Verdict.UNKNOWN, "spf.not-finished", NOT_KNOWN, CHECK_AGAIN),
}
CLIENT_NOT_LISTED = SpfTemplate(
    Verdict.PASS,
    "spf.client-not-listed",
    "{domain} does not list {ip}, and need not: a client hands its mail to a server with a "
    "password, and receivers see that server.",
)

REMEDIATIONS: Mapping[PermErrorCause, str] = {
    PermErrorCause.SYNTAX: "Correct that part of the TXT record of {where}.",
    PermErrorCause.MULTIPLE_RECORDS: ("Merge the SPF records of {where} into one TXT record and delete the others."),
    PermErrorCause.MISSING_RECORD: ("Remove that name from the TXT record of {where}, or correct its spelling."),
    PermErrorCause.LOOKUPS: USE_FEWER_LOOKUPS,
    PermErrorCause.VOID_LOOKUPS: ("Remove {names} from the SPF record of {domain} and of what it includes."),
    PermErrorCause.MX_HOSTS: "List the mail servers as ip4 and ip6 instead of mx.",
}
TOO_MANY_LOOKUPS = SpfTemplate(
    Verdict.FAIL,
    "spf.permanent-error",
    "The SPF record of {domain} can need {count} lookups; 10 are allowed, so receivers stop with an error for {ip}.",
    USE_FEWER_LOOKUPS,
)
INCLUDE_LOOP = SpfTemplate(
    Verdict.FAIL,
    "spf.permanent-error",
    "The SPF records under {domain} include each other in a circle, so receivers stop with an error for {ip}.",
    "Remove the include or redirect that leads back.",
)
NO_IPV6_HOSTS = SpfTemplate(
    Verdict.FAIL,
    "spf.permanent-error",
    "{names} have no IPv6 address and SPF allows 2 such names, so receivers stop with an error for mail from {ip}.",
    "If {ip} sends your mail, add {term} after v=spf1 in the TXT record of {domain}, in front of a and mx.",
)

HELO_TEMPLATES: Mapping[ResultCode, SpfTemplate] = {
    ResultCode.PASS: SpfTemplate(Verdict.PASS, "spf.helo-pass", "The SPF record of the HELO name {domain} lists {ip}."),
    ResultCode.NONE: SpfTemplate(
        Verdict.PASS, "spf.helo-no-record", "The HELO name {domain} has no SPF record of its own, which is allowed."
    ),
    ResultCode.NEUTRAL: SpfTemplate(
        Verdict.PASS, "spf.helo-neutral", "The SPF record of the HELO name {domain} says nothing about {ip}."
    ),
    ResultCode.SOFTFAIL: SpfTemplate(
        Verdict.WARN,
        "spf.helo-softfail",
        "The SPF record of the HELO name {domain} does not list {ip}, so its bounces may count as spam: {why}.",
        "Add {term} to the TXT record of {domain}.",
    ),
    ResultCode.FAIL: SpfTemplate(
        Verdict.FAIL,
        "spf.helo-fail",
        "The SPF record of the HELO name {domain} forbids {ip} to use it, so mail may be refused: {why}.",
        "Add {term} to the TXT record of {domain}.",
    ),
    ResultCode.PERMERROR: SpfTemplate(
        Verdict.FAIL, "spf.helo-error", "Receivers stop at the SPF record of the HELO name {domain}: {problem}."
    ),
    ResultCode.TEMPERROR: SpfTemplate(
        Verdict.UNKNOWN,
        "spf.helo-no-answer",
        "SPF of the HELO name {domain} could not be checked: {problem}.",
        CHECK_AGAIN,
    ),
    ResultCode.UNKNOWN: SpfTemplate(
        Verdict.UNKNOWN,
        "spf.helo-no-answer",
        "SPF of the HELO name {domain} could not be checked: {problem}.",
        CHECK_AGAIN,
    ),
}
