"""Catalog: every list is complete, alive and queried once; errors name table and key."""

from __future__ import annotations

import copy
import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.dnsbl.catalog import Blocklist, Catalog, Kind
from bot.checks.dnsbl.catalog_file import BUILT_IN, CodeRow, ListTable, RemovalTable, load, parse_catalog
from bot.checks.dnsbl.return_codes import Effect, Pattern, RemovalParty, Severity, octets_of
from bot.checks.dnsbl.zones import usable_zones, zone_of
from bot.inputs.toml_tables import DataFileError
from tests.bot.checks.dnsbl.lists import CATALOG, get_blocklist

DEAD_ZONES = Path(__file__).with_name("dead_zones.txt").read_text(encoding="utf-8").splitlines()[1:]
NATURES = {entry["id"]: entry["nature"] for entry in tomllib.loads(BUILT_IN.read_text(encoding="utf-8"))["list"]}
ZEN_SUBLISTS = ("sbl", "xbl", "pbl", "css", "sbl-xbl", "drop")


def test_catalog_has_sixty_lists_of_every_kind():
    assert len(CATALOG.lists) >= 60
    assert len(usable_zones(CATALOG, {})) >= 60
    for kind, minimum in ((Kind.IP4, 40), (Kind.IP6, 10), (Kind.DOMAIN, 12), (Kind.EMAIL, 2)):
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


# Nobody publishes a listed entry of these.
NO_LISTED_ENTRY = {"validity-rpbl", "invaluement-sip", "invaluement-sip24", "invaluement-uri"}


def test_catalog_severe_lists_have_a_listed_test_point():
    severe = [blocklist for blocklist in CATALOG.lists if blocklist.severity in (Severity.HIGH, Severity.MEDIUM)]
    assert {item.id for item in severe if not item.controls.has_listed_entry} == NO_LISTED_ENTRY


def test_catalog_lists_name_their_terms_and_the_date_of_their_source():
    for blocklist in CATALOG.lists:
        assert blocklist.free_use, blocklist.id
        assert blocklist.source_seen, blocklist.id


def test_outdated_lists_are_those_read_more_than_eighteen_months_ago():
    fresh, old = CATALOG.lists[0], replace(CATALOG.lists[1], source_seen=date(2025, 5, 1))
    undated = replace(CATALOG.lists[2], source_seen=None)
    assert Catalog((fresh, old, undated)).outdated(date(2026, 10, 31)) == ()
    assert Catalog((fresh, old, undated)).outdated(date(2026, 11, 1)) == (old,)


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
        ("nordspam-dbl", "test.dbl.nordspam.com", "invalid.dbl.nordspam.com"),
        ("hostkarma", "2.0.0.127.hostkarma.junkemailfilter.com", "1.0.0.127.hostkarma.junkemailfilter.com"),
        ("cymru-bogons", None, "8.8.8.8.bogons.cymru.com"),
        ("polspam", None, "1.0.0.127.bl.rbl.polspam.pl"),
    ],
)
def test_zone_test_points_match_the_list(list_id, must_list, must_not_list):
    zone = next(zone for zone in usable_zones(CATALOG, {}) if zone.blocklist.id == list_id)
    assert (zone.must_list, zone.must_not_list) == (must_list, must_not_list)


def test_zone_with_a_key_has_the_daily_limit_of_the_key():
    limits = [zone_of(get_blocklist("spamhaus-zen"), keys) for keys in ({}, {"spamhaus": "k3y"})]
    assert [zone.blocklist.per_day for zone in limits if zone] == [300_000, 100_000]


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
    with pytest.raises(DataFileError) as error:
        load(file)
    assert str(error.value).startswith(f"{file} {message}")


