"""Words of the SPF check: one row per finding code.

Placeholders: {domain}, {ip}, {why} (the matching term and its chain), {used} (the limits used up), {problem} and {step}
(of `phrases`), {where} (the domain of the record), {term} (to add, or as published), {size} in bytes, {names}, {count}
(of lookups or records), {parent}, {text} (as published), {reason} (of a DNS error).
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.checks.finding_codes import FindingCode, FindingText
from bot.checks.spf.phrases import FEWER_LOOKUPS
from bot.models import Verdict

CHECK_AGAIN = "Check again in a few minutes."
ADD_FIX = "If the address sends your mail, add it at the start of the record as ip4: or ip6:, which needs no lookup."
CODES: Mapping[str, FindingCode] = {
    "spf.pass": FindingCode(
        "The domain allows the address to send its mail.",
        "RFC 7208 §2.6.3",
        verdict=Verdict.PASS,
        summary="SPF pass: {domain} allows {ip} ({why}; {used}).",
    ),
    "spf.fail": FindingCode(
        "The domain does not allow the address to send its mail.",
        "RFC 7208 §2.6.4",
        ADD_FIX,
        verdict=Verdict.FAIL,
        summary="SPF fail: {domain} does not allow {ip}, so receivers may reject its mail ({why}; {used}).",
        remediation="{step}",
    ),
    "spf.softfail": FindingCode(
        "The domain does not list the address and asks receivers to treat its mail as suspicious.",
        "RFC 7208 §2.6.5",
        ADD_FIX,
        verdict=Verdict.WARN,
        summary="SPF softfail: {domain} does not list {ip}, so its mail may go to spam ({why}; {used}).",
        remediation="{step}",
    ),
    "spf.neutral": FindingCode(
        "The domain neither allows nor forbids the address.",
        "RFC 7208 §2.6.2",
        ADD_FIX,
        verdict=Verdict.WARN,
        summary="SPF neutral: {domain} neither allows nor forbids {ip}, so SPF does not help ({why}; {used}).",
        remediation="{step}",
    ),
    "spf.missing-record": FindingCode(
        "The domain has no SPF record.",
        "RFC 7208 §2.6.1",
        "Publish a TXT record that lists every server that sends for the domain; v=spf1 -all where none does.",
        verdict=Verdict.WARN,
        summary="{domain} has no SPF record, so receivers cannot tell which servers may send its mail.",
        remediation="Publish a TXT record at {domain}: v=spf1 mx -all if its mail servers send, v=spf1 -all if "
        "nothing does.",
        variants={
            "address": FindingText(
                verdict=Verdict.FAIL,
                summary="{domain} has no SPF record, so receivers cannot tell that {ip} may send its mail.",
                remediation="Publish a TXT record at {domain} that lists every server that sends for it: "
                "v=spf1 {term} ~all",
            ),
            "near-miss": FindingText(
                verdict=Verdict.FAIL,
                summary="{domain} has no SPF record: {problem}",
                remediation="Publish it as a TXT record at {domain} that starts with v=spf1 and a space.",
            ),
        },
    ),
    "spf.permanent-error": FindingCode(
        "The records of the domain end in an error for this address (RFC 7208 permerror).",
        "RFC 7208 §2.6.7",
        "Correct the part of the record that the finding names.",
        verdict=Verdict.FAIL,
        summary="SPF permerror: receivers cannot evaluate the record of {domain}. {problem}",
        remediation="{step}",
        variants={
            "lookups": FindingText(
                verdict=Verdict.FAIL,
                summary="SPF permerror: {domain} needs {count} DNS lookups for {ip}; the limit is 10.",
                remediation=FEWER_LOOKUPS,
            ),
            "loop": FindingText(
                verdict=Verdict.FAIL,
                summary="SPF permerror: the records under {domain} include each other in a loop, so receivers cannot "
                "evaluate {ip}.",
                remediation="Remove the include or redirect that closes the loop.",
            ),
            "no-ipv6": FindingText(
                verdict=Verdict.FAIL,
                summary="SPF permerror for {ip}: {names} have no AAAA record; the limit is 2 void lookups.",
                remediation="If {ip} sends your mail, add {term} after v=spf1 in the TXT record of {domain}, in front "
                "of a and mx.",
            ),
        },
    ),
    "spf.temporary-error": FindingCode(
        "DNS gave no answer about something the result depends on (RFC 7208 temperror).",
        "RFC 7208 §2.6.6",
        verdict=Verdict.UNKNOWN,
        summary="SPF temperror: not known whether {domain} allows {ip}. {problem}",
        remediation=CHECK_AGAIN,
    ),
    "spf.not-finished": FindingCode(
        "The check stopped at its own limit of 130 queries or 8 seconds; this is no result of SPF.",
        "RFC 7208 §4.6.4",
        verdict=Verdict.UNKNOWN,
        summary="SPF: not known whether {domain} allows {ip}. {problem}",
        remediation=CHECK_AGAIN,
    ),
    "spf.client-not-listed": FindingCode(
        "The domain does not list the address, and need not: it submits its mail with authentication.",
        "RFC 6409 §4.3",
        verdict=Verdict.PASS,
        summary="SPF of {domain} does not list {ip}, and need not: receivers check the server a client submits to.",
    ),
    "spf.helo-pass": FindingCode(
        "The record of the HELO name lists the address.",
        "RFC 7208 §2.3",
        verdict=Verdict.PASS,
        summary="SPF pass: the record of the HELO name {domain} lists {ip}.",
    ),
    "spf.helo-no-record": FindingCode(
        "The HELO name has no SPF record, which is allowed.",
        "RFC 7208 §2.3",
        verdict=Verdict.PASS,
        summary="The HELO name {domain} has no SPF record of its own, which is allowed.",
    ),
    "spf.helo-neutral": FindingCode(
        "The record of the HELO name neither allows nor forbids the address.",
        "RFC 7208 §2.3",
        verdict=Verdict.PASS,
        summary="SPF neutral: the record of the HELO name {domain} neither allows nor forbids {ip}.",
    ),
    "spf.helo-softfail": FindingCode(
        "The record of the HELO name does not list the address and asks receivers to treat it as suspicious.",
        "RFC 7208 §2.3",
        "Add the address to the record of the HELO name.",
        verdict=Verdict.WARN,
        summary="SPF softfail: the record of the HELO name {domain} does not list {ip}, so its bounces may go to spam "
        "({why}).",
        remediation="Add {term} to the TXT record of {domain}.",
    ),
    "spf.helo-fail": FindingCode(
        "The record of the HELO name does not allow the address to use it.",
        "RFC 7208 §2.3",
        "Add the address to the record of the HELO name.",
        verdict=Verdict.FAIL,
        summary="SPF fail: the record of the HELO name {domain} does not allow {ip}, so receivers may reject its mail "
        "({why}).",
        remediation="Add {term} to the TXT record of {domain}.",
    ),
    "spf.helo-error": FindingCode(
        "The record of the HELO name ends in an error (RFC 7208 permerror).",
        "RFC 7208 §2.3",
        "Correct the record of the HELO name.",
        verdict=Verdict.FAIL,
        summary="SPF permerror: receivers cannot evaluate the record of the HELO name {domain}. {problem}",
        remediation="{step}",
    ),
    "spf.helo-no-answer": FindingCode(
        "The HELO name could not be checked.",
        "RFC 7208 §2.3",
        verdict=Verdict.UNKNOWN,
        summary="SPF of the HELO name {domain}: not known. {problem}",
        remediation=CHECK_AGAIN,
    ),
    "spf.valid-record": FindingCode(
        "The domain has one valid SPF record that stays within the limits.",
        "RFC 7208 §3",
        verdict=Verdict.PASS,
        summary="The SPF record of {domain} is valid and needs {count} of 10 DNS lookups.",
        variants={
            "-": FindingText(
                verdict=Verdict.PASS,
                summary="The SPF record of {domain} is valid and needs {count} of 10 DNS lookups; every other sender "
                "fails (-all).",
            ),
            "~": FindingText(
                verdict=Verdict.PASS,
                summary="The SPF record of {domain} is valid and needs {count} of 10 DNS lookups; every other sender "
                "softfails (~all).",
            ),
            "no-sender": FindingText(
                verdict=Verdict.PASS, summary="The SPF record of {domain} allows no sender (v=spf1 -all)."
            ),
        },
    ),
    "spf.no-such-domain": FindingCode(
        "The domain does not exist in DNS.",
        "RFC 7208 §4.3",
        "Check for a typing mistake, or for an expired registration.",
        verdict=Verdict.FAIL,
        summary="{domain} does not exist in DNS, so many receivers reject mail from it.",
        remediation="Check how the domain is spelled.",
    ),
    "spf.multiple-records": FindingCode(
        "A domain has more than one SPF record, which is a permerror.",
        "RFC 7208 §4.5",
        "Merge the records into one TXT record and delete the others.",
        verdict=Verdict.FAIL,
        summary="SPF permerror: {domain} has {count} SPF records; one is allowed.",
        remediation="Merge the SPF records of {domain} into one TXT record and delete the others.",
    ),
    "spf.syntax-error": FindingCode(
        "A record breaks the grammar of RFC 7208, which is a permerror.",
        "RFC 7208 §12",
        "Correct the term that the finding quotes.",
        verdict=Verdict.FAIL,
        summary="SPF permerror: receivers cannot evaluate the record of {domain}. {problem}",
        remediation="Correct that part of the TXT record of {domain}.",
    ),
    "spf.missing-include": FindingCode(
        "Include or redirect names a domain without an SPF record.",
        "RFC 7208 §5.2",
        "Remove the name from the record, or correct its spelling.",
        verdict=Verdict.FAIL,
        summary="SPF permerror: the record of {parent} refers to {domain}, which has no SPF record.",
        remediation="Remove {domain} from the TXT record of {parent}, or correct its spelling.",
    ),
    "spf.too-many-lookups": FindingCode(
        "The record needs more than 10 DNS lookups.",
        "RFC 7208 §4.6.4",
        verdict=Verdict.FAIL,
        summary="SPF of {domain} needs {count} DNS lookups; the limit is 10 (permerror unless a term matches early).",
        remediation=FEWER_LOOKUPS,
        variants={
            "loop": FindingText(
                verdict=Verdict.FAIL,
                summary="SPF permerror: the records under {domain} include each other in a loop.",
                remediation="Remove the include or redirect that closes the loop.",
            )
        },
    ),
    "spf.too-many-hosts": FindingCode(
        "An mx term names a domain with more than 10 mail servers.",
        "RFC 7208 §4.6.4",
        "List the mail servers as ip4 and ip6 instead of mx.",
        verdict=Verdict.FAIL,
        summary="SPF permerror at mx: {names} has more than 10 MX records; the limit is 10.",
        remediation="List its mail servers as ip4 and ip6 instead of mx.",
    ),
    "spf.too-many-voids": FindingCode(
        "More than 2 names of the record have no DNS records (void lookups), which is a permerror.",
        "RFC 7208 §4.6.4",
        "Remove the names without DNS records.",
        verdict=Verdict.FAIL,
        summary="SPF permerror: {names} have no DNS records; the limit is 2 void lookups.",
        remediation="Remove these names from the SPF record.",
    ),
    "spf.dead-name": FindingCode(
        "A name in the record has no DNS records (a void lookup).",
        "RFC 7208 §4.6.4",
        "Remove the term from the record.",
        verdict=Verdict.WARN,
        summary="{term} in the SPF record of {where} matches nothing: {names} has no such DNS records; the limit is 2 "
        "void lookups.",
        remediation="Remove {term} from the TXT record of {where}, or publish the DNS records of {names}.",
    ),
    "spf.ipv6-voids": FindingCode(
        "For an IPv6 sender more than 2 names are void lookups, because mail servers have no AAAA record.",
        "RFC 7208 §4.6.4",
        "Add AAAA records for the mail servers, or move ip6 and include in front of a and mx.",
        verdict=Verdict.WARN,
        summary="{names} have no AAAA record; the limit is 2 void lookups, so IPv6 senders get a permerror before "
        "receivers reach the IPv6 addresses in the record.",
        remediation="Add AAAA records for these hosts, or move ip6 and include in front of a and mx.",
    ),
    "spf.allows-everyone": FindingCode(
        "The record allows any address to send.",
        "RFC 7208 §11.1",
        "Use ~all or -all, and list the servers that send for the domain.",
        verdict=Verdict.FAIL,
        summary="{text} in the SPF record of {where} lets any address send as {domain}.",
        remediation="Use -all or ~all instead, and list the servers that send for {where}.",
        variants={
            "sum": FindingText(
                verdict=Verdict.FAIL,
                summary="The networks in the SPF record of {domain} add up to {count} million addresses: half of the "
                "Internet or more may send as {domain}.",
                remediation="List the networks that really send mail for {domain}, and nothing wider.",
            )
        },
    ),
    "spf.neutral-default": FindingCode(
        "The record ends in ?all, which neither allows nor forbids other senders.",
        "RFC 7208 §2.6.2",
        verdict=Verdict.WARN,
        summary="The SPF record of {where} ends in ?all, so it neither allows nor forbids servers it does not list.",
        remediation="Replace ?all by ~all or -all.",
    ),
    "spf.no-default": FindingCode(
        "The record ends without all or redirect.",
        "RFC 7208 §4.7",
        verdict=Verdict.WARN,
        summary="The SPF record of {where} ends without all, so it neither allows nor forbids servers it does not "
        "list.",
        remediation="Put ~all or -all at the end of the record.",
    ),
    "spf.uses-ptr": FindingCode(
        "The record uses ptr, which RFC 7208 says not to publish.",
        "RFC 7208 §5.5",
        verdict=Verdict.WARN,
        summary="The SPF record of {where} uses ptr, which is slow and which some receivers ignore.",
        remediation="List the servers as ip4, ip6, a or mx instead.",
    ),
    "spf.long-record": FindingCode(
        "The record has more than 450 bytes, so the DNS answer may not fit into one packet.",
        "RFC 7208 §3.4",
        "Move some terms into a record of their own, and include that.",
        verdict=Verdict.WARN,
        summary="The SPF record of {where} has {size} bytes, more than the recommended 450: receivers whose network "
        "drops long DNS answers see no record.",
        remediation="Move some terms of {where} into a record of their own, and include that.",
    ),
    "spf.skipped-term": FindingCode(
        "A term of the record has no effect where it stands, or as it is spelled.",
        "RFC 7208 §5.1, RFC 7208 §6",
        "Move, correct or remove the term as the finding says.",
        verdict=Verdict.FAIL,
        summary="{term} in the SPF record of {where} has no effect.",
        variants={
            "after-all": FindingText(
                verdict=Verdict.WARN,
                summary="{term} in the SPF record of {where} stands after {default}, so receivers never read it.",
                remediation="Move {term} in front of {default}, or remove it if nothing of yours sends by it.",
            ),
            "redirect": FindingText(
                verdict=Verdict.WARN,
                summary="{term} in the SPF record of {where} has no effect, because the record also has {default}.",
                remediation="Remove {default} if the other record is to decide; else remove {term}.",
            ),
            "modifier": FindingText(
                verdict=Verdict.FAIL,
                summary="{term} in the SPF record of {where} means nothing to receivers, so it lets no server send.",
                remediation="Write {right} instead of {term}.",
            ),
            "version": FindingText(
                verdict=Verdict.WARN,
                summary="The SPF record of {where} has v=spf1 twice, as if two records were run together; receivers "
                "skip the second one and some reject the record.",
                remediation="Remove the second v=spf1, and keep one all, at the end.",
            ),
            "mapped": FindingText(
                verdict=Verdict.FAIL,
                summary="{term} in the SPF record of {where} never matches: receivers take such a sender as IPv4.",
                remediation="Write {right} instead of {term}.",
            ),
            "shadowed": FindingText(
                verdict=Verdict.WARN,
                summary="{term} in the SPF record of {where} forbids nothing: {earlier} in front of it matches first.",
                remediation="Move {term} in front of {earlier}.",
            ),
            "repeated": FindingText(
                verdict=Verdict.WARN,
                summary="{term} stands more than once in the SPF record of {where} and costs its lookups each time.",
                remediation="Remove the repetition of {term}.",
            ),
        },
    ),
    "spf.wide-network": FindingCode(
        "The record lets millions of addresses send, a /10 of IPv4 or more, or a /20 of IPv6.",
        "RFC 7208 §11.1",
        "List the networks that really send your mail.",
        verdict=Verdict.WARN,
        summary="{term} in the SPF record of {where} lets {count} million addresses send as {domain}.",
        remediation="List the networks of {where} that really send mail instead of {term}.",
        variants={
            "ipv6": FindingText(
                verdict=Verdict.WARN,
                summary="{term} in the SPF record of {where} lets a network as large as a whole provider send as "
                "{domain}.",
                remediation="List the networks of {where} that really send mail instead of {term}.",
            ),
            "sum": FindingText(
                verdict=Verdict.WARN,
                summary="The networks in the SPF record of {domain} add up to {count} million addresses that may send.",
                remediation="Remove the networks and includes that no longer send your mail.",
            ),
        },
    ),
    "spf.no-answer": FindingCode(
        "DNS gave no answer about a record, or the check stopped at its own limit.",
        "RFC 7208 §4.4",
        verdict=Verdict.UNKNOWN,
        summary="DNS gave no answer about the SPF record of {where} ({reason}).",
        remediation=CHECK_AGAIN,
        variants={
            "stopped": FindingText(
                verdict=Verdict.UNKNOWN,
                summary="SPF of {domain}: not all records were read. {problem}",
                remediation="Check again with one address.",
            )
        },
    ),
}
