"""Bounce rules as data: rules.toml, listings.toml and receivers.toml, parsed and checked once."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import chain
from operator import itemgetter
from typing import Any, Generic, TypeVar

from bot.bounces.phrases import Phrase, Text, TextNormalizer

CATEGORIES = (
    "blocklist",
    "policy-block-pbl",
    "ip-reputation",
    "domain-reputation",
    "no-ptr",
    "helo",
    "spf",
    "dkim",
    "dmarc",
    "rate-limit",
    "greylist",
    "tls",
    "content",
    "connection",
    "mailbox",
    "relay",
    "other",
)
FAULTS = ("sender", "network", "receiver", "recipient", "nobody")
NO_CODE = 0
ALWAYS = "*"
Key = str | int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Words and codes of a line; `keys` is everything that can select a rule."""

    text: Text
    smtp_code: int | None = None
    enhanced_code: str | None = None
    receiver: str | None = None
    keys: frozenset[Key] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        codes = (self.smtp_code or NO_CODE, self.enhanced_code or "", ALWAYS)
        object.__setattr__(self, "keys", self.text.keys.union(codes))


@dataclass(frozen=True, slots=True)
class Condition:
    """When a rule applies: one of `words`, one of `also`, none of `unless`, and the codes.

    Empty parts have no effect.
    """

    words: tuple[Phrase, ...] = ()
    also: tuple[Phrase, ...] = ()
    unless: tuple[Phrase, ...] = ()
    enhanced: frozenset[str] = frozenset()
    smtp: frozenset[int] = frozenset()
    receivers: frozenset[str] = frozenset()

    def holds(self, evidence: Evidence) -> bool:
        """Whether all parts except `words` match."""
        return (
            (not self.enhanced or evidence.enhanced_code in self.enhanced)
            and (not self.smtp or (evidence.smtp_code or NO_CODE) in self.smtp)
            and (not self.receivers or evidence.receiver in self.receivers)
            and (not self.also or any(phrase.matches(evidence.text) for phrase in self.also))
            and not any(phrase.matches(evidence.text) for phrase in self.unless)
        )

    def index_keys(self) -> Iterable[tuple[Key, Phrase | None]]:
        """Index keys, of which a line must have one, with the phrase to match then."""
        if self.words:
            return [(phrase.anchors[0], phrase) for phrase in self.words]
        return [(code, None) for code in self.enhanced or self.smtp or {ALWAYS}]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a refusal means; empty texts default to those of the category."""

    when: Condition
    category: str
    list: str | None = None
    receiver: str | None = None
    fault: str = ""
    summary: str = ""
    remediation: str = ""
    page: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A blocklist or reputation service that refusals name.

    `entry_type` is what it lists: ip, domain or email.
    """

    when: Condition
    id: str
    name: str
    category: str = "blocklist"
    entry_type: str = "ip"
    remediation: str = ""
    page: str = ""
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver, known by its hosts, codes or words.

    `list` is the catalog id of its own reputation system, `decides` the categories that come from
    it (empty: all).
    """

    when: Condition
    name: str
    list: str | None = None
    page: str = ""
    decides: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Category:
    """A category of refusals and its default texts."""

    meaning: str
    fault: str
    summary: str
    remediation: str
    summary_listed: str = ""
    summary_domain: str = ""
    remediation_domain: str = ""


Entry = TypeVar("Entry", Rule, Listing, Receiver)


class RuleIndex(Generic[Entry]):
    """Entries in order, indexed by the rarest word of each phrase or by code."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries: tuple[Entry, ...] = tuple(entries)
        self._entries_by_key: dict[Key, list[tuple[int, Phrase | None]]] = {}
        word_counts = Counter(chain.from_iterable(phrase.anchors for entry in entries for phrase in entry.when.words))
        for index, entry in enumerate(entries):
            for key, phrase in entry.when.index_keys():
                rarest_key = min(phrase.anchors, key=lambda word: (word_counts[word], -len(word))) if phrase else key
                self._entries_by_key.setdefault(rarest_key, []).append((index, phrase))

    def first_match(self, evidence: Evidence) -> Entry | None:
        """The first entry whose condition holds."""
        keys = self._entries_by_key.keys() & evidence.keys
        candidates = chain.from_iterable(self._entries_by_key[key] for key in keys)
        for index, phrase in sorted(candidates, key=itemgetter(0)):
            entry = self.entries[index]
            if (phrase is None or phrase.matches(evidence.text)) and entry.when.holds(evidence):
                return entry
        return None


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules."""

    normalizer: TextNormalizer
    codes: RuleIndex[Rule]
    wordings: RuleIndex[Rule]
    statuses: RuleIndex[Rule]
    listings: RuleIndex[Listing]
    receivers: RuleIndex[Receiver]
    categories: Mapping[str, Category]
    link_hosts: frozenset[str]

    def find_listing(self, list_id: str) -> Listing | None:
        """The first listing with this catalog id."""
        return next((listing for listing in self.listings.entries if listing.id == list_id), None)

    def list_name(self, list_id: str) -> str:
        """Display name of a list; a receiver's own list is named after the receiver."""
        if listing := self.find_listing(list_id):
            return listing.name
        owners = [receiver.name for receiver in self.receivers.entries if receiver.list == list_id]
        return f"{min(owners, key=len)}'s own" if owners else list_id


