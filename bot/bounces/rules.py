"""The rules of bounces as data: rules.toml, listings.toml and receivers.toml, read and checked once."""

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

from bot.bounces.phrases import Phrase, Speller, Text

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
    """What a line shows: its words, and its codes where it has them. `keys` is everything a rule can be found by."""

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
    """When a rule holds: one of `words`, one of `also`, none of `unless`, and the codes; what is empty asks nothing."""

    words: tuple[Phrase, ...] = ()
    also: tuple[Phrase, ...] = ()
    unless: tuple[Phrase, ...] = ()
    enhanced: frozenset[str] = frozenset()
    smtp: frozenset[int] = frozenset()
    receivers: frozenset[str] = frozenset()

    def holds(self, evidence: Evidence) -> bool:
        """Whether every part but `words` is met."""
        return (
            (not self.enhanced or evidence.enhanced_code in self.enhanced)
            and (not self.smtp or (evidence.smtp_code or NO_CODE) in self.smtp)
            and (not self.receivers or evidence.receiver in self.receivers)
            and (not self.also or any(phrase.is_in(evidence.text) for phrase in self.also))
            and not any(phrase.is_in(evidence.text) for phrase in self.unless)
        )

    def ways_in(self) -> Iterable[tuple[Key, Phrase | None]]:
        """What a line must have one of for this to hold, and the phrase to look for once it has."""
        if self.words:
            return [(phrase.anchors[0], phrase) for phrase in self.words]
        return [(code, None) for code in self.enhanced or self.smtp or {ALWAYS}]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a refusal means; where a sentence is empty, the category's own is said."""

    when: Condition
    category: str
    list: str | None = None
    receiver: str | None = None
    fault: str = ""
    says: str = ""
    step: str = ""
    page: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list or a reputation service that refusals name."""

    when: Condition
    id: str
    name: str
    category: str = "blocklist"
    about: str = "ip"
    step: str = ""
    page: str = ""
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver known by its hosts, codes or words; `list` is the catalogue id of its own reputation system.

    `decides` are the categories that the system is asked about, empty for all.
    """

    when: Condition
    name: str
    list: str | None = None
    page: str = ""
    decides: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of refusal and what is said of it where no rule says more."""

    meaning: str
    fault: str
    says: str
    step: str
    says_listed: str = ""
    says_domain: str = ""
    step_domain: str = ""


Entry = TypeVar("Entry", Rule, Listing, Receiver)


class Book(Generic[Entry]):
    """Entries in their order, found by the rarest thing that each of their phrases or codes asks for."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries: tuple[Entry, ...] = tuple(entries)
        self._places: dict[Key, list[tuple[int, Phrase | None]]] = {}
        common = Counter(chain.from_iterable(phrase.anchors for entry in entries for phrase in entry.when.words))
        for place, entry in enumerate(entries):
            for key, phrase in entry.when.ways_in():
                rarest = min(phrase.anchors, key=lambda word: (common[word], -len(word))) if phrase else key
                self._places.setdefault(rarest, []).append((place, phrase))

    def first(self, evidence: Evidence) -> Entry | None:
        """The first entry whose condition holds."""
        keys = self._places.keys() & evidence.keys
        candidates = chain.from_iterable(self._places[key] for key in keys)
        for place, phrase in sorted(candidates, key=itemgetter(0)):
            entry = self.entries[place]
            if (phrase is None or phrase.is_in(evidence.text)) and entry.when.holds(evidence):
                return entry
        return None


@dataclass(frozen=True, slots=True)
class Rules:
    """All that is known about refusals."""

    speller: Speller
    codes: Book[Rule]
    wordings: Book[Rule]
    statuses: Book[Rule]
    listings: Book[Listing]
    receivers: Book[Receiver]
    categories: Mapping[str, Category]
    link_hosts: frozenset[str]

    def list_named(self, list_id: str) -> Listing | None:
        """The first listing with this catalogue id."""
        return next((listing for listing in self.listings.entries if listing.id == list_id), None)

    def name_of_list(self, list_id: str) -> str:
        """What people call it: a list by its name, the list that a receiver keeps for itself by the receiver's."""
        if listing := self.list_named(list_id):
            return listing.name
        keepers = [receiver.name for receiver in self.receivers.entries if receiver.list == list_id]
        return f"{min(keepers, key=len)}'s own" if keepers else list_id


@cache
def rules() -> Rules:
    """The rules that come with the program. Raises ValueError naming the file and the entry that is wrong."""
    said = _toml("rules.toml")
    speller = Speller(said["same"])
    return Rules(
        speller=speller,
        codes=Book([_rule(speller, entry) for entry in said["code"]]),
        wordings=Book([_rule(speller, entry) for entry in said["wording"]]),
        statuses=Book([_rule(speller, entry) for entry in said["status"]]),
        listings=Book([_listing(speller, entry) for entry in _toml("listings.toml")["listing"]]),
        receivers=Book([_receiver(speller, entry) for entry in _toml("receivers.toml")["receiver"]]),
        categories={name: Category(**said["category"][name]) for name in CATEGORIES},
        link_hosts=frozenset(said["links"]["hosts"]),
    )


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads(files("bot.bounces").joinpath(name).read_text(encoding="utf-8"))


def _condition(speller: Speller, entry: dict[str, Any]) -> Condition:
    return Condition(
        words=tuple(map(speller.phrase, entry.pop("words", ()))),
        also=tuple(map(speller.phrase, entry.pop("with", ()))),
        unless=tuple(map(speller.phrase, entry.pop("unless", ()))),
        enhanced=frozenset(chain.from_iterable(map(_enhanced, entry.pop("enhanced", ())))),
        smtp=frozenset(entry.pop("smtp", ())),
        receivers=frozenset(entry.pop("from", ())),
    )


def _rule(speller: Speller, entry: dict[str, Any]) -> Rule:
    rule = Rule(_condition(speller, entry), **entry)
    _known(rule.category, CATEGORIES, "rules.toml", rule)
    _known(rule.fault, ("", *FAULTS), "rules.toml", rule)
    return rule


def _listing(speller: Speller, entry: dict[str, Any]) -> Listing:
    listing = Listing(_condition(speller, entry), **entry)
    _known(listing.category, CATEGORIES, "listings.toml", listing)
    _known(listing.about, ("ip", "domain", "email"), "listings.toml", listing)
    return listing


def _receiver(speller: Speller, entry: dict[str, Any]) -> Receiver:
    decides = frozenset(entry.pop("for", ()))
    for category in decides:
        _known(category, CATEGORIES, "receivers.toml", entry)
    return Receiver(_condition(speller, entry), **entry, decides=decides)


def _known(word: str, words: Sequence[str], where: str, entry: object) -> None:
    if word not in words:
        raise ValueError(f"{where}: {word!r} is not one of {', '.join(words)} in {entry}")


def _enhanced(written: str) -> list[str]:
    """`x.7.25` is 4.7.25 and 5.7.25; `5.7.606-649` is all from .606 to .649."""
    kind, subject, details = written.split(".")
    first, _, last = details.partition("-")
    kinds = ("4", "5") if kind == "x" else (kind,)
    return [f"{k}.{subject}.{detail}" for k in kinds for detail in range(int(first), int(last or first) + 1)]
