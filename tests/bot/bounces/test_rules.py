"""Bounce rule files: entries are reachable, references exist, texts are sentences."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import get_args
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from bot.bounces.classify import explain
from bot.bounces.phrases import TextNormalizer
from bot.bounces.rule_files import CategoryName, VendorsFile, load_file
from bot.bounces.rules import Listing, Rule, load_rules

CATEGORIES = get_args(CategoryName)
RULESET = load_rules()
RULES: tuple[Rule, ...] = RULESET.codes.entries + RULESET.wordings.entries + RULESET.statuses.entries
LISTINGS: tuple[Listing, ...] = RULESET.listings.entries
PLACEHOLDERS = {"who", "whom", "address", "list"}
CATALOG = [
    entry
    for entry in tomllib.loads((Path(str(files("bot"))) / "checks" / "dnsbl" / "catalog.toml").read_text())["list"]
    if entry["nature"] in ("evidence", "policy")
]


def sentences() -> list[str]:
    texts = [text for rule in RULES for text in (rule.summary, rule.remediation)] + [
        listing.remediation for listing in LISTINGS
    ]
    for category in RULESET.categories.values():
        texts += [category.summary, category.remediation, category.summary_domain, category.remediation_domain]
    return [text for text in texts if text]


@pytest.mark.parametrize("sentence", sorted(set(sentences())))
def test_sentence_is_complete_with_known_placeholders(sentence: str) -> None:
    assert sentence.endswith(".")
    assert {name for _, name, _, _ in Formatter().parse(sentence) if name is not None} <= PLACEHOLDERS
    assert not set(sentence) & set("<>[]|`*~")


def test_rules_use_every_category() -> None:
    used = {rule.category for rule in RULES} | {listing.category for listing in LISTINGS}
    assert used == set(CATEGORIES)


def test_rules_refer_to_known_receivers_and_lists() -> None:
    names = {receiver.name for receiver in RULESET.receivers.entries}
    lists = {listing.id for listing in LISTINGS} | {receiver.list for receiver in RULESET.receivers.entries}
    used = {name for rule in RULES for name in rule.when.receivers} | {rule.receiver for rule in RULES if rule.receiver}
    assert used <= names
    assert {rule.list for rule in RULES if rule.list} <= lists


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry["id"])
def test_refusal_with_catalog_zone_names_its_list(entry: dict[str, str]) -> None:
    zone = entry["zone"].replace("{key}.", "")
    bounce = explain(f"554 5.7.1 Service unavailable; Client host [203.0.113.5] blocked using {zone}")
    assert bounce.list == entry["id"]


def test_codes_of_vendors_have_a_source() -> None:
    table = load_file("vendors.toml", VendorsFile)
    assert [rule.words or rule.enhanced for rule in table.code if not rule.source] == []


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"words": ["x"], "category": "spam"}, "category"),
        ({"words": ["x"], "colour": "red"}, "colour"),
        ({"enhanced": ["5.7"], "category": "spf"}, "enhanced"),
        ({"words": ["x"], "category": "spf", "side": "sender's"}, "side"),
    ],
)
def test_wrong_rule_is_refused_by_its_key(table: dict[str, object], key: str) -> None:
    with pytest.raises(ValidationError, match=rf"code\.0\.{key}"):
        VendorsFile.model_validate({"code": [table]})


def test_pages_are_web_urls() -> None:
    pages = [entry.page for entry in (*RULES, *LISTINGS, *RULESET.receivers.entries) if entry.page]
    for page in pages:
        parts = urlsplit(page.replace("{ip}", "203.0.113.5"))
        assert parts.scheme in ("http", "https")
        assert parts.hostname


def test_last_status_matches_everything() -> None:
    assert RULESET.statuses.entries[-1].when.index_keys() == [("*", None)]


@pytest.mark.parametrize("phrase", ["", "   ", "a *  * b", "#"])
def test_phrase_without_words_raises(phrase: str) -> None:
    with pytest.raises(ValueError, match="without words"):
        TextNormalizer({}).parse_phrase(phrase)


@pytest.mark.parametrize(
    ("phrase", "line", "matches"),
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
def test_phrase_matches_whole_words(phrase: str, line: str, matches: bool) -> None:
    normalizer = TextNormalizer({"blacklisted": ["block list", "blocklist"]})
    assert normalizer.parse_phrase(phrase).matches(normalizer.parse_text(line)) is matches