MISSING = object()
CODE = {"effect": "listed", "means": "it sent spam"}
# Where a wrong value is put in the first list, the value, and what the message says of it.
INVALID = [
    (("id",), "Has Spaces", "id must be lower-case words with hyphens between them, such as spamhaus-zen"),
    (("name",), "", 'name must be text that is not empty, not ""'),
    (("operator",), MISSING, "operator is missing"),
    (("zone",), "zen.spamhaus.org.", "zone must be a lower-case domain without a dot at its end"),
    (("severity",), "fatal", "severity must be 'high', 'medium', 'low' or 'none', not \"fatal\""),
    (("nature",), MISSING, "nature is missing"),
    (("kinds",), [], "kinds must not be empty"),
    (("kinds",), ["ip4", "domain"], "kinds mixes addresses, domains and mail addresses"),
    (("kinds",), ["ip5"], "kinds must be 'ip4', 'ip6', 'domain' or 'email', not \"ip5\""),
    (("controls",), "some", "controls must be 'both', 'two_sets', 'must_not_only' or 'none'"),
    (("colour",), "red", "colour is not a key of this table"),
    (("per_days",), 7, "per_days is not a key of this table; per_day is"),
    (("per_day",), 0, "per_day must be a whole number above 0, not 0"),
    (("server",), "dns.example.net", "server must be the address of a name server, such as 10.0.0.53"),
    (("source",), "ftp://example.net/", "source must start with https:// or http://"),
    (("key",), MISSING, "key_zone and key go together"),
    (("key",), "S3cret Key", "key must be a name in lower case, such as abusix; the key itself is in"),
    (("key_zone",), "zen.dq.spamhaus.net", "key_zone must hold {key}"),
    (("key_zone",), "{key}.{user}.example.net", "key_zone may have no placeholder but {key}"),
    (("removal",), MISSING, "removal is missing"),
    (("removal", "who"), "anybody", "who must be 'owner', 'provider', 'self-service'"),
    (("removal", "who"), "nobody", "note is missing: say why"),
    (("removal", "form"), MISSING, "form and look are both missing"),
    (("removal", "form"), "https://example.net/{domain}", "form may have no placeholder but {ip}"),
    (("removal", "preconditions"), ["static", ""], "preconditions must be text that is not empty"),
    (("codes",), MISSING, "codes is missing"),
    (("codes",), {}, "codes must not be empty"),
    (("codes", "10.0.0.1"), CODE, "10.0.0.1 is not an answer such as 127.0.0.2"),
    (("codes", "127.0.0.9-4"), CODE, "127.0.0.9-4 is not an answer"),
    (("codes", "127.0.0.3", "effect"), "maybe", "effect must be 'listed', 'policy'"),
    (("codes", "127.0.0.3", "means"), MISSING, "means is missing"),
    (("codes", "127.0.0.3", "reason"), "quota", "reason belongs to the effects refused and error"),
    (("codes", "127.0.0.3", "effect"), "refused", "reason belongs to the effects refused and error"),
    (("codes", "127.0.0.3", "removal", "look"), "https://example.net/{user}", "look may have no placeholder"),
]
# One value of each kind that TOML has.
VALUES = {
    "text": "x y",
    "number": 7,
    "fraction": 0.5,
    "boolean": True,
    "list": [["x"]],
    "table": {"x": 1},
    "date": date(2026, 1, 1),
}
# The kind of value that each key takes, by the tables that lead to it.
KINDS = {
    (): {
        **dict.fromkeys(("id", "name", "operator", "zone", "nature", "severity", "controls", "reads"), "text"),
        **dict.fromkeys(
            ("source", "register", "must_list", "must_not_list", "key", "key_zone", "mailbox_hash"), "text"
        ),
        **dict.fromkeys(("per_day", "key_per_day", "per_second", "ip6_prefix"), "number"),
        **dict.fromkeys(("removal", "codes"), "table"),
        "kinds": "list",
        **dict.fromkeys(("free_use", "commercial", "server"), "text"),
        **dict.fromkeys(("needs_key", "enabled"), "boolean"),
        "source_seen": "date",
    },
    ("removal",): {**dict.fromkeys(("who", "form", "look", "expiry", "step", "note"), "text"), "preconditions": "list"},
    ("codes", "127.0.0.3"): {
        **dict.fromkeys(("effect", "means", "name", "severity", "sublist", "reason"), "text"),
        "removal": "table",
    },
}
WRONG_KINDS = [(tables, key, kind) for tables, keys in KINDS.items() for key, kind in keys.items()]


