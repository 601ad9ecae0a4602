"""Catalog: every list is complete, alive and queried once; errors name table and key."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.dnsbl.catalog import BUILT_IN, Blocklist, CatalogError, Controls, Kind, load, parse_catalog
from bot.checks.dnsbl.return_codes import Effect, Pattern, RemovalParty, Severity, octets_of
from bot.checks.dnsbl.zones import usable_zones
from tests.bot.checks.dnsbl.lists import CATALOG, get_blocklist

DEAD_ZONES = Path(__file__).with_name("dead_zones.txt").read_text(encoding="utf-8").splitlines()[1:]
NATURES = {entry["id"]: entry["nature"] for entry in tomllib.loads(BUILT_IN.read_text(encoding="utf-8"))["list"]}
ZEN_SUBLISTS = ("sbl", "xbl", "pbl", "css", "sbl-xbl", "drop")


def test_catalog_has_sixty_lists_of_every_kind():
    assert len(CATALOG.lists) >= 60
    assert len(usable_zones(CATALOG, {})) >= 60
    for kind, minimum in ((Kind.IP4, 40), (Kind.IP6, 10), (Kind.DOMAIN, 12)):
        assert sum(kind in blocklist.kinds for blocklist in CATALOG.lists) >= minimum


@pytest.mark.parametrize("dead_zone", DEAD_ZONES)
def test_catalog_has_no_dead_list(dead_zone):
    assert not [b.id for b in CATALOG.lists if f".{b.zone}".endswith(f".{dead_zone}")]


@pytest.mark.parametrize("part", ZEN_SUBLISTS)
def test_catalog_zen_sublists_are_not_queried_twice(part):
    assert f"{part}.spamhaus.org" not in {blocklist.zone for blocklist in CATALOG.lists}
    assert CATALOG.get(f"spamhaus-{part}") is None


def test_catalog_zones_and_ids_are_unique():
    assert len({blocklist.id for blocklist in CATALOG.lists}) == len(CATALOG.lists)
    assert len({blocklist.zone for blocklist in CATALOG.lists}) == len(CATALOG.lists)


@pytest.mark.parametrize("blocklist", CATALOG.lists, ids=lambda blocklist: blocklist.id)
def test_catalog_list_has_removal_or_reason(blocklist: Blocklist):
    codes = [code for table in (blocklist.codes.exact, blocklist.codes.bits) for code in table.values()]
    codes += [code for _, code in blocklist.codes.patterns]
    for removal in [blocklist.removal, *(code.removal for code in codes if code.effect.is_answer)]:
        assert removal.form_url or removal.lookup_url
        if removal.party is RemovalParty.DO_NOT_PAY:
            assert "do not pay" in (removal.remediation or "do not pay")
    assert blocklist.source


@pytest.mark.parametrize("blocklist", CATALOG.lists, ids=lambda blocklist: blocklist.id)
def test_catalog_allow_and_info_lists_have_no_listing_codes(blocklist: Blocklist):
    effects = {code.effect for code in (*blocklist.codes.exact.values(), *blocklist.codes.bits.values())}
    effects |= {code.effect for _, code in blocklist.codes.patterns}
    if NATURES[blocklist.id] in ("allow", "info"):
        assert not effects & {Effect.LISTED, Effect.POLICY}


def test_catalog_severe_lists_have_both_test_points():
    severe = [b for b in CATALOG.lists if b.severity in (Severity.HIGH, Severity.MEDIUM) and b.id != "abusix-dblack"]
    assert {b.id for b in severe if b.controls is not Controls.BOTH} == set()


def test_catalog_lists_are_sorted_by_severity():
    ranks = [list(Severity).index(blocklist.severity) for blocklist in CATALOG.lists]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    ("answer", "sublist", "who"),
    [
        ("127.0.0.2", "spamhaus-sbl", RemovalParty.PROVIDER),
        ("127.0.0.3", "spamhaus-css", RemovalParty.SELF_SERVICE),
        ("127.0.0.4", "spamhaus-xbl", RemovalParty.SELF_SERVICE),
        ("127.0.0.7", "spamhaus-xbl", RemovalParty.SELF_SERVICE),
        ("127.0.0.9", "spamhaus-drop", RemovalParty.PROVIDER),
        ("127.0.0.10", "spamhaus-pbl", RemovalParty.PROVIDER),
        ("127.0.0.11", "spamhaus-pbl", RemovalParty.SELF_SERVICE),
        ("127.0.0.30", "spamhaus-bcl", RemovalParty.PROVIDER),
    ],
)
def test_zen_return_code_names_sublist_and_removal_party(answer: str, sublist: str, who: RemovalParty):
    (code,) = get_blocklist("spamhaus-zen").codes.find(answer)
    assert (code.sublist, code.removal.party) == (sublist, who)
    assert "https://check.spamhaus.org/results/?query={ip}" in (code.removal.form_url, code.removal.lookup_url)


@pytest.mark.parametrize(
    ("list_id", "must_list", "must_not_list"),
    [
        ("spamhaus-zen", "2.0.0.127.zen.spamhaus.org", "1.0.0.127.zen.spamhaus.org"),
        ("s5h", "2.0.0.127.all.s5h.net", "1.0.0.127.all.s5h.net"),
        ("spamhaus-dbl", "dbltest.com.dbl.spamhaus.org", "invalid.dbl.spamhaus.org"),
        ("surbl", "test.surbl.org.multi.surbl.org", "invalid.multi.surbl.org"),
        ("uribl", "test.uribl.com.multi.uribl.com", "invalid.multi.uribl.com"),
        ("sem-urired", "_dnsbl_.test.urired.spameatingmonkey.net", "_dnsblneg_.test.urired.spameatingmonkey.net"),
        ("nordspam-dbl", None, "invalid.dbl.nordspam.com"),
        ("hostkarma", None, None),
    ],
)
def test_zone_test_points_match_the_list(list_id, must_list, must_not_list):
    zone = next(zone for zone in usable_zones(CATALOG, {}) if zone.blocklist.id == list_id)
    assert (zone.must_list, zone.must_not_list) == (must_list, must_not_list)


def test_load_file_replaces_builtin_catalog(tmp_path):
    file = tmp_path / "lists.toml"
    file.write_text(
        BUILT_IN.read_text(encoding="utf-8").replace("zen.spamhaus.org", "zen.example.net"), encoding="utf-8"
    )
    assert load(file).lists[0].zone == "zen.example.net"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read: "), (b"[[list", "is not a TOML file: "), (b"\xff", "is not a TOML file: ")],
)
def test_load_unreadable_file_is_named(tmp_path, content, message):
    file = tmp_path / "lists.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CatalogError) as error:
        load(file)
    assert str(error.value).startswith(f"{file} {message}")


MISSING = object()
INVALID = [
    (("id",), "Has Spaces", "id"),
    (("name",), "", "name"),
    (("operator",), MISSING, "operator"),
    (("zone",), "zen.spamhaus.org.", "zone"),
    (("severity",), "fatal", "severity"),
    (("nature",), MISSING, "nature"),
    (("kinds",), [], "kinds"),
    (("kinds",), ["ip4", "domain"], "kinds"),
    (("kinds",), ["ip5"], "kinds"),
    (("kinds",), "ip4", "kinds"),
    (("controls",), "some", "controls"),
    (("colour",), "red", "colour"),
    (("per_day",), 0, "per_day"),
    (("per_day",), True, "per_day"),
    (("source",), "ftp://example.net/", "source"),
    (("key",), MISSING, "key_zone"),
    (("key",), "sorbs", "key"),
    (("key_zone",), "zen.dq.spamhaus.net", "key_zone"),
    (("key_zone",), "{key}.{user}.example.net", "key_zone"),
    (("needs_key",), "yes", "needs_key"),
    (("removal",), MISSING, "who"),
    (("removal", "who"), "anybody", "who"),
    (("removal", "form"), MISSING, "form"),
    (("removal", "form"), "https://example.net/{domain}", "form"),
    (("removal", "preconditions"), "static", "preconditions"),
    (("codes",), MISSING, "codes"),
    (("codes",), ["127.0.0.2"], "codes"),
    (("codes", "10.0.0.1"), {"effect": "listed", "means": "x"}, "10.0.0.1"),
    (("codes", "127.0.0.9-4"), {"effect": "listed", "means": "x"}, "127.0.0.9-4"),
    (("codes", "127.0.0.3", "effect"), "maybe", "effect"),
    (("codes", "127.0.0.3", "means"), MISSING, "means"),
    (("codes", "127.0.0.3", "reason"), "quota", "reason"),
    (("codes", "127.0.0.3", "effect"), "refused", "reason"),
    (("reads",), "bits", "127.0.0.2"),
]


@pytest.mark.parametrize(("path", "value", "key"), INVALID)
def test_parse_catalog_invalid_value_names_table_and_key(path, value, key):
    document = builtin_document()
    table = document["list"][0]
    for part in path[:-1]:
        table = table[part]
    if value is MISSING:
        del table[path[-1]]
    else:
        table[path[-1]] = value
    with pytest.raises(CatalogError) as error:
        parse_catalog(document)
    message = str(error.value)
    assert message.startswith(f'list "{document["list"][0]["id"]}"')
    assert f": {key} " in message
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("refusals"), "refusals is missing"),
        (lambda d: d.pop("list"), "list is missing"),
        (lambda d: d.update(list={}), "list must be a list of tables"),
        (lambda d: d["list"].append(copy.deepcopy(d["list"][0])), "id spamhaus-zen is in two lists"),
        (lambda d: d["list"].append({**copy.deepcopy(d["list"][0]), "id": "again"}), "is in two lists"),
        (lambda d: d["list"].append("zen.example.net"), "must be a table"),
        (
            lambda d: d["refusals"]["127.0.0.1"].update(effect="listed", reason=""),
            "127.0.0.1 must have the effect refused",
        ),
        (lambda d: d.update(lists=[]), "lists is not a key"),
    ],
)
def test_parse_catalog_invalid_document_is_one_sentence(change, message):
    document = builtin_document()
    change(document)
    with pytest.raises(CatalogError, match=message):
        parse_catalog(document)


@given(st.text(max_size=20))
def test_octets_of_any_text_is_address_or_none(text):
    octets = octets_of(text)
    assert octets is None or ".".join(map(str, octets)) == ".".join(str(int(part)) for part in text.split("."))
    for blocklist in CATALOG.lists:
        assert isinstance(blocklist.codes.find(text), tuple)


@given(st.tuples(*[st.integers(0, 255)] * 2, st.integers(0, 255), st.integers(0, 255)))
def test_pattern_matches_only_its_range(octets):
    low, high, third, fourth = octets
    pattern = Pattern.parse(f"127.0.*.{min(low, high)}-{max(low, high)}")
    assert pattern.matches((127, 0, third, fourth)) == (min(low, high) <= fourth <= max(low, high))
    assert not pattern.matches((127, 1, third, fourth))


def builtin_document():
    return tomllib.loads(BUILT_IN.read_text(encoding="utf-8"))
