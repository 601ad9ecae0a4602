"""DKIM: are the public keys there that receivers verify signatures with, and are they strong enough? (RFC 6376, 8301, 8463)

A domain does not say which selectors it signs with. Where nobody named one, the usual ones are asked, and finding none of
them is no fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bot.checks.dkim.key_record import BadKey, BadRecord, KeyRecord, looks_like_key, parse
from bot.checks.dkim.messages import CODES, ED25519_IN_ORDER, GUESSED_REVOKED, OUTCOMES
from bot.checks.dkim.selectors import MOST_SELECTORS, guesses, recognise, spf_names
from bot.checks.finding_codes import Outcome
from bot.checks.lookups import Reply, ask_all, readable
from bot.inputs.domain_names import shown
from bot.models import Answer, Finding, Lookup, LookupFailed, Order

__all__ = ["CODES", "Published", "check", "judge", "judge_guessed", "judge_named"]

LEAST_BITS, ADVISED_BITS, MOST_BITS = 1024, 2048, 4096
MOST_SHOWN = 2000  # characters of a record that a finding carries along
KIND_NAMES = {"rsa": "RSA", "ed25519": "Ed25519"}


@dataclass(frozen=True, slots=True)
class Published:
    """What the DNS has at one selector: TXT strings, or the reason why that is not known."""

    name: str
    texts: tuple[str, ...] = ()
    unanswered: str | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The code that holds for one selector, the record if it could be read, and what is wrong if it could not."""

    published: Published
    code: str
    record: KeyRecord | None = None
    problem: str = ""

    @property
    def bits(self) -> int:
        return self.record.key.bits if self.record and self.record.key else 0


async def check(order: Order, lookup: Lookup) -> list[Finding]:
    """A finding per key: of the selectors in the order, or of the usual ones that the domain turns out to have."""
    domain = order.target.domain
    if domain is None:
        return []
    if order.selectors:
        return judge_named(domain, await _published(domain, order.selectors[:MOST_SELECTORS], lookup))
    texts, exchanges = await ask_all(lookup, [(domain, "TXT"), (domain, "MX")])
    mx = (record.partition(" ")[2].lower() for record in _records(exchanges))
    senders = recognise(spf_names(_records(texts)), mx)
    return judge_guessed(domain, await _published(domain, guesses(senders), lookup))


def judge_named(domain: str, published: Sequence[Published]) -> list[Finding]:
    """Every selector that a person named must have a key that works."""
    judged = [judge(each) for each in published]
    alone = not any(each.record and each.record.kind == "rsa" and not each.record.revoked for each in judged)
    return [_finding(domain, _alone(each) if alone else each) for each in judged]


def judge_guessed(domain: str, published: Sequence[Published]) -> list[Finding]:
    """Findings about the keys that are there; nothing is held against a domain for the selectors it does not have."""
    found = [each for each in published if any(map(looks_like_key, each.texts))]
    if not found and published and all(each.unanswered for each in published):
        return [_of_domain(domain, "dkim.no-answer", published)]
    if not found:
        return [_of_domain(domain, "dkim.no-selector-known", published)]
    if len(found) == len(published) > 1 and len({each.texts for each in found}) == 1:  # a wildcard answers for any name
        if (judged := judge(found[0])).code == "dkim.revoked":
            return [_of_domain(domain, "dkim.never-signs", published)]
        return [_finding(domain, judged, guessed=True)]
    return [_finding(domain, judge(each), guessed=True) for each in found]


def judge(published: Published) -> Judgement:
    """The code for what is at one selector."""
    if published.unanswered:
        return Judgement(published, "dkim.no-answer", problem=published.unanswered)
    if len(published.texts) != 1:
        return Judgement(published, "dkim.several-records" if published.texts else "dkim.missing-key")
    try:
        record = parse(published.texts[0])
    except BadRecord as bad:
        return Judgement(published, "dkim.bad-record", problem=str(bad))
    except BadKey as bad:
        return Judgement(published, "dkim.broken-key", problem=str(bad))
    return Judgement(published, next((code for code, holds in RULES if holds(record)), "dkim.ok"), record)


def _bits(record: KeyRecord) -> int:
    return record.key.bits if record.key and record.kind == "rsa" else ADVISED_BITS


RULES: Sequence[tuple[str, Callable[[KeyRecord], bool]]] = (  # the first that holds is told
    ("dkim.revoked", lambda record: record.revoked),
    ("dkim.unknown-kind", lambda record: record.key is None),
    ("dkim.not-for-mail", lambda record: not record.for_mail),
    ("dkim.only-sha1", lambda record: record.only_sha1),
    ("dkim.weak-key", lambda record: _bits(record) < LEAST_BITS),
    ("dkim.testing", lambda record: record.testing),
    ("dkim.short-key", lambda record: _bits(record) < ADVISED_BITS),
    ("dkim.long-key", lambda record: _bits(record) > MOST_BITS),
)


def _alone(judged: Judgement) -> Judgement:
    fine_ed25519 = judged.code == "dkim.ok" and judged.record is not None and judged.record.kind == "ed25519"
    return replace(judged, code="dkim.ed25519-alone") if fine_ed25519 else judged


async def _published(domain: str, selectors: Sequence[str], lookup: Lookup) -> list[Published]:
    names = [f"{selector.lower()}._domainkey.{domain}" for selector in selectors]
    replies = await ask_all(lookup, [(name, "TXT") for name in names])
    return [
        Published(name, _records(reply), reply.reason if isinstance(reply, LookupFailed) else None)
        for name, reply in zip(names, replies, strict=True)
    ]


def _records(reply: Reply) -> tuple[str, ...]:
    return reply.records if isinstance(reply, Answer) else ()


def _finding(domain: str, judged: Judgement, guessed: bool = False) -> Finding:
    record, name = judged.record, judged.published.name
    kind = record.kind if record else ""
    outcome = _outcome(judged.code, kind, guessed)
    words = {
        "name": readable(name),
        "domain": shown(domain),
        "bits": str(judged.bits),
        "kind": KIND_NAMES.get(kind, readable(kind)),
        "problem": judged.problem,
    }
    facts = {
        "records": [text[:MOST_SHOWN] for text in judged.published.texts],
        "kind": kind or None,
        "bits": judged.bits or None,
        "flags": sorted(record.flags) if record else [],
        "guessed": guessed,
    }
    return Finding("dkim", name, outcome.verdict, judged.code, outcome.says.format_map(words), outcome.step, facts)


def _outcome(code: str, kind: str, guessed: bool) -> Outcome:
    if code == "dkim.revoked" and guessed:
        return GUESSED_REVOKED
    return ED25519_IN_ORDER if (code, kind) == ("dkim.ok", "ed25519") else OUTCOMES[code]


def _of_domain(domain: str, code: str, published: Sequence[Published]) -> Finding:
    outcome = OUTCOMES[code]
    problem = next((each.unanswered for each in published if each.unanswered), "")
    words = {"domain": shown(domain), "name": f"_domainkey.{readable(domain)}", "problem": problem}
    facts = {"asked": [each.name.partition(".")[0] for each in published], "guessed": True}
    return Finding("dkim", domain, outcome.verdict, code, outcome.says.format_map(words), outcome.step, facts)
