"""Words of the findings that only the whole report can show."""

from __future__ import annotations

from collections.abc import Mapping

from bot.checks.finding_codes import FindingCode
from bot.models import Verdict

UNNEEDED_TERM = "spf.unneeded-term"
CODES: Mapping[str, FindingCode] = {
    UNNEEDED_TERM: FindingCode(
        "A term of the SPF record costs a DNS lookup and lets nobody pass who needs it.",
        "RFC 7208 §4.6.4",
        "Leave it, or remove it where DNS lookups run short and nothing else of yours sends by it.",
        verdict=Verdict.PASS,
        summary="{term} in the SPF record of {domain} is not needed: {why}.",
        remediation="It does no harm. Where DNS lookups run short, you can remove {term}.",
    )
}
