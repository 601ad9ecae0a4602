"""Words about sender requirements: one row per finding code, and what each rule asks for.

Placeholders: {name} of the receiver, {bulk} (its bulk senders), {why} (phrases of the rules that decide).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bot.checks.finding_codes import FindingCode
from bot.models import Verdict

SOURCES = (
    "[Gmail](https://support.google.com/a/answer/81126),"
    " [Yahoo](https://senders.yahooinc.com/best-practices/),"
    " [Outlook.com](https://sendersupport.olc.protection.outlook.com/pm/)"
)
CHECK_AGAIN = "Check again in a few minutes."

# The remediation is that of the worst finding behind the result; the one here is for a result without any.
CODES: Mapping[str, FindingCode] = {
    "senders.would-take": FindingCode(
        "No finding breaks a rule of the receiver.",
        SOURCES,
        verdict=Verdict.PASS,
        summary="{name}: no problem found in what can be checked from outside.",
    ),
    "senders.would-refuse": FindingCode(
        "The mail breaks a rule that the receiver requires of every sender.",
        SOURCES,
        "Fix the rule that the finding names; its reply codes are those in the bounces.",
        verdict=Verdict.FAIL,
        summary="{name} is likely to reject this mail: {why}.",
    ),
    "senders.would-refuse-bulk": FindingCode(
        "The mail breaks a rule that the receiver requires of bulk senders.",
        SOURCES,
        "Fix the rule that the finding names before you send in bulk.",
        verdict=Verdict.WARN,
        summary="{name} is likely to reject this mail from {bulk}: {why}.",
    ),
    "senders.may-refuse": FindingCode(
        "The mail breaks a rule that lowers its reputation with the receiver.",
        SOURCES,
        "Fix the rule that the finding names.",
        verdict=Verdict.WARN,
        summary="{name} may reject this mail or mark it as spam: {why}.",
    ),
    "senders.not-known": FindingCode(
        "Something that the receiver requires could not be checked.",
        SOURCES,
        CHECK_AGAIN,
        verdict=Verdict.UNKNOWN,
        summary="{name}: not known whether it accepts this mail; not checked: {why}.",
        remediation=CHECK_AGAIN,
    ),
}


class RuleText(NamedTuple):
    """Phrases about a rule: what it asks for, and what is wrong where it is broken."""

    label: str
    violation: str = ""


RULE_TEXTS: Mapping[str, RuleText] = {
    "reverse-name": RuleText(
        "a PTR record that resolves back to the address (FCrDNS)",
        "the address has no PTR record that resolves back to it",
    ),
    "spf-or-dkim": RuleText("SPF or DKIM that passes", "neither SPF nor DKIM passes"),
    "spf": RuleText("SPF that passes", "SPF does not pass"),
    "dkim": RuleText("DKIM that passes", "DKIM does not pass"),
    "dkim-key": RuleText("DKIM keys of at least 1024 bits", "a DKIM key is too short"),
    "dmarc": RuleText("a DMARC record, p=none at least", "there is no valid DMARC record"),
    "helo": RuleText("a HELO name that resolves to an address", "the HELO name does not resolve"),
    "lists": RuleText(
        "an address and a domain on no large blocklist", "a large blocklist lists the address or the domain"
    ),
    "alignment": RuleText("a From domain aligned with SPF or DKIM"),
    "tls": RuleText("delivery over TLS"),
    "spam-rate": RuleText("less than 0.3 % of the mail reported as spam"),
    "unsubscribe": RuleText("one-click unsubscribe in marketing mail (RFC 8058)"),
    "format": RuleText("messages in the format of RFC 5322"),
}
BULK_SENDERS: Mapping[str, str] = {
    "gmail": "a sender of more than 5,000 mails a day",
    "yahoo": "a bulk sender",
    "microsoft": "a sender of more than 5,000 mails a day",
}
EITHER_REPLY = " or "
