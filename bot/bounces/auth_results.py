"""What a receiver found out about a message (RFC 8601), and whether it vouches for the From line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.bounces.received import organisation

MOST_CHARACTERS = 8_000
MOST_RESULTS = 30
COMMENT = re.compile(r"\([^()]{0,1000}\)")
RESULT = re.compile(r"^\s*([a-z][a-z0-9-]{1,30})\s*=\s*([a-z]{2,20})\b", re.IGNORECASE)
PROPERTY = re.compile(
    r"\b(smtp\.mailfrom|smtp\.helo|header\.d|header\.from|header\.i)\s*=\s*\"?@?([^\s;\"]{1,320})", re.IGNORECASE
)
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

# What a result means for the message; {domain} is what the receiver looked at.
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
class Result:
    """One method's result; `domain` is what it is about, None where the receiver does not say; `says` explains it."""

    method: str
    result: str
    domain: str | None
    says: str


@dataclass(frozen=True, slots=True)
class Authentication:
    """One Authentication-Results field: who checked (its own word for itself), and what came out."""

    by: str | None
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Whether SPF and DKIM speak for the organisation in the From line (relaxed, RFC 9989); None where not known."""

    spf: bool | None
    dkim: bool | None
    says: str


def read_authentication(value: str) -> Authentication:
    """The results of one field; methods and results that RFC 8601 does not know are left out."""
    text = COMMENT.sub(" ", COMMENT.sub(" ", value[:MOST_CHARACTERS]))
    server, *parts = text.split(";")
    if RESULT.match(server):
        server, parts = "", [server, *parts]
    name = server.split()
    results = tuple(filter(None, map(_result, parts[:MOST_RESULTS])))
    return Authentication(name[0][:253] if name and re.fullmatch(r"[A-Za-z0-9._-]+", name[0]) else None, results)


def align(
    from_domain: str | None, return_path: str | None, signers: Sequence[str], seen: Sequence[Authentication]
) -> Alignment:
    """Compares the From line's organisation with those of the return address and of the signatures.

    A result that the newest Authentication-Results gives counts; without one, only the names are compared.
    """
    author = organisation(from_domain)
    if author is None:
        return Alignment(None, None, "There is no From line with a domain, so nothing can vouch for it.")
    results = seen[0].results if seen else ()
    spf = _aligned(author, [return_path], [r for r in results if r.method == "spf"])
    dkim = _aligned(author, signers, [r for r in results if r.method == "dkim"])
    return Alignment(spf, dkim, _says(author, spf, dkim))


def _aligned(author: str, names: Sequence[str | None], results: Sequence[Result]) -> bool | None:
    known = [name for name in names if name]
    same = [name for name in known if organisation(name) == author]
    if not results:
        return bool(same) if known else None
    passed = [result for result in results if result.result == "pass"]
    return any(organisation(result.domain) == author if result.domain else bool(same) for result in passed)


def _says(author: str, spf: bool | None, dkim: bool | None) -> str:
    if spf and dkim:
        return f"SPF and DKIM both speak for {author}, the domain in the From line."
    if dkim:
        return f"DKIM speaks for {author}, the domain in the From line; SPF does not, and one of them is enough."
    if spf:
        return f"SPF speaks for {author}, the domain in the From line; DKIM does not, so a forwarded copy will fail."
    return f"Neither SPF nor DKIM speaks for {author}, the domain in the From line: DMARC fails."


def _result(part: str) -> Result | None:
    match = RESULT.match(part)
    if not match:
        return None
    method, result = match[1].lower(), match[2].lower()
    result = "fail" if result == "hardfail" else result
    if method not in KNOWN_METHODS or result not in KNOWN_RESULTS:
        return None
    domain = _domain(method, {found[1].lower(): found[2] for found in PROPERTY.finditer(part)})
    says = MEANINGS.get((method, result), f"{method.upper()}: {result}.")
    return Result(method, result, domain, says.format(domain=domain or "the domain"))


def _domain(method: str, properties: dict[str, str]) -> str | None:
    wanted = {"spf": ("smtp.mailfrom", "smtp.helo"), "dkim": ("header.d", "header.i"), "dmarc": ("header.from",)}
    for name in wanted.get(method, ()):
        domain = properties.get(name, "").rpartition("@")[2].lower().strip(".<>")
        if DOMAIN.fullmatch(domain):
            return domain
    return None
