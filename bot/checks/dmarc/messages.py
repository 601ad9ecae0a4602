"""Words of the DMARC check: one row per finding code.

Placeholders: {domain}, {registered} (its organizational domain), {record_at}, {several_at}, {tag} and {policy} that
apply, {effective} (the policy under t=y), {wrong}, {part} and {right} (parts of the record as published and as they
should be), {removed} (tags), {percent}, {host}, {hosts} and {report_name} (of reports), {older_at} and {older} (where
receivers by RFC 7489 look, and what they find), {problem} (of a near miss), {reason} (why DNS did not answer).
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.checks.finding_codes import FindingCode, FindingText
from bot.models import Verdict

CODES: Mapping[str, FindingCode] = {
    "dmarc.ok": FindingCode(
        "A policy of quarantine or reject applies to the domain.",
        "RFC 9989 §5.3.6",
        verdict=Verdict.PASS,
        summary="The DMARC policy tells receivers to quarantine mail that forges {domain} ({tag}={policy} at "
        "{record_at}).",
        variants={
            "reject": FindingText(
                verdict=Verdict.PASS,
                summary="The DMARC policy tells receivers to reject mail that forges {domain} ({tag}={policy} at "
                "{record_at}).",
            )
        },
    ),
    "dmarc.missing": FindingCode(
        "No DMARC record applies to the domain.",
        "RFC 9989 §4.10",
        "Publish a TXT record at _dmarc of the domain: v=DMARC1; p=none; rua=mailto:… to begin with.",
        verdict=Verdict.WARN,
        summary="{domain} has no DMARC record, so anyone can forge it, and Gmail, Yahoo and Outlook.com reject its "
        "bulk mail.",
        remediation="Publish a TXT record at _dmarc.{registered}: v=DMARC1; p=none; rua=mailto:dmarc@{registered}",
        variants={
            "near-miss": FindingText(
                verdict=Verdict.FAIL,
                summary="{domain} has no DMARC record that receivers accept: {problem}",
                remediation="Publish it as one TXT record at _dmarc.{registered} that starts with v=DMARC1; and check "
                "that the policy in it is the one you want: it takes effect at once.",
            )
        },
    ),
    "dmarc.several": FindingCode(
        "There is more than one DMARC record at one name, so all of them are ignored.",
        "RFC 9989 §4.10",
        verdict=Verdict.FAIL,
        summary="There is more than one DMARC record at {several_at}, so receivers ignore them all.",
        remediation="Leave one of the records and remove the others.",
    ),
    "dmarc.invalid": FindingCode(
        "The record has no valid policy and asks for no reports, so it is ignored.",
        "RFC 9989 §4.10.1",
        "Set p to none, quarantine or reject in the record.",
        verdict=Verdict.FAIL,
        summary="The DMARC record at {record_at} has no policy, so receivers ignore it.",
        remediation="Set p to none, quarantine or reject in that record.",
        variants={
            "wrong": FindingText(
                verdict=Verdict.FAIL,
                summary="The DMARC record at {record_at} has an invalid policy ({wrong}), so receivers ignore it.",
                remediation="Write none, quarantine or reject instead of the value in {wrong}.",
            )
        },
    ),
    "dmarc.no-policy": FindingCode(
        "The record has an invalid policy, so it counts as p=none.",
        "RFC 9989 §4.10.1",
        "Set p, sp and np to none, quarantine or reject in the record.",
        verdict=Verdict.FAIL,
        summary="The DMARC record at {record_at} has an invalid policy ({wrong}), so receivers take it as p=none.",
        remediation="Write none, quarantine or reject instead of the value in {wrong}.",
    ),
    "dmarc.monitoring-only": FindingCode(
        "The policy is none: receivers send reports, and deliver forged mail.",
        "RFC 9989 §5.1.7",
        "When the reports show all of your own mail as aligned, move on to p=quarantine.",
        verdict=Verdict.WARN,
        summary="DMARC of {domain} is in monitoring mode ({tag}=none at {record_at}): mail that forges it is still "
        "delivered.",
        remediation="Move on to p=quarantine once the reports show that your own mail passes.",
        variants={
            "no-reports": FindingText(
                verdict=Verdict.WARN,
                summary="DMARC of {domain} is in monitoring mode ({tag}=none at {record_at}), and no reports are sent: "
                "mail that forges it is still delivered.",
                remediation="Add rua=mailto:… with an address for reports, to see which mail passes before you set "
                "p=quarantine.",
            ),
            "no-p": FindingText(
                verdict=Verdict.WARN,
                summary="DMARC of {domain} is in monitoring mode: the record at {record_at} has no p, which receivers "
                "take as p=none.",
                remediation="Write p=none right after v=DMARC1; older receivers want it there. Move on to p=quarantine "
                "once the reports show that your own mail passes.",
            ),
        },
    ),
    "dmarc.testing": FindingCode(
        "The record is in test mode (t=y), so its policy is applied one level lower.",
        "RFC 9989 §4.7",
        verdict=Verdict.WARN,
        summary="DMARC of {domain} is in test mode (t=y at {record_at}): {tag}={policy} is applied as {effective}.",
        remediation="Remove t=y once the reports show that your own mail passes.",
    ),
    "dmarc.sp-none": FindingCode(
        "The domain is protected and its subdomains are not (sp=none).",
        "RFC 9989 §4.7",
        "Remove sp=none, or give it the policy of the domain.",
        verdict=Verdict.WARN,
        summary="{domain} is protected, but mail that forges one of its subdomains is delivered (sp=none at "
        "{record_at}).",
        remediation="Remove sp=none, or publish records for the subdomains that send mail.",
    ),
    "dmarc.partial": FindingCode(
        "The record has pct below 100: receivers by RFC 9989 ignore it, older ones spare a part of the mail.",
        "RFC 9989 §A.6",
        "Read the reports, then remove pct: without it the policy is in full force everywhere.",
        verdict=Verdict.WARN,
        summary="pct={percent} at {record_at} was removed in RFC 9989: new receivers ignore it and apply p={policy} to "
        "all mail, older ones to a part of it.",
        remediation="First see in the reports that your own mail passes: without pct, older receivers too apply "
        "p={policy} to all mail. Then remove pct; for a trial use t=y instead.",
        variants={
            "reject": FindingText(
                verdict=Verdict.WARN,
                summary="pct={percent} at {record_at} was removed in RFC 9989: new receivers ignore it and reject all "
                "mail that fails, older ones reject {percent} % of it and quarantine the rest.",
                remediation="First see in the reports that your own mail passes: removing pct switches p=reject fully "
                "on at older receivers. Then remove pct; for a trial use t=y instead.",
            )
        },
    ),
    "dmarc.removed-tag": FindingCode(
        "The record holds tags that RFC 9989 removed.",
        "RFC 9989 §C.5.2",
        "Remove the tags that the finding names.",
        verdict=Verdict.PASS,
        summary="The DMARC record at {record_at} holds {removed}, which RFC 9989 removed; it does no harm.",
    ),
    "dmarc.invalid-tag": FindingCode(
        "A tag has a value that DMARC does not know, so its default applies.",
        "RFC 9989 §4.7",
        "Correct the value, or remove the tag.",
        verdict=Verdict.WARN,
        summary="{part} in the DMARC record at {record_at} has no valid value, so receivers use the default of {tag}.",
        remediation="Correct the value of {tag}, or remove {tag}.",
    ),
    "dmarc.unknown-tag": FindingCode(
        "A part of the record is no tag of DMARC, so receivers ignore it.",
        "RFC 9989 §4.8",
        "Correct the spelling of the tag, or remove it.",
        verdict=Verdict.WARN,
        summary="{part} in the DMARC record at {record_at} is no tag of DMARC, so receivers ignore it.",
        remediation="Remove {part}, or correct its spelling.",
        variants={
            "misspelled": FindingText(
                verdict=Verdict.WARN,
                summary="{part} in the DMARC record at {record_at} is no tag of DMARC, so receivers ignore it.",
                remediation="Write {right} instead, if that is what it should say; else remove it.",
            ),
            "address": FindingText(
                verdict=Verdict.WARN,
                summary="{part} in the DMARC record at {record_at} stands after a semicolon, which ends the list of "
                "addresses, so it gets no reports.",
                remediation="Put a comma instead of the semicolon in front of {part}.",
            ),
        },
    ),
    "dmarc.report-address": FindingCode(
        "A report address is no mailto: URI, so no report comes to it.",
        "RFC 9989 §4.7, RFC 9990 §3",
        "Write mailto: in front of the address.",
        verdict=Verdict.WARN,
        summary="{part} in the DMARC record at {record_at} lacks mailto:, so no report is ever sent to it.",
        remediation="Write {right} instead.",
        variants={
            "empty": FindingText(
                verdict=Verdict.WARN,
                summary="{tag} in the DMARC record at {record_at} is empty, so no report is ever sent.",
                remediation="Write {tag}=mailto: and the address of a mailbox, or remove {tag}.",
            ),
            "broken": FindingText(
                verdict=Verdict.WARN,
                summary="{part} in the DMARC record at {record_at} is no address for reports, so none is sent to it.",
                remediation="Write mailto: and the address of a mailbox, with commas between several.",
            ),
        },
    ),
    "dmarc.report-undeliverable": FindingCode(
        "The host of a report address does not exist or takes no mail, so no report arrives.",
        "RFC 9990 §3",
        "Send the reports to a mailbox that exists.",
        verdict=Verdict.WARN,
        summary="No DMARC report for {domain} reaches {host}: that domain does not exist or takes no mail.",
        remediation="Name a mailbox of a domain that takes mail in rua and ruf at {record_at}.",
    ),
    "dmarc.receivers-differ": FindingCode(
        "Receivers by RFC 9989 (tree walk) and those by RFC 7489 (public suffix list) find different policies.",
        "RFC 9989 §4.10, RFC 7489 §3.2",
        "Publish the record at _dmarc of the registered domain.",
        verdict=Verdict.WARN,
        summary="Receivers do not agree on {domain}: those by RFC 9989 apply {policy} from {record_at}, older ones "
        "look at {older_at} and find {older}.",
        remediation="Publish a DMARC record of your own at _dmarc.{registered}.",
        variants={
            "registry": FindingText(
                verdict=Verdict.WARN,
                summary="The policy {policy} for {domain} is its registry's ({record_at}): only receivers by RFC 9989 "
                "or RFC 9091 apply it; older ones look at {older_at} and find {older}.",
                remediation="Publish a DMARC record of your own at _dmarc.{registered}; the record at {record_at} is "
                "the registry's business.",
            )
        },
    ),
    "dmarc.strict-alignment": FindingCode(
        "The record asks for strict alignment, so a subdomain does not count as the domain itself.",
        "RFC 9989 §4.7",
        verdict=Verdict.PASS,
        summary="Alignment is strict ({part} at {record_at}): the {identities} must be exactly the domain in From; "
        "that of a subdomain or of the parent domain does not pass.",
    ),
    "dmarc.policy-not-first": FindingCode(
        "The policy does not follow the version at once, as RFC 7489 wanted.",
        "RFC 7489 §6.3",
        verdict=Verdict.PASS,
        summary="p does not stand right after v=DMARC1 at {record_at}: RFC 9989 allows that, some older receivers "
        "ignore such a record.",
    ),
    "dmarc.report-unauthorised": FindingCode(
        "A domain that is to get the reports does not authorize them.",
        "RFC 9990 §3",
        "Let the receiving domain publish v=DMARC1 at the name that the finding gives, or send the reports elsewhere.",
        verdict=Verdict.WARN,
        summary="{hosts} does not authorize DMARC reports for {domain}, so receivers send it none.",
        remediation="Have this TXT record published: {report_name} with the text v=DMARC1",
    ),
    "dmarc.no-answer": FindingCode(
        "DNS did not answer, so it is not known which policy applies.",
        "RFC 9989 §4.10",
        verdict=Verdict.UNKNOWN,
        summary="DNS did not answer for the DMARC policy of {domain} ({reason}), so it is not known.",
        remediation="Check again in a few minutes.",
    ),
}
