"""Words of the findings that only the whole report can show."""

from __future__ import annotations

from collections.abc import Mapping

from bot.checks.finding_codes import FindingCode, FindingText
from bot.models import Verdict

UNNEEDED_TERM = "spf.unneeded-term"
OTHER_RETURN_PATH = "spf.other-return-path"
NO_SENDER = "spf.no-sender"
UNUSED_DOMAIN = "mx.unused"
CODES: Mapping[str, FindingCode] = {
    UNUSED_DOMAIN: FindingCode(
        "The domain has no mail server and sends no mail: SPF allows no sender, and DMARC rejects.",
        "RFC 7505 §4.2",
        "Nothing to do; a null MX would say the same to every sender at once.",
        verdict=Verdict.PASS,
        summary="{domain} takes no mail and sends none (v=spf1 -all, p=reject), as an unused domain should.",
    ),
    OTHER_RETURN_PATH: FindingCode(
        "The address is that of a service with a return path of its own, so this SPF record is not evaluated.",
        "RFC 7208 §2.4",
        "Sign with DKIM, so that the mail passes DMARC; do not list the address.",
        verdict=Verdict.WARN,
        summary=(
            "{ip} is one of {service}’s shared addresses, which use a return path of their own: receivers do not"
            " evaluate SPF of {domain} for its mail, and no DKIM key of {service} was seen."
        ),
        remediation="Turn on DKIM for {domain} in {console}, so that its mail passes DMARC. Do not list {ip} in SPF.",
        variants={
            "signed": FindingText(
                summary=(
                    "{ip} is one of {service}’s shared addresses, which use a return path of their own: receivers do"
                    " not evaluate SPF of {domain} for its mail. DKIM counts, and {selector} has its key."
                ),
                verdict=Verdict.PASS,
            )
        },
    ),
    UNNEEDED_TERM: FindingCode(
        "A term of the SPF record costs a DNS lookup and lets nobody pass who needs it.",
        "RFC 7208 §4.6.4",
        "Leave it, or remove it where DNS lookups run short and nothing else of yours sends by it.",
        verdict=Verdict.PASS,
        summary="{term} in the SPF record of {domain} is not needed: {why}.",
        remediation="It does no harm. Where DNS lookups run short, you can remove {term}.",
    ),
    NO_SENDER: FindingCode(
        "The SPF record allows no sender, while the domain has mail servers, so replies from its mailboxes fail.",
        "RFC 7208 §2.6.4",
        "List the servers that send for the domain, unless it only receives mail.",
        verdict=Verdict.WARN,
        summary="{domain} takes mail at {hosts}, but its SPF record allows no sender (v=spf1 -all): mail and replies "
        "from its mailboxes fail SPF.",
        remediation="If anybody sends mail as {domain}, list the servers or the service in its SPF record in front of "
        "-all; if the domain only receives, nothing is to be done.",
    ),
}
