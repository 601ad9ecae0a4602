"""The rule files themselves: every entry can be reached, names what exists, and speaks in whole sentences."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from string import Formatter
from urllib.parse import urlsplit

import pytest

from bot.bounces.classify import explain
from bot.bounces.phrases import Speller
from bot.bounces.rules import CATEGORIES, Listing, Rule, rules

KNOWN = rules()
RULES: tuple[Rule, ...] = KNOWN.codes.entries + KNOWN.wordings.entries + KNOWN.statuses.entries
LISTINGS: tuple[Listing, ...] = KNOWN.listings.entries
PLACES = {"who", "whom", "address", "list"}
CATALOGUE = [
    entry
    for entry in tomllib.loads((Path(str(files("bot"))) / "checks" / "dnsbl" / "catalog.toml").read_text())["list"]
    if entry["nature"] in ("evidence", "policy")
]


def sentences() -> list[str]:
    said = [text for rule in RULES for text in (rule.says, rule.step)] + [listing.step for listing in LISTINGS]
    for category in KNOWN.categories.values():
        said += [category.says, category.step, category.says_domain, category.step_domain]
    return [text for text in said if text]


@pytest.mark.parametrize("sentence", sorted(set(sentences())))
def test_a_sentence_is_whole_and_asks_only_for_what_is_known(sentence: str) -> None:
    assert sentence.endswith(".")
    assert {name for _, name, _, _ in Formatter().parse(sentence) if name is not None} <= PLACES
    assert not set(sentence) & set("<>[]|`*~")


def test_every_category_but_none_other_can_be_the_answer() -> None:
    told = {rule.category for rule in RULES} | {listing.category for listing in LISTINGS}
    assert told == set(CATEGORIES)


def test_rules_name_only_receivers_and_lists_that_are_known() -> None:
    names = {receiver.name for receiver in KNOWN.receivers.entries}
    lists = {listing.id for listing in LISTINGS} | {receiver.list for receiver in KNOWN.receivers.entries}
    asked = {name for rule in RULES for name in rule.when.receivers} | {
        rule.receiver for rule in RULES if rule.receiver
    }
    assert asked <= names
    assert {rule.list for rule in RULES if rule.list} <= lists


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry["id"])
def test_a_refusal_that_names_a_zone_of_the_catalogue_names_its_list(entry: dict[str, str]) -> None:
    zone = entry["zone"].replace("{key}.", "")
    bounce = explain(f"554 5.7.1 Service unavailable; Client host [203.0.113.5] blocked using {zone}")
    assert bounce.list == entry["id"]


def test_every_page_is_a_web_page() -> None:
    pages = [entry.page for entry in (*RULES, *LISTINGS, *KNOWN.receivers.entries) if entry.page]
    for page in pages:
        parts = urlsplit(page.replace("{ip}", "203.0.113.5"))
        assert parts.scheme in ("http", "https")
        assert parts.hostname


def test_a_last_status_answers_everything() -> None:
    assert KNOWN.statuses.entries[-1].when.ways_in() == [("*", None)]


@pytest.mark.parametrize("written", ["", "   ", "a *  * b", "#"])
def test_a_phrase_without_words_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="without words"):
        Speller({}).phrase(written)


@pytest.mark.parametrize(
    ("written", "line", "found"),
    [
        ("blocked using", "BLOCKED\tusing: x", True),
        ("blocked using", "unblocked using", False),
        ("zen.spamhaus.org", "see zen.spamhaus.org.", True),
        ("a * b", "a and then b", True),
        ("a * b", "b and then a", False),
        ("a * b", "a " + "word " * 30 + "b", False),
        ("a * b", "a " + "word " * 30 + "a b", True),
        ("OFR#", "error OFR004_405", True),
        ("OFR# 102", "OFR006_102", True),
        ("OFR#", "OFR alone", False),
        ("vérifier", "VERIFIER", True),
        ("block list", "your ip is on our blocklist", True),
    ],
)
def test_a_phrase_is_found_as_words(written: str, line: str, found: bool) -> None:
    speller = Speller({"blacklisted": ["block list", "blocklist"]})
    assert speller.phrase(written).is_in(speller.text(line)) is found