def problem_with(path, value):
    """What the message says if the first list has this value, after the name of the file and the list."""
    document = builtin_document()
    table = document["list"][0]
    for part in path[:-1]:
        table = table[part]
    if value is MISSING:
        del table[path[-1]]
    else:
        table[path[-1]] = value
    with pytest.raises(DataFileError) as error:
        parse_catalog(document, Path("lists.toml"))
    message = str(error.value)
    assert message.endswith(".")
    assert "\n" not in message
    first = document["list"][0]
    list_name = f'"{first["id"]}"' if isinstance(first["id"], str) else f'"{first["name"]}"'
    prefix = f"lists.toml: list {list_name}"
    assert message.startswith(prefix)
    return message.removeprefix(prefix)


@pytest.mark.parametrize(("path", "value", "problem"), INVALID)
def test_parse_catalog_invalid_value_names_table_and_key(path, value, problem):
    tables = "".join(f", {table}" for table in path[:-1])
    assert problem_with(path, value).startswith(f"{tables}: {problem}")


def test_parse_catalog_address_among_flags_is_named():
    assert problem_with(("reads",), "bits").startswith(", codes: 127.0.0.2 must be a flag: 1, 2, 4")


@pytest.mark.parametrize(("tables", "key", "kind"), WRONG_KINDS)
def test_parse_catalog_wrong_kind_of_value_is_rejected(tables, key, kind):
    for wrong in VALUES.keys() - {kind}:
        problem = problem_with((*tables, key), VALUES[wrong])
        assert problem.startswith("".join(f", {table}" for table in tables) + f": {key} must be ")


def test_wrong_kinds_of_values_are_tried_for_every_key():
    for keys, table in zip(KINDS.values(), (ListTable, RemovalTable, CodeRow), strict=True):
        assert set(keys) == {field.alias or name for name, field in table.model_fields.items()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("refusals"), "the catalog: refusals is missing."),
        (lambda d: d.pop("list"), "the catalog: list is missing."),
        (lambda d: d.update(list=[]), "the catalog: list must not be empty."),
        (lambda d: d.update(list={}), "the catalog: list must be a list of tables, each under [[list]]."),
        (lambda d: d["list"].append(copy.deepcopy(d["list"][0])), "the catalog: id spamhaus-zen is in two lists."),
        (
            lambda d: d["list"].append({**copy.deepcopy(d["list"][0]), "id": "again"}),
            "the catalog: zone zen.spamhaus.org (ip4) is in two lists.",
        ),
        (lambda d: d["list"].append("zen.example.net"), 'the catalog: list must be a table, not "zen.example.net".'),
        (
            lambda d: d["refusals"]["127.0.0.1"].update(effect="listed", reason=""),
            "refusals: 127.0.0.1 must have the effect refused or error.",
        ),
        (lambda d: d["refusals"].update({"128.0.0.1": {}}), "refusals, 128.0.0.1: effect is missing."),
        (lambda d: d.update(lists=[]), "the catalog: lists is not a key of this table; list is."),
    ],
)
def test_parse_catalog_invalid_document_is_one_sentence(change, message):
    document = builtin_document()
    change(document)
    with pytest.raises(DataFileError) as error:
        parse_catalog(document)
    assert str(error.value) == message


def test_parse_catalog_reports_every_problem():
    document = builtin_document()
    for entry in document["list"][:3]:
        entry["per_day"] = "many"
    with pytest.raises(DataFileError) as error:
        parse_catalog(document)
    assert len(error.value.problems) == 3


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
