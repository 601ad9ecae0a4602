"""Authentication-Results (RFC 8601) and DMARC alignment with the From domain."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.bounces.received import organization

MAX_CHARS = 8_000
MAX_RESULTS = 30
COMMENT = re.compile(r"\([^()]{0,1000}\)")
RESULT = re.compile(r"^\s*([a-z][a-z0-9-]{1,30})\s*=\s*([a-z]{2,20})\b", re.IGNORECASE)
PROPERTY = re.compile(
    r"\b(smtp\.mailfrom|smtp\.helo|header\.d|header\.from|header\.i)\s*=\s*\"?@?([^\s;\"]{1,320})", re.IGNORECASE
)
RECEIVED_SPF = re.compile(r"\s*([A-Za-z]{4,9})\b")
RECEIVED_SPF_FIELD = re.compile(r"\b(receiver|envelope-from|identity)=\"?<?([^\s;\"<>]{1,320})", re.IGNORECASE)
RECEIVED_SPF_SERVER = re.compile(r"\(([A-Za-z0-9.-]{1,253}): ")
SERVER_NAME = re.compile(r"[A-Za-z0-9._-]+")
DOMAIN = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_-]{1,63}\.)+[a-z0-9-]{1,63}")
KNOWN_METHODS = ("spf", "dkim", "dmarc", "arc", "compauth", "iprev", "bimi")
KNOWN_RESULTS = (
    "pass",
    "fail",
    "softfail",
    "neutral",
    "none",
    "temperror",
    "permerror",
    "policy",
    "bestguesspass",
    "hardfail",
    "declined",
)

# What a result means for the message; {domain} is the domain that was checked.
MEANINGS = {
    ("spf", "pass"): "SPF passed: {domain} permits the address that handed the message over.",
    ("spf", "fail"): "SPF failed: {domain} says that this address must not send for it.",
    ("spf", "softfail"): "SPF failed softly: {domain} does not list this address, and asks only for suspicion.",
    ("spf", "neutral"): "SPF says nothing: {domain} does not want to speak about this address.",
    ("spf", "none"): "SPF is missing: {domain} publishes no record.",
    ("spf", "temperror"): "SPF could not be checked: DNS gave no answer in time.",
    ("spf", "permerror"): "SPF is broken: the record of {domain} has an error, and counts as none.",
    ("dkim", "pass"): "DKIM passed: the signature of {domain} verifies.",
    ("dkim", "fail"): "DKIM failed: the message was changed after {domain} signed it, or the key is another.",
    ("dkim", "none"): "DKIM is missing: the message is not signed.",
    ("dkim", "neutral"): "DKIM says nothing: the signature could not be read.",
    ("dkim", "temperror"): "DKIM could not be checked: the key of {domain} was not reached in time.",
    ("dkim", "permerror"): "DKIM is broken: the signature or the key of {domain} has an error.",
    ("dkim", "policy"): "DKIM was not accepted: the receiver's own rules do not trust this signature.",
    ("dmarc", "pass"): "DMARC passed: SPF or DKIM vouches for {domain}, the domain in the From line.",
    ("dmarc", "fail"): "DMARC failed: neither SPF nor DKIM vouches for {domain}, the domain in the From line.",
    ("dmarc", "none"): "DMARC is missing: {domain} publishes no policy.",
    ("dmarc", "bestguesspass"): "DMARC is missing for {domain}, but it would have passed.",
    ("dmarc", "temperror"): "DMARC could not be checked: DNS gave no answer in time.",
    ("dmarc", "permerror"): "DMARC is broken: the record of {domain} has an error.",
}


@dataclass(frozen=True, slots=True)
class MethodResult:
    """Result of one method; `domain` is the checked domain, None if the field has none."""

    method: str
    result: str
    domain: str | None
    summary: str


@dataclass(frozen=True, slots=True)
class AuthenticationResults:
    """One Authentication-Results field; `authserv_id` names the server that checked.

    `is_trusted`: it is from the receiving organization's own server (RFC 8601 §5), not a claim of others.
    """

    authserv_id: str | None
    results: tuple[MethodResult, ...]
    is_trusted: bool = False


@dataclass(frozen=True, slots=True)
class Alignment:
    """Relaxed alignment of SPF and DKIM with the From domain (RFC 9989); None where nothing trusted says."""

    spf: bool | None
    dkim: bool | None
    summary: str


def parse_authentication_results(value: str) -> AuthenticationResults:
    """Parse one field; methods and results unknown to RFC 8601 are skipped."""
    text = COMMENT.sub(" ", COMMENT.sub(" ", value[:MAX_CHARS]))
    server, *parts = text.split(";")
    if RESULT.match(server):
        server, parts = "", [server, *parts]
    tokens = server.split()
    results = tuple(filter(None, map(_parse_result, parts[:MAX_RESULTS])))
    return AuthenticationResults(tokens[0][:253] if tokens and SERVER_NAME.fullmatch(tokens[0]) else None, results)


def parse_received_spf(value: str) -> AuthenticationResults:
    """Parse one Received-SPF field (RFC 7208 §9.1), the older form of the same statement."""
    text = value[:MAX_CHARS]
    fields = {match[1].lower(): match[2] for match in RECEIVED_SPF_FIELD.finditer(text)}
    server, result = RECEIVED_SPF_SERVER.search(text), RECEIVED_SPF.match(text)
    by = fields.get("receiver") or (server[1] if server else "")
    sender = "smtp.helo" if fields.get("identity", "").lower() == "helo" else "smtp.mailfrom"
    envelope = fields.get("envelope-from", "")
    parsed = _parse_result(f"spf={result[1]} {sender}={envelope}") if result else None
    return AuthenticationResults(by[:253] if SERVER_NAME.fullmatch(by) else None, (parsed,) if parsed else ())


def check_alignment(from_domain: str | None, fields: Sequence[AuthenticationResults]) -> Alignment:
    """Whether SPF and DKIM passed for the From domain, by trusted results only; None where there are none."""
    from_org = organization(from_domain)
    if from_org is None:
        return Alignment(None, None, "There is no From line with a domain, so nothing can be aligned with it.")
    spf = _is_aligned(from_org, "spf", fields)
    dkim = _is_aligned(from_org, "dkim", fields)
    return Alignment(spf, dkim, _alignment_summary(from_org, spf, dkim))


def _is_aligned(from_org: str, method: str, fields: Sequence[AuthenticationResults]) -> bool | None:
    """The first field with the method counts: one that the server wrote stands above a forged one."""
    for field in fields:
        if results := [result for result in field.results if result.method == method]:
            return any(result.result == "pass" and organization(result.domain) == from_org for result in results)
    return None


def _alignment_summary(from_org: str, spf: bool | None, dkim: bool | None) -> str:
    if spf is None and dkim is None:
        return f"SPF and DKIM for {from_org}: not checked; no result here is from the receiving server itself."
    if spf and dkim:
        return f"SPF and DKIM both passed in alignment with {from_org}, the domain in the From line."
    if dkim:
        other = "SPF did not" if spf is False else "the receiving server gave no result for SPF"
        return f"DKIM passed in alignment with {from_org}; {other}, and one of them is enough for DMARC."
    if spf:
        other = "DKIM did not" if dkim is False else "the receiving server gave no result for DKIM"
        return f"SPF passed in alignment with {from_org}; {other}: without it a forwarded copy fails DMARC."
    if spf is None or dkim is None:
        missing = "SPF" if spf is None else "DKIM"
        return f"No pass in alignment with {from_org}; the receiving server gave no result for {missing}."
    return f"Neither SPF nor DKIM passed in alignment with {from_org}, the domain in the From line: DMARC fails."


def _parse_result(part: str) -> MethodResult | None:
    match = RESULT.match(part)
    if not match:
        return None
    method, result = match[1].lower(), match[2].lower()
    result = "fail" if result == "hardfail" else result
    if method not in KNOWN_METHODS or result not in KNOWN_RESULTS:
        return None
    domain = _checked_domain(method, {prop[1].lower(): prop[2] for prop in PROPERTY.finditer(part)})
    template = MEANINGS.get((method, result), f"{method.upper()}: {result}.")
    return MethodResult(method, result, domain, template.format(domain=domain or "the domain"))


def _checked_domain(method: str, properties: dict[str, str]) -> str | None:
    names_by_method = {
        "spf": ("smtp.mailfrom", "smtp.helo"),
        "dkim": ("header.d", "header.i"),
        "dmarc": ("header.from",),
    }
    for name in names_by_method.get(method, ()):
        domain = properties.get(name, "").rpartition("@")[2].lower().strip(".<>")
        if DOMAIN.fullmatch(domain):
            return domain
    return None
