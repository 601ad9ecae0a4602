"""Parts of sentences of the SPF check: steps by cause, problems of a record, notes of the include tree.

Placeholders are those of `messages`, and those that the problems carry.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.checks.spf.result import PermErrorCause

FEWER_LOOKUPS = (
    "Remove the includes of services you no longer use, or replace a and mx by ip4 and ip6, which need no lookup."
)

ADD_ADDRESS = "If {ip} sends your mail, add {term} to the SPF record of {domain}."  # the whole report may know better
CAUSE_STEPS: Mapping[PermErrorCause, str] = {
    PermErrorCause.SYNTAX: "Correct that part of the TXT record of {where}.",
    PermErrorCause.MULTIPLE_RECORDS: "Merge the SPF records of {where} into one TXT record and delete the others.",
    PermErrorCause.MISSING_RECORD: "Remove that name from the TXT record of {where}, or correct its spelling.",
    PermErrorCause.MISSING_FROM_MACRO: "Macros make that name from the sender: its owner publishes a record for each "
    "address that may send.",
    PermErrorCause.LOOKUPS: FEWER_LOOKUPS,
    PermErrorCause.VOID_LOOKUPS: "Remove {names} from the SPF record of {domain} and of what it includes.",
    PermErrorCause.MX_HOSTS: "List the mail servers as ip4 and ip6 instead of mx.",
}
NO_MATCH, MATCH, CHAIN = "no term matches", "{term} matches", ", via {chain}"
LOOKUPS_USED, VOIDS_USED = "{count} of 10 lookups", ", {count} of 2 void lookups"
AT_LEAST, THE_NAMES = "at least {count}", "the names"

PROBLEMS: Mapping[str, str] = {
    # of a record
    "version": "{text} does not start with v=spf1 and a space.",
    "duplicate": "{name}= occurs twice in the record; it may occur once.",
    "unknown": "{term} is not a term of SPF.",
    "unknown-colon": "{term} is not a term of SPF; write {name}= instead of {name}:.",
    "unknown-mistake": "{term} is not a term of SPF; write {right} instead of {name}.",
    "unknown-comma": "{term} is not a term of SPF; terms are separated by spaces, not by commas.",
    "unknown-address": "{term} is not a term of SPF; an address is written {right}.",
    "unknown-name": "{term} is not a term of SPF; a host is written with a: in front, others' records with include:.",
    "joined": "{term} is two terms run together; put a space in front of {second}: TXT strings are joined without one.",
    "all": "{term} is wrong: all takes nothing after it.",
    "prefix": "{term} ends in something that is not a prefix length such as /24 or /24//64.",
    "long-prefix": "{term} has a prefix length above /{limit}.",
    "no-colon": "{term} needs a colon and a domain name.",
    "no-domain": "{term} names no domain.",
    "address": "{term} holds an address; an address is written as ip4: or ip6:.",
    "not-a-network": "{term} is not an address or a network; write it like {example}.",
    "not-a-network-4": "{term} is not an IPv4 address or network.",
    "not-a-network-6": "{term} is not an IPv6 address or network.",
    "domain-missing": "A domain name is missing.",
    "not-a-domain": "{text} is not a full domain name.",
    "macro-in-record": "The macro %{{{letter}}} in {text} is allowed only in the text of an explanation.",
    "not-a-macro": "The % in {text} does not start a macro of SPF.",
    "character": "{text} contains a character that SPF does not allow.",
    "no-parts": "{text} keeps 0 parts of its value; the number must be at least 1.",
    # of an evaluation
    "redirect": "The record of {domain} redirects to {target}, which has no SPF record.",
    "include": "The record of {domain} includes {target}, which has no SPF record.",
    "multiple": "{domain} has {count} SPF records; one is allowed.",
    "mx-hosts": "{domain} has {count} MX records; the limit is 10.",
    "voids": "{names} have no DNS records; the limit is 2 void lookups.",
    "lookups": "The record needs more than 10 DNS lookups.",
    "unanswered": "DNS gave no answer about {query} ({reason}).",
    # of the check itself
    "slow": "The check stopped because DNS was too slow.",
    "timeout": "The check stopped after {seconds:g} seconds.",
    "queries": "The check stopped after {count} DNS queries.",
    "budget": "The whole check had used up its DNS queries, so SPF was not finished.",
    "records": "More than {count} SPF records are connected under {domain}; the rest was not read.",
}
TREE_NOTES: Mapping[str, str] = {
    "void": "no DNS records",
    "loop": "include loop",
    "repeated": "as above",
    "sender": "depends on the sender",
    "unread": "not read",
    "unanswered": "no answer",
    "syntax": "syntax error",
    "no-record": "no SPF record",
    "no-domain": "does not exist",
    "several": "{count} records",
    "more": "and more",
}
