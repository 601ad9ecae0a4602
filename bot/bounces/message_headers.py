"""Analyze pasted message headers: hops, egress address, authentication and alignment. Pure.

Input is untrusted and nothing is looked up. Only the topmost fields are from the reader's own
server; everything below may be forged, and the texts say so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.bounces.auth_results import Alignment, AuthenticationResults, check_alignment, parse_authentication_results
from bot.bounces.received import Hop, organization, parse_hops

MAX_CHARS = 256 * 1024
MAX_FIELDS = 1_000
FIELD = re.compile(r"^([!-9;-~]{1,76})[ \t]?:(.*)$")
ADDRESS_DOMAIN = re.compile(r"@([A-Za-z0-9.-]{1,253})")
# Start of a field in a header without line ends, which a command line removes.
FIELD_START = re.compile(
    r"(?<!\s)\s++(?=(?:received|authentication-results|return-path|delivered-to|dkim-signature|arc-[a-z-]{1,40}|from|to|cc"
    r"|subject|date|message-id|reply-to|mime-version|content-[a-z-]{1,40}|list-[a-z-]{1,40}|received-spf"
    r"|x-[a-z0-9-]{1,60}): )",
    re.IGNORECASE,
)
TAG = re.compile(r"(?:^|;)\s*([a-z]{1,10})\s*=\s*([^;]{0,2000})")

EGRESS_OWN_NAME = (
    "{ip} is where the message left: its name belongs to the sender's domain, and a server of {taker} took it there."
)
EGRESS_OTHER_NAME = (
    "{ip} is the last address that handed the message to another organisation ({taker}); its"
    " name is not of the "
    "sender's domain, as with a provider that sends for others."
)

Fields = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Egress:
    """The address where the message left its organization: the one receivers judge."""

    ip: str
    hop: int
    summary: str


@dataclass(frozen=True, slots=True)
class DkimSignature:
    """A DKIM signature (unverified): signing domain `d=`, selector, signed headers."""

    domain: str
    selector: str
    headers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Whether one-click unsubscribe (RFC 8058) works, and what is missing."""

    one_click: bool
    summary: str


@dataclass(frozen=True, slots=True)
class HeaderAnalysis:
    """Analysis of a message header: `hops` from the oldest to the newest, domains in lower case.

    `total_s` is the time from the first to the last hop, in seconds.
    """

    hops: tuple[Hop, ...]
    egress: Egress | None
    from_domain: str | None
    return_path_domain: str | None
    signatures: tuple[DkimSignature, ...]
    authentication: tuple[AuthenticationResults, ...]
    alignment: Alignment
    unsubscribe: Unsubscribe
    total_s: int | None


def analyze_headers(text: str) -> HeaderAnalysis:
    """Analyze pasted headers; text that is no header gives a result without hops."""
    fields = _parse_fields(text[:MAX_CHARS])
    hops = parse_hops(fields.get("received", ()))
    signatures = tuple(filter(None, map(_parse_signature, fields.get("dkim-signature", ())[:20])))
    from_domain = _address_domain(_last(fields, "from"))
    return_path = _address_domain(_last(fields, "return-path"))
    authentication = tuple(map(parse_authentication_results, fields.get("authentication-results", ())[:20]))
    return HeaderAnalysis(
        hops=hops,
        egress=_find_egress(hops, {organization(from_domain), organization(return_path)} - {None}),
        from_domain=from_domain,
        return_path_domain=return_path,
        signatures=signatures,
        authentication=authentication,
        alignment=check_alignment(
            from_domain, return_path, [signature.domain for signature in signatures], authentication
        ),
        unsubscribe=_unsubscribe(fields, signatures),
        total_s=_total_seconds(hops),
    )


def analysis_to_json(analysis: HeaderAnalysis) -> dict[str, Any]:
    """The analysis as a JSON object."""
    return {
        "hops": [_hop_json(hop) for hop in analysis.hops],
        "egress": {"ip": analysis.egress.ip, "hop": analysis.egress.hop, "says": analysis.egress.summary}
        if analysis.egress
        else None,
        "from": analysis.from_domain,
        "return_path": analysis.return_path_domain,
        "signatures": [
            {"domain": signature.domain, "selector": signature.selector} for signature in analysis.signatures
        ],
        "authentication": [
            {"by": field.authserv_id, **{result.method: result.result for result in field.results}}
            for field in analysis.authentication
        ],
        "aligned": {"spf": analysis.alignment.spf, "dkim": analysis.alignment.dkim},
        "says": analysis.alignment.summary,
        "one_click": analysis.unsubscribe.one_click,
        "total_s": analysis.total_s,
    }


