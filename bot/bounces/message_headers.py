"""A pasted header, explained: the way of the message, the address that left its organisation, and who vouches for it.

Pure and made for hostile input: nothing is looked up, nothing in the text is believed further than it goes. Only the
topmost lines were written by the reader's own server; everything below may be forged, and the sentences say so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.bounces.auth_results import Alignment, Authentication, align, read_authentication
from bot.bounces.received import Hop, organisation, read_hops

MOST_CHARACTERS = 256 * 1024
MOST_FIELDS = 1_000
FIELD = re.compile(r"^([!-9;-~]{1,76})[ \t]?:(.*)$")
DOMAIN_OF = re.compile(r"@([A-Za-z0-9.-]{1,253})")
# Where a field begins in a header that lost its line ends, as a chat's command line takes them away.
FIELD_BEGINS = re.compile(
    r"\s+(?=(?:received|authentication-results|return-path|delivered-to|dkim-signature|arc-[a-z-]{1,40}|from|to|cc"
    r"|subject|date|message-id|reply-to|mime-version|content-[a-z-]{1,40}|list-[a-z-]{1,40}|received-spf"
    r"|x-[a-z0-9-]{1,60}): )",
    re.IGNORECASE,
)
TAG = re.compile(r"(?:^|;)\s*([a-z]{1,10})\s*=\s*([^;]{0,2000})")

LEFT_BY_OWN_NAME = (
    "{ip} is where the message left: its name belongs to the sender's domain, and a server of {taker} took it there."
)
LEFT_BY_ANOTHER_NAME = (
    "{ip} is the last address that handed the message to another organisation ({taker}); its name is not of the "
    "sender's domain, as with a provider that sends for others."
)

Fields = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Egress:
    """The address that left the organisation: the one that receivers judge. `says` tells how it was found."""

    ip: str
    hop: int
    says: str


@dataclass(frozen=True, slots=True)
class Signature:
    """One DKIM signature: who signs (`d=`), with which selector, over which headers. Nobody verified it here."""

    domain: str
    selector: str
    headers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Whether one click leaves the list (RFC 8058), and what is missing for it."""

    one_click: bool
    says: str


@dataclass(frozen=True, slots=True)
class Path:
    """What a header tells: `hops` from the oldest to the newest, domains in lower case, None where there is none."""

    hops: tuple[Hop, ...]
    egress: Egress | None
    from_domain: str | None
    return_path_domain: str | None
    signatures: tuple[Signature, ...]
    authentication: tuple[Authentication, ...]
    alignment: Alignment
    unsubscribe: Unsubscribe
    total_s: int | None


def read_headers(text: str) -> Path:
    """What a pasted header tells; text that is no header gives a path without hops."""
    fields = _fields(text[:MOST_CHARACTERS])
    hops = read_hops(fields.get("received", ()))
    signatures = tuple(filter(None, map(_signature, fields.get("dkim-signature", ())[:20])))
    from_domain = _domain(_last(fields, "from"))
    return_path = _domain(_last(fields, "return-path"))
    authentication = tuple(map(read_authentication, fields.get("authentication-results", ())[:20]))
    return Path(
        hops=hops,
        egress=_egress(hops, {organisation(from_domain), organisation(return_path)} - {None}),
        from_domain=from_domain,
        return_path_domain=return_path,
        signatures=signatures,
        authentication=authentication,
        alignment=align(from_domain, return_path, [signature.domain for signature in signatures], authentication),
        unsubscribe=_unsubscribe(fields, signatures),
        total_s=_total(hops),
    )


def path_to_json(path: Path) -> dict[str, Any]:
    """The path as plain values."""
    return {
        "hops": [_hop_json(hop) for hop in path.hops],
        "egress": {"ip": path.egress.ip, "hop": path.egress.hop, "says": path.egress.says} if path.egress else None,
        "from": path.from_domain,
        "return_path": path.return_path_domain,
        "signatures": [{"domain": signed.domain, "selector": signed.selector} for signed in path.signatures],
        "authentication": [
            {"by": seen.by, **{result.method: result.result for result in seen.results}} for seen in path.authentication
        ],
        "aligned": {"spf": path.alignment.spf, "dkim": path.alignment.dkim},
        "says": path.alignment.says,
        "one_click": path.unsubscribe.one_click,
        "total_s": path.total_s,
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


def _fields(text: str) -> dict[str, list[str]]:
    """The fields by lower-case name, in their order, unfolded; the first empty line after a field ends the header."""
    fields: dict[str, list[str]] = {}
    values: list[str] | None = None
    lines = text.strip().splitlines()
    for line in lines[: MOST_FIELDS * 20] if len(lines) > 1 else FIELD_BEGINS.split(text.strip()):
        if not line.strip():
            if fields:
                break
        elif line[0] in " \t" and values:
            values[-1] = f"{values[-1]} {line.strip()}"[:MOST_CHARACTERS]
        elif match := FIELD.match(line):
            values = fields.setdefault(match[1].lower(), [])
            values.append(match[2].strip())
    return fields


def _egress(hops: Sequence[Hop], own: set[str | None]) -> Egress | None:
    """The last handing over from the sender's organisation to another; failing that, the last to any other at all."""
    crossings = [
        (place, hop)
        for place, hop in enumerate(hops)
        if hop.public and hop.taken_by and hop.handed_by != hop.taken_by and not hop.submitted
    ]
    ours = [(place, hop) for place, hop in crossings if hop.handed_by in own]
    for place, hop in reversed(ours or crossings):
        template = LEFT_BY_OWN_NAME if ours else LEFT_BY_ANOTHER_NAME
        return Egress(str(hop.ip), place, template.format(ip=hop.ip, taker=hop.taken_by))
    return None


def _signature(value: str) -> Signature | None:
    tags = {match[1]: "".join(match[2].split()) for match in TAG.finditer(value[:MOST_CHARACTERS])}
    domain = tags.get("d", "").lower()
    if not DOMAIN_OF.fullmatch(f"@{domain}"):
        return None
    return Signature(domain, tags.get("s", "")[:255], tuple(tags.get("h", "").lower().split(":")[:200]))


def _domain(value: str) -> str | None:
    """The domain of the last address in a field: display names come before the address, and may hold an @ too."""
    found = DOMAIN_OF.findall(value[:MOST_CHARACTERS])
    return found[-1].lower().strip(".") or None if found else None


def _last(fields: Fields, name: str) -> str:
    values = fields.get(name, ())
    return values[-1] if values else ""


def _unsubscribe(fields: Fields, signatures: Sequence[Signature]) -> Unsubscribe:
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


def _total(hops: Sequence[Hop]) -> int | None:
    moments = [hop.at for hop in hops if hop.at]
    return int((moments[-1] - moments[0]).total_seconds()) if len(moments) > 1 else None
