"""Words of the BIMI check: one row per finding code, and why a record, policy or logo does not do.

Placeholders: {domain}, {record_at}, {problem} (a phrase below, or why something was not fetched).
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.checks.finding_codes import FindingCode
from bot.models import Verdict

BIMI_DRAFT = "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)"

CODES: Mapping[str, FindingCode] = {
    "bimi.ok": FindingCode(
        "The domain has a logo with a certificate, and a DMARC policy under which it is shown.",
        BIMI_DRAFT,
        verdict=Verdict.PASS,
        summary="{domain} has a logo with a certificate, and its DMARC policy allows clients to show it.",
    ),
    "bimi.no-certificate": FindingCode(
        "The domain has a logo without a certificate, so Gmail and Apple Mail do not show it.",
        BIMI_DRAFT,
        "Get a certificate for the logo (VMC or CMC) and name it in a=.",
        verdict=Verdict.PASS,
        summary="{domain} has a logo without a certificate (a=): Yahoo and Fastmail show it, Gmail and Apple Mail do "
        "not.",
    ),
    "bimi.missing": FindingCode(
        "The domain has no BIMI record, so mail clients show no logo of it.",
        BIMI_DRAFT,
        verdict=Verdict.PASS,
        summary="{domain} has no BIMI record, so its mail is shown without a logo.",
    ),
    "bimi.declined": FindingCode(
        "The domain asks for no logo (empty l= and a=).",
        BIMI_DRAFT,
        verdict=Verdict.PASS,
        summary="{domain} asks clients to show its mail without a logo (empty l= and a=).",
    ),
    "bimi.several": FindingCode(
        "There is more than one BIMI record at one name, so receivers use none.",
        BIMI_DRAFT,
        verdict=Verdict.WARN,
        summary="There is more than one BIMI record at {record_at}, so no logo is shown.",
        remediation="Leave one of the records and remove the others.",
    ),
    "bimi.bad-record": FindingCode(
        "The BIMI record breaks the format of the draft, so receivers show no logo.",
        BIMI_DRAFT,
        "Publish a record of the form v=BIMI1; l=https://…",
        verdict=Verdict.WARN,
        summary="The BIMI record at {record_at} is invalid, so no logo is shown: {problem}.",
        remediation="Publish it in the form v=BIMI1; l=https://…; a=https://…",
    ),
    "bimi.not-enforced": FindingCode(
        "The DMARC policy is too weak for a logo: it has to be quarantine or reject, for all mail.",
        BIMI_DRAFT,
        "Raise the DMARC policy to quarantine or reject, for subdomains too.",
        verdict=Verdict.WARN,
        summary="The logo of {domain} is not shown, because {problem}.",
        remediation="Set the DMARC policy to quarantine or reject for all mail, once the reports show that your own "
        "mail passes.",
    ),
    "bimi.bad-logo": FindingCode(
        "The logo does not follow SVG Tiny Portable/Secure or the limits of BIMI.",
        "[SVG Tiny PS draft](https://datatracker.ietf.org/doc/draft-svg-tiny-ps-abrotman/)",
        "Save the logo as SVG Tiny Portable/Secure, square and at most 32 kB.",
        verdict=Verdict.WARN,
        summary="Mail clients reject the logo of {domain}: it {problem}.",
        remediation="Save the logo again as SVG Tiny PS, square and below 32 KB.",
    ),
    "bimi.no-logo": FindingCode(
        "The logo could not be fetched.",
        BIMI_DRAFT,
        "Serve the logo over https at the address in l=.",
        verdict=Verdict.UNKNOWN,
        summary="The logo of {domain} could not be fetched ({problem}), so it is not known whether it can be shown.",
        remediation="Open the address in l= from outside your network, then check again.",
    ),
    "bimi.no-answer": FindingCode(
        "DNS did not answer for the BIMI record or for the DMARC policy.",
        BIMI_DRAFT,
        verdict=Verdict.UNKNOWN,
        summary="DNS did not answer for BIMI of {domain} ({problem}), so it is not known whether its logo is shown.",
        remediation="Check again in a few minutes.",
    ),
}
RECORD_PROBLEMS: Mapping[str, str] = {
    "tag": "one of its parts is not of the form tag=value",
    "duplicate": "it has {tag}= twice",
    "no-location": "it does not say where the logo is (l=)",
    "not-a-url": "{tag}= is not a URL",
    "not-https": "{tag}= must start with https://",
    "host": "{tag}= must name one full host",
}
POLICY_WEAKNESSES: Mapping[str, str] = {
    "missing": "no DMARC policy applies to it",
    "monitoring": "its DMARC policy is in monitoring mode (p=none)",
    "subdomains": "its DMARC policy leaves out subdomains (sp=none)",
    "percent": "its DMARC policy applies to a part of the mail only (pct)",
}
LOGO_PROBLEMS: Mapping[str, str] = {  # each follows “it”
    "size": "is larger than 32 KB",
    "doctype": "has a DOCTYPE or entities",
    "xml": "is not well-formed XML",
    "not-svg": "is not an SVG picture",
    "version": 'is not marked version="1.2"',
    "profile": 'is not marked baseProfile="tiny-ps"',
    "title": "has no title",
    "position": "has x or y on its svg element",
    "square": "is not square",
    "events": "has event handlers",
    "external": "refers to something outside itself",
    "instructions": "has processing instructions",
    "element": "has the element {element}, which the profile does not allow",
}
NEXT_LOGO_PROBLEM = ", and it "