def _hop_json(hop: Hop) -> dict[str, Any]:
    return {
        "from": hop.resolved or hop.name,
        "ip": str(hop.ip) if hop.ip else None,
        "by": hop.by,
        "with": hop.protocol,
        "encrypted": hop.encrypted,
        "at": hop.at.isoformat() if hop.at else None,
        "delay_s": hop.delay_s,
    }


def _parse_fields(text: str) -> dict[str, list[str]]:
    """Unfolded field values by lower-case name; an empty line after a field ends the header."""
    fields: dict[str, list[list[str]]] = {}
    values: list[list[str]] | None = None
    lines = text.strip().splitlines()
    for line in lines[: MAX_FIELDS * 20] if len(lines) > 1 else FIELD_START.split(text.strip()):
        if not line.strip():
            if fields:
                break
        elif line[0] in " \t" and values:
            values[-1].append(line.strip())
        elif match := FIELD.match(line):
            values = fields.setdefault(match[1].lower(), [])
            values.append([match[2].strip()])
    return {name: [" ".join(parts) for parts in values] for name, values in fields.items()}


def _find_egress(hops: Sequence[Hop], own_orgs: set[str | None]) -> Egress | None:
    """The last hop out of the sender's organization, else the last hop between any two."""
    crossings = [
        (index, hop)
        for index, hop in enumerate(hops)
        if hop.is_public
        and hop.receiver_organization
        and hop.sender_organization != hop.receiver_organization
        and not hop.submitted
    ]
    from_own = [(index, hop) for index, hop in crossings if hop.sender_organization in own_orgs]
    for index, hop in reversed(from_own or crossings):
        template = EGRESS_OWN_NAME if from_own else EGRESS_OTHER_NAME
        return Egress(str(hop.ip), index, template.format(ip=hop.ip, taker=hop.receiver_organization))
    return None


def _parse_signature(value: str) -> DkimSignature | None:
    tags = {match[1]: "".join(match[2].split()) for match in TAG.finditer(value[:MAX_CHARS])}
    domain = tags.get("d", "").lower()
    if not ADDRESS_DOMAIN.fullmatch(f"@{domain}"):
        return None
    return DkimSignature(domain, tags.get("s", "")[:255], tuple(tags.get("h", "").lower().split(":")[:200]))


def _address_domain(value: str) -> str | None:
    """The domain of the last address in a field: display names come before it and may hold an @."""
    domains = ADDRESS_DOMAIN.findall(value[:MAX_CHARS])
    return domains[-1].lower().strip(".") or None if domains else None


def _last(fields: Fields, name: str) -> str:
    values = fields.get(name, ())
    return values[-1] if values else ""


def _unsubscribe(fields: Fields, signatures: Sequence[DkimSignature]) -> Unsubscribe:
    links, post = _last(fields, "list-unsubscribe"), _last(fields, "list-unsubscribe-post")
    signed = any({"list-unsubscribe", "list-unsubscribe-post"} <= set(signature.headers) for signature in signatures)
    if not links:
        return Unsubscribe(False, "There is no List-Unsubscribe header; Gmail and Yahoo want one in marketing mail.")
    if "<https://" not in links.lower():
        return Unsubscribe(False, "List-Unsubscribe has no https link; one-click needs one (RFC 8058).")
    if post.replace(" ", "").lower() != "list-unsubscribe=one-click":
        return Unsubscribe(False, "List-Unsubscribe-Post: List-Unsubscribe=One-Click is missing (RFC 8058).")
    if not signed:
        return Unsubscribe(False, "Both unsubscribe headers are there, but no DKIM signature covers them (RFC 8058).")
    return Unsubscribe(True, "One click leaves the list, and a DKIM signature covers both headers (RFC 8058).")


def _total_seconds(hops: Sequence[Hop]) -> int | None:
    times = [hop.at for hop in hops if hop.at]
    return int((times[-1] - times[0]).total_seconds()) if len(times) > 1 else None