@cache
def load_rules() -> RuleSet:
    """Load the bundled rules. Raises ValueError that names the file and the bad entry."""
    data = _load_toml("rules.toml")
    speller = TextNormalizer(data["same"])
    return RuleSet(
        normalizer=speller,
        codes=RuleIndex([_rule(speller, entry) for entry in data["code"]]),
        wordings=RuleIndex([_rule(speller, entry) for entry in data["wording"]]),
        statuses=RuleIndex([_rule(speller, entry) for entry in data["status"]]),
        listings=RuleIndex([_listing(speller, entry) for entry in _load_toml("listings.toml")["listing"]]),
        receivers=RuleIndex([_receiver(speller, entry) for entry in _load_toml("receivers.toml")["receiver"]]),
        categories={name: Category(**data["category"][name]) for name in CATEGORIES},
        link_hosts=frozenset(data["links"]["hosts"]),
    )


def _load_toml(name: str) -> dict[str, Any]:
    return tomllib.loads(files("bot.bounces").joinpath(name).read_text(encoding="utf-8"))


def _condition(speller: TextNormalizer, entry: dict[str, Any]) -> Condition:
    return Condition(
        words=tuple(map(speller.parse_phrase, entry.pop("words", ()))),
        also=tuple(map(speller.parse_phrase, entry.pop("with", ()))),
        unless=tuple(map(speller.parse_phrase, entry.pop("unless", ()))),
        enhanced=frozenset(chain.from_iterable(map(_expand_codes, entry.pop("enhanced", ())))),
        smtp=frozenset(entry.pop("smtp", ())),
        receivers=frozenset(entry.pop("from", ())),
    )


def _rule(speller: TextNormalizer, entry: dict[str, Any]) -> Rule:
    rule = Rule(_condition(speller, entry), **entry)
    _check_value(rule.category, CATEGORIES, "rules.toml", rule)
    _check_value(rule.fault, ("", *FAULTS), "rules.toml", rule)
    return rule


def _listing(speller: TextNormalizer, entry: dict[str, Any]) -> Listing:
    listing = Listing(_condition(speller, entry), **entry)
    _check_value(listing.category, CATEGORIES, "listings.toml", listing)
    _check_value(listing.entry_type, ("ip", "domain", "email"), "listings.toml", listing)
    return listing


def _receiver(speller: TextNormalizer, entry: dict[str, Any]) -> Receiver:
    decides = frozenset(entry.pop("for", ()))
    for category in decides:
        _check_value(category, CATEGORIES, "receivers.toml", entry)
    return Receiver(_condition(speller, entry), **entry, decides=decides)


def _check_value(value: str, allowed: Sequence[str], file_name: str, entry: object) -> None:
    if value not in allowed:
        raise ValueError(f"{file_name}: {value!r} is not one of {', '.join(allowed)} in {entry}")


def _expand_codes(pattern: str) -> list[str]:
    """Expand `x.7.25` to 4.7.25 and 5.7.25, and `5.7.606-649` to a range."""
    status_class, subject, details = pattern.split(".")
    first, _, last = details.partition("-")
    classes = ("4", "5") if status_class == "x" else (status_class,)
    return [f"{digit}.{subject}.{detail}" for digit in classes for detail in range(int(first), int(last or first) + 1)]
