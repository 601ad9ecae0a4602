"""DKIM check: are the public keys published, valid and strong enough? (RFC 6376, 8301, 8463)

DNS does not reveal which selectors a domain signs with. Without named selectors the common ones are
queried, and finding none of them is not an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bot.checks.dkim.key_record import BadKey, BadRecord, KeyRecord, are_halves, is_key_record, is_other_record, parse
from bot.checks.dkim.messages import CODES, PROBLEMS
from bot.checks.dkim.selectors import MAX_SELECTORS, candidate_selectors, recognize
from bot.checks.finding_codes import FindingText
from bot.checks.lookups import lookup_concurrently, readable
from bot.checks.mail_services import spf_domains
from bot.inputs.domain_names import display_domain
from bot.models import CheckRequest, DnsAnswer, Finding, Lookup, LookupResult

__all__ = ["CODES", "SelectorRecords", "check", "common_findings", "evaluate_selector", "requested_findings"]

MIN_BITS, RECOMMENDED_BITS, MAX_BITS = 1024, 2048, 4096
MAX_RECORD_CHARS = 2000  # characters of a record in a finding's facts
KEY_TYPE_NAMES = {"rsa": "RSA", "ed25519": "Ed25519"}


@dataclass(frozen=True, slots=True)
class SelectorRecords:
    """TXT records at one selector, the name that it is an alias for, or the reason of a DNS error.

    `cname` is the content of the selector's own CNAME record, where the chain to `alias` begins.
    """

    name: str
    texts: tuple[str, ...] = ()
    unanswered: str | None = None
    alias: str | None = None
    cname: str | None = None


@dataclass(frozen=True, slots=True)
class SelectorResult:
    """Finding code of one selector, with the parsed record or the reason why it is invalid.

    `variant` names the special case of the code.
    """

    selector: SelectorRecords
    code: str
    record: KeyRecord | None = None
    problem: str = ""
    variant: str = ""

    @property
    def bits(self) -> int:
        return self.record.key.bits if self.record and self.record.key else 0


async def check(request: CheckRequest, lookup: Lookup) -> list[Finding]:
    """Return a finding per key: of requested selectors, or of common ones that exist."""
    domain = request.target.domain
    if domain is None or not (request.selectors or request.discovers_selectors):
        return []
    if request.selectors:
        return requested_findings(domain, await _lookup_selectors(domain, request.selectors[:MAX_SELECTORS], lookup))
    txt_reply, mx_reply = await lookup_concurrently(lookup, [(domain, "TXT"), (domain, "MX")])
    mx_hosts = (record.partition(" ")[2].lower() for record in _records(mx_reply))
    senders = recognize(spf_domains(_records(txt_reply)), mx_hosts)
    return common_findings(domain, await _lookup_selectors(domain, candidate_selectors(senders), lookup))


def requested_findings(domain: str, selectors: Sequence[SelectorRecords]) -> list[Finding]:
    """Return findings for requested selectors; each must have a working key."""
    results = [evaluate_selector(records) for records in selectors]
    no_rsa = not any(
        result.record and result.record.key_type == "rsa" and not result.record.revoked for result in results
    )
    return [_finding(domain, _flag_ed25519_only(result) if no_rsa else result) for result in results]


def common_findings(domain: str, selectors: Sequence[SelectorRecords]) -> list[Finding]:
    """Return findings for the keys that exist; missing common selectors are not an error."""
    with_key = [records for records in selectors if any(map(is_key_record, records.texts))]
    if not with_key and selectors and all(records.unanswered for records in selectors):
        return [_domain_finding(domain, "dkim.no-answer", selectors)]
    if not with_key:
        return [_domain_finding(domain, "dkim.no-selector-known", selectors)]
    if len(with_key) == len(selectors) > 1 and len({records.texts for records in with_key}) == 1:
        # a wildcard record
        if (result := evaluate_selector(with_key[0])).code == "dkim.revoked":
            return [_domain_finding(domain, "dkim.never-signs", selectors)]
        return [_finding(domain, result, guessed=True)]
    return [_finding(domain, evaluate_selector(records), guessed=True) for records in with_key]


def evaluate_selector(selector: SelectorRecords) -> SelectorResult:
    """Return the finding code for one selector."""
    if selector.unanswered:
        return SelectorResult(selector, "dkim.no-answer", problem=selector.unanswered)
    texts = [text for text in selector.texts if not is_other_record(text)]
    if len(texts) != 1:
        variant = "halves" if are_halves(texts) else ""
        return SelectorResult(selector, "dkim.several-records" if texts else "dkim.missing-key", variant=variant)
    try:
        record = parse(texts[0])
    except (BadRecord, BadKey) as error:
        code = "dkim.bad-record" if isinstance(error, BadRecord) else "dkim.broken-key"
        return SelectorResult(selector, code, None, error.problem.phrase(PROBLEMS), error.problem.key)
    return SelectorResult(selector, next((code for code, matches in RULES if matches(record)), "dkim.ok"), record)


def _rsa_bits(record: KeyRecord) -> int:
    return record.key.bits if record.key and record.key_type == "rsa" else RECOMMENDED_BITS


RULES: Sequence[tuple[str, Callable[[KeyRecord], bool]]] = (  # the first match is reported
    ("dkim.revoked", lambda record: record.revoked),
    ("dkim.unknown-kind", lambda record: record.key is None),
    ("dkim.not-for-mail", lambda record: not record.for_mail),
    ("dkim.only-sha1", lambda record: record.only_sha1),
    ("dkim.weak-key", lambda record: _rsa_bits(record) < MIN_BITS),
    ("dkim.testing", lambda record: record.testing),
    ("dkim.short-key", lambda record: _rsa_bits(record) < RECOMMENDED_BITS),
    ("dkim.long-key", lambda record: _rsa_bits(record) > MAX_BITS),
)


def _flag_ed25519_only(result: SelectorResult) -> SelectorResult:
    ok_ed25519 = result.code == "dkim.ok" and result.record is not None and result.record.key_type == "ed25519"
    return replace(result, code="dkim.ed25519-alone") if ok_ed25519 else result


async def _lookup_selectors(domain: str, selectors: Sequence[str], lookup: Lookup) -> list[SelectorRecords]:
    names = [f"{_label(selector, domain)}._domainkey.{domain}" for selector in selectors]
    replies = await lookup_concurrently(lookup, [(name, "TXT") for name in names])
    return [
        SelectorRecords(
            name,
            reply.records,
            alias=reply.aliases[-1].lower() if reply.aliases else None,
            cname=reply.aliases[0].lower() if reply.aliases else None,
        )
        if isinstance(reply, DnsAnswer)
        else SelectorRecords(name, unanswered=reply.reason)
        for name, reply in zip(names, replies, strict=True)
    ]


def _label(selector: str, domain: str) -> str:
    """The selector alone, where it was given as the name of its record."""
    return selector.lower().rstrip(".").removesuffix(f".{domain}").removesuffix("._domainkey")


def _records(reply: LookupResult) -> tuple[str, ...]:
    return reply.records if isinstance(reply, DnsAnswer) else ()


def _finding(domain: str, result: SelectorResult, guessed: bool = False) -> Finding:
    record, name = result.record, result.selector.name
    key_type = record.key_type if record else ""
    text = CODES[result.code].variant(result.variant) if result.variant else _text(result.code, key_type, guessed)
    values = {
        "name": readable(name),
        "domain": display_domain(domain),
        "bits": str(result.bits),
        "kind": KEY_TYPE_NAMES.get(key_type, readable(key_type)),
        "problem": result.problem,
    }
    facts = {
        "records": [record_text[:MAX_RECORD_CHARS] for record_text in result.selector.texts],
        "kind": key_type or None,
        "bits": result.bits or None,
        "flags": sorted(record.flags) if record else [],
        "guessed": guessed,
        "alias": result.selector.alias,
        "cname": result.selector.cname,
    }
    return Finding("dkim", name, text.verdict, result.code, *text.fill(values), facts)


def _text(code: str, key_type: str, guessed: bool) -> FindingText:
    if code == "dkim.revoked":
        return CODES[code].variant("guessed" if guessed else "")
    return CODES[code].variant("ed25519" if key_type == "ed25519" else "")


def _domain_finding(domain: str, code: str, selectors: Sequence[SelectorRecords]) -> Finding:
    text = CODES[code]
    problem = next((records.unanswered for records in selectors if records.unanswered), "")
    values = {"domain": display_domain(domain), "name": f"_domainkey.{readable(domain)}", "problem": problem}
    facts = {"asked": [records.name.partition(".")[0] for records in selectors], "guessed": True}
    return Finding("dkim", domain, text.verdict, code, *text.fill(values), facts)
