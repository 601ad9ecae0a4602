"""Analyze pasted message headers: hops, egress address, authentication and alignment. Pure.

Input is untrusted and nothing is looked up. Only what the reader's own servers wrote is proven; the
rest may be forged, and the texts say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.bounces.auth_results import (
    Alignment,
    AuthenticationResults,
    check_alignment,
    parse_authentication_results,
    parse_received_spf,
)
from bot.bounces.bounce_text import restore_text
from bot.bounces.mail_route import Border, find_author_hop, find_border, operator_of
from bot.bounces.received import Hop, organization, parse_hops

MAX_CHARS = 256 * 1024
MAX_FIELDS = 1_000
FIELD = re.compile(r"^([!-9;-~]{1,76})[ \t]?:(.*)$")
ADDRESS_DOMAIN = re.compile(r"@([\w.-]{1,253})")
ARC_INSTANCE = re.compile(r"\A\s*i=\d{1,3};")
HEADER_NAMES = frozenset(("received", "from", "subject", "message-id", "return-path", "authentication-results"))
MICROSOFT = "Microsoft"
DOUBLE_SPACED_LINES, MIN_DOUBLE_SPACED = 60, 8
# Start of a field in a header without line ends, which chat command lines remove.
FIELD_START = re.compile(
    r"(?<!\s)\s++(?=(?:received|authentication-results|return-path|delivered-to|dkim-signature|arc-[a-z-]{1,40}|from|to|cc"
    r"|subject|date|message-id|reply-to|mime-version|content-[a-z-]{1,40}|list-[a-z-]{1,40}|received-spf"
    r"|x-[a-z0-9-]{1,60}): )",
    re.IGNORECASE,
)
TAG = re.compile(r"(?:^|;)\s*([a-z]{1,10})\s*=\s*([^;]{0,2000})")

EGRESS = "{ip} is the address that {taker} saw the message come from: receivers check this one."
EGRESS_BEHIND_GATEWAY = "{ip} is the address that {gateway}, the filter before the mailbox, saw the message come from."
EGRESS_AUTHOR = "{ip} is the author's egress as {forwarder} recorded it; the receiving server did not see it itself."
EGRESS_INSIDE = "{ip} handed the message over inside {taker}; it never crossed to another organization."
LAST_HOP = "{ip} ({forwarder}) forwarded the message and is the last hop: SPF was checked for it, not for the author."
RECEIVED_SPF = "received-spf"
OWN_RESULTS = ("authentication-results", RECEIVED_SPF)
RESULT_FIELDS = (*OWN_RESULTS, "arc-authentication-results")
SRS = re.compile(r"SRS[01][=+-]", re.IGNORECASE)
FORWARDED_BY_GMAIL = "+caf_="
GOOGLE, GOOGLE_GROUP = "Google", "+bnc"
LIST_FIELDS = ("list-id", "list-post", "mailing-list", "x-mailman-version", "x-google-group-id")


@dataclass(frozen=True, slots=True)
class Egress:
    """The address where the message left its organization: the one that receivers check."""

    ip: str
    hop: int
    summary: str


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of a header by lower-case name, unfolded, and each with its place, in order."""

    values: Mapping[str, Sequence[str]]
    order: Sequence[tuple[str, str]]

    def last(self, name: str) -> str:
        """The last value of a field, or an empty string."""
        values = self.values.get(name, ())
        return values[-1] if values else ""


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

    `last_hop` is the forwarder or mailing list that sent the message on, if `egress` is its author's;
    `border` is the oldest hop that the receiving organization wrote: those before it are claims.
    `authentication` are all results, trusted or not. `total_s` is the time from the first to the last
    hop, in seconds.
    """

    is_header: bool
    hops: tuple[Hop, ...]
    border: int | None
    egress: Egress | None
    last_hop: Egress | None
    from_domain: str | None
    return_path_domain: str | None
    signatures: tuple[DkimSignature, ...]
    authentication: tuple[AuthenticationResults, ...]
    alignment: Alignment
    unsubscribe: Unsubscribe
    total_s: int | None


def analyze_headers(text: str) -> HeaderAnalysis:
    """Analyze pasted headers; text that is no header gives a result without hops."""
    header = _parse_header(text[:MAX_CHARS])
    hops = parse_hops(header.values.get("received", ()))
    border = find_border(hops, frozenset(header.values))
    signatures = tuple(filter(None, map(_parse_signature, header.values.get("dkim-signature", ())[:20])))
    from_domain = _address_domain(header.last("from"))
    authentication = tuple(_authentication(header, border, len(hops)))
    egress, last_hop = _find_egress(header, hops, border, _envelope_domain(header, authentication))
    return HeaderAnalysis(
        is_header=bool(header.values.keys() & HEADER_NAMES),
        hops=hops,
        border=border.hop,
        egress=egress,
        last_hop=last_hop,
        from_domain=from_domain,
        return_path_domain=_address_domain(header.last("return-path")),
        signatures=signatures,
        authentication=authentication,
        alignment=check_alignment(from_domain, [field for field in authentication if field.is_trusted]),
        unsubscribe=_unsubscribe(header, signatures),
        total_s=_total_seconds(hops),
    )


def analysis_to_json(analysis: HeaderAnalysis) -> dict[str, Any]:
    """The analysis as a JSON object."""
    return {
        "hops": [_hop_json(hop) for hop in analysis.hops],
        "egress": {"ip": analysis.egress.ip, "hop": analysis.egress.hop, "says": analysis.egress.summary}
        if analysis.egress
        else None,
        "last_hop": {"ip": analysis.last_hop.ip, "hop": analysis.last_hop.hop, "says": analysis.last_hop.summary}
        if analysis.last_hop
        else None,
        "from": analysis.from_domain,
        "return_path": analysis.return_path_domain,
        "signatures": [
            {"domain": signature.domain, "selector": signature.selector} for signature in analysis.signatures
        ],
        "authentication": [
            {
                "by": field.authserv_id,
                "trusted": field.is_trusted,
                **{result.method: result.result for result in field.results},
            }
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


def _parse_header(text: str) -> Header:
    """The first header in the text that has Received fields, else the first fields."""
    lines = restore_text(text.splitlines()).split("\n")
    blank = sum(not line.strip() for line in lines[:DOUBLE_SPACED_LINES])
    if len(lines) > MIN_DOUBLE_SPACED and blank * 2 >= min(len(lines), DOUBLE_SPACED_LINES) - 1:
        lines = [line for line in lines if line.strip()]
    if len(lines) <= 1:
        lines = FIELD_START.split(lines[0].strip()) if lines else []
    blocks = [block for block in _blocks(lines[: MAX_FIELDS * 20]) if block]
    chosen = next((block for block in blocks if any(name == "received" for name, _ in block)), None)
    order = chosen or (blocks[0] if blocks else [])
    values: dict[str, list[str]] = {}
    for name, value in order:
        values.setdefault(name, []).append(value)
    return Header(values, order)


def _blocks(lines: Sequence[str]) -> Iterator[list[tuple[str, str]]]:
    """The fields of each part of the text between blank lines, unfolded."""
    fields: list[tuple[str, list[str]]] = []
    for line in (*lines, ""):
        if not line.strip():
            yield [(name, " ".join(parts).strip()) for name, parts in fields]
            fields = []
        elif line[0] in " \t" and fields:
            fields[-1][1].append(line.strip())
        elif match := FIELD.match(line):
            fields.append((match[1].lower(), [match[2].strip()]))
        elif fields:  # the indent of a folded line was lost
            fields[-1][1].append(line.strip())


def _authentication(header: Header, border: Border, hops: int) -> Iterator[AuthenticationResults]:
    """All results. Trusted are those of the receiving organization, above the first hop that others wrote.

    Behind a gateway none are: its address was checked, not the sender's. A server writes on top, so
    a result below another one of the same method is not its own.
    """
    received = 0
    checked: set[str] = set()
    for name, value in header.order:
        if name == "received":
            received += 1
        elif name in RESULT_FIELDS:
            parse = parse_received_spf if name == RECEIVED_SPF else parse_authentication_results
            field = parse(ARC_INSTANCE.sub("", value, count=1))
            below = received - hops + (border.hop or 0)  # 0: between the border's hop and what the sender wrote
            is_own = _is_own(field, border) if field.authserv_id else below < 0 and MICROSOFT in border.organizations
            is_trusted = (
                name in OWN_RESULTS
                and border.hop is not None
                and border.gateway is None
                and below <= 0
                and is_own
                and checked.isdisjoint(result.method for result in field.results)
                and not (below == 0 and _is_spf_claim(name, field))
            )
            if is_trusted:
                checked.update(result.method for result in field.results)
            yield replace(field, is_trusted=is_trusted)


def _is_own(field: AuthenticationResults, border: Border) -> bool:
    return operator_of(organization(field.authserv_id)) in border.organizations


def _is_spf_claim(name: str, field: AuthenticationResults) -> bool:
    """Whether a sender gains by writing this Received-SPF on top of its own fields: no server removes those."""
    return name == RECEIVED_SPF and any(result.result == "pass" for result in field.results)


def _envelope_domain(header: Header, authentication: Sequence[AuthenticationResults]) -> str | None:
    """The domain of the envelope sender: of Return-Path, else the one that the receiver evaluated SPF for."""
    checked = (r.domain for field in authentication if field.is_trusted for r in field.results if r.method == "spf")
    return _address_domain(header.last("return-path")) or next(checked, None)


def _find_egress(
    header: Header, hops: Sequence[Hop], border: Border, envelope_domain: str | None
) -> tuple[Egress | None, Egress | None]:
    """The egress, and the last hop where that is a forwarder or a mailing list."""
    if border.hop is None:
        return _egress_inside(hops), None
    hop = hops[border.hop]
    if hop.submitted or hop.ip is None:
        return None, None
    forwarder = _forwarder(header, hop, envelope_domain)
    author = find_author_hop(hops, border.hop, forwarder) if forwarder else None
    if forwarder and author is not None:
        return (
            Egress(str(hops[author].ip), author, EGRESS_AUTHOR.format(ip=hops[author].ip, forwarder=forwarder)),
            Egress(str(hop.ip), border.hop, LAST_HOP.format(ip=hop.ip, forwarder=forwarder)),
        )
    template = EGRESS_BEHIND_GATEWAY if border.gateway else EGRESS
    taker = hop.receiver_organization or "the receiving server"
    return Egress(str(hop.ip), border.hop, template.format(ip=hop.ip, taker=taker, gateway=border.gateway)), None


def _egress_inside(hops: Sequence[Hop]) -> Egress | None:
    """The first public server of a message that stayed inside one organization."""
    for index, hop in enumerate(hops):
        if hop.is_public and hop.receiver_organization and not hop.submitted:
            return Egress(str(hop.ip), index, EGRESS_INSIDE.format(ip=hop.ip, taker=hop.receiver_organization))
    return None


def _forwarder(header: Header, hop: Hop, envelope_domain: str | None) -> str | None:
    """The organization that forwarded the message: a rewritten return path, or a list's fields, and its own server."""
    return_path = header.last("return-path").strip("<> ")
    is_rewritten = bool(SRS.match(return_path)) or FORWARDED_BY_GMAIL in return_path
    if not is_rewritten and not any(name in header.values for name in LIST_FIELDS):
        return None
    sender = operator_of(organization(hop.resolved) or organization(hop.name))
    if sender == GOOGLE and GOOGLE_GROUP in return_path.lower():
        return sender
    return sender if sender and sender == operator_of(organization(envelope_domain)) else None


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


def _unsubscribe(header: Header, signatures: Sequence[DkimSignature]) -> Unsubscribe:
    links, post = header.last("list-unsubscribe"), header.last("list-unsubscribe-post")
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
