"""Bounce rules, made from the TOML files once: the conditions, and an index to match them fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import chain
from operator import itemgetter
from typing import Generic, TypeVar

from bot.bounces.phrases import Phrase, Text, TextNormalizer
from bot.bounces.rule_files import (
    CategoryTable,
    CausesFile,
    CauseTable,
    ConditionTable,
    ListingsFile,
    ListingTable,
    ReceiversFile,
    ReceiverTable,
    RulesFile,
    RuleTable,
    VendorsFile,
    load_file,
)

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
    cause: str = ""
    list: str | None = None
    receiver: str | None = None
    side: str = ""
    summary: str = ""
    remediation: str = ""
    remediation_temporary: str = ""
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
    categories: Mapping[str, CategoryTable]
    causes: Mapping[str, CauseTable]
    link_hosts: frozenset[str]

    def find_listing(self, list_id: str) -> Listing | None:
        """The first listing with this catalog id."""
        return next((listing for listing in self.listings.entries if listing.id == list_id), None)

    def label(self, cause: str) -> str:
        """Display name of a cause or a category."""
        named = self.causes.get(cause) or self.categories.get(cause)
        return named.label if named else cause

    def list_name(self, list_id: str) -> str:
        """Display name of a list; a receiver's own list is named after the receiver."""
        if listing := self.find_listing(list_id):
            return listing.name
        owners = [receiver.name for receiver in self.receivers.entries if receiver.list == list_id]
        return f"{min(owners, key=len)}'s own" if owners else list_id


@cache
def load_rules() -> RuleSet:
    """Load the bundled rules. Raises ValueError that names the bad table and key."""
    rules, causes = load_file("rules.toml", RulesFile), load_file("causes.toml", CausesFile)
    vendors = load_file("vendors.toml", VendorsFile)
    normalizer = TextNormalizer(rules.same)
    make_rule = partial(_rule, normalizer, causes.cause)
    return RuleSet(
        normalizer=normalizer,
        codes=RuleIndex(list(map(make_rule, (*vendors.code, *rules.code)))),
        wordings=RuleIndex(list(map(make_rule, rules.wording))),
        statuses=RuleIndex(list(map(make_rule, rules.status))),
        listings=RuleIndex([_listing(normalizer, row) for row in load_file("listings.toml", ListingsFile).listing]),
        receivers=RuleIndex(
            [_receiver(normalizer, row) for row in load_file("receivers.toml", ReceiversFile).receiver]
        ),
        categories={str(name): table for name, table in causes.category.items()},
        causes=causes.cause,
        link_hosts=frozenset(causes.links.hosts),
    )


def _condition(normalizer: TextNormalizer, row: ConditionTable) -> Condition:
    return Condition(
        words=tuple(map(normalizer.parse_phrase, row.words)),
        also=tuple(map(normalizer.parse_phrase, row.also)),
        unless=tuple(map(normalizer.parse_phrase, row.unless)),
        enhanced=frozenset(chain.from_iterable(map(_expand_codes, row.enhanced))),
        smtp=frozenset(row.smtp),
        receivers=frozenset(row.receivers),
    )


def _rule(normalizer: TextNormalizer, causes: Mapping[str, CauseTable], row: RuleTable) -> Rule:
    """The rule with the texts of its cause where it has none of its own. Raises ValueError."""
    cause = causes.get(row.cause)
    category = row.category or (cause.category if cause else None)
    if category is None or (row.cause and cause is None):
        raise ValueError(f"the rule {row} has no category, or a cause that causes.toml does not have")
    return Rule(
        when=_condition(normalizer, row),
        category=category,
        cause=row.cause,
        list=row.list,
        receiver=row.receiver,
        side=row.side or (cause.side if cause else ""),
        summary=row.summary or (cause.summary if cause else ""),
        remediation=row.remediation or (cause.remediation if cause else ""),
        remediation_temporary=cause.remediation_temporary if cause and not row.remediation else "",
        page=row.page or "",
    )


def _listing(normalizer: TextNormalizer, row: ListingTable) -> Listing:
    return Listing(
        _condition(normalizer, row),
        row.id,
        row.name,
        row.category,
        row.entry_type,
        row.remediation,
        row.page or "",
        row.ended,
    )


def _receiver(normalizer: TextNormalizer, row: ReceiverTable) -> Receiver:
    return Receiver(_condition(normalizer, row), row.name, row.list, row.page or "", frozenset(row.decides))


def _expand_codes(pattern: str) -> list[str]:
    """Expand `x.7.25` to 4.7.25 and 5.7.25, and `5.7.606-649` to a range."""
    status_class, subject, details = pattern.split(".")
    first, _, last = details.partition("-")
    classes = ("4", "5") if status_class == "x" else (status_class,)
    return [f"{digit}.{subject}.{detail}" for digit in classes for detail in range(int(first), int(last or first) + 1)]
