"""Words of the DMARC check: one row per finding code.

Placeholders: {domain}, {registered} (its organizational domain), {record_at}, {several_at}, {tag} and {policy} that
apply, {effective} (the policy under t=y), {wrong} and {removed} (tags), {percent}, {hosts} and {report_name} (of
external reports), {reason} (why DNS did not answer).
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
        summary="The DMARC record at {record_at} has no valid policy, so receivers ignore it.",
        remediation="Set p to none, quarantine or reject in that record.",
    ),
    "dmarc.no-policy": FindingCode(
        "The record has no valid policy, so it counts as p=none.",
        "RFC 9989 §4.10.1",
        "Set p to none, quarantine or reject in the record.",
        verdict=Verdict.FAIL,
        summary="The DMARC record at {record_at} has a missing or invalid policy ({wrong}), so receivers take it as "
        "p=none.",
        remediation="Set {wrong} to none, quarantine or reject in that record.",
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
            )
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
        "Remove pct.",
        verdict=Verdict.WARN,
        summary="pct={percent} at {record_at} was removed in RFC 9989: new receivers ignore it, older ones still use "
        "it.",
        remediation="Remove pct; for a trial use t=y instead.",
    ),
    "dmarc.removed-tag": FindingCode(
        "The record holds tags that RFC 9989 removed.",
        "RFC 9989 §C.5.2",
        "Remove the tags that the finding names.",
        verdict=Verdict.PASS,
        summary="The DMARC record at {record_at} holds {removed}, which RFC 9989 removed; it does no harm.",
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
