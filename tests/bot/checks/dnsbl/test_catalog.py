"""The catalogue: every list is complete, alive and asked once; a file that is wrong says where."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.dnsbl.catalog import BUILT_IN, CatalogueError, Controls, Kind, Nature, load, read
from bot.checks.dnsbl.return_codes import Effect, Pattern, Severity, Who, octets_of
from bot.checks.dnsbl.zones import zones
from tests.bot.checks.dnsbl.lists import CATALOGUE, named

DEAD = Path(__file__).with_name("dead_zones.txt").read_text(encoding="utf-8").splitlines()[1:]
WITHIN_ZEN = ("sbl", "xbl", "pbl", "css", "sbl-xbl", "drop")


def test_at_least_sixty_living_lists_of_every_kind():
    assert len(CATALOGUE.lists) >= 60
    assert len(zones(CATALOGUE, {})) >= 60
    for kind, least in ((Kind.IP4, 40), (Kind.IP6, 10), (Kind.DOMAIN, 12)):
        assert sum(kind in blocklist.kinds for blocklist in CATALOGUE.lists) >= least


@pytest.mark.parametrize("dead", DEAD)
def test_no_dead_list(dead):
    assert not [b.id for b in CATALOGUE.lists if f".{b.zone}".endswith(f".{dead}")]


@pytest.mark.parametrize("part", WITHIN_ZEN)
def test_what_zen_holds_is_not_asked_twice(part):
    assert f"{part}.spamhaus.org" not in {blocklist.zone for blocklist in CATALOGUE.lists}
    assert CATALOGUE.of(f"spamhaus-{part}") is None


def test_zones_and_ids_are_unique():
    assert len({blocklist.id for blocklist in CATALOGUE.lists}) == len(CATALOGUE.lists)
    assert len({blocklist.zone for blocklist in CATALOGUE.lists}) == len(CATALOGUE.lists)


@pytest.mark.parametrize("blocklist", CATALOGUE.lists, ids=lambda blocklist: blocklist.id)
def test_every_entry_can_be_removed_or_says_why_not(blocklist):
    codes = [code for table in (blocklist.codes.exact, blocklist.codes.bits) for code in table.values()]
    codes += [code for _, code in blocklist.codes.patterns]
    for removal in [blocklist.removal, *(code.removal for code in codes if code.effect.is_answer)]:
        assert removal.form or removal.look
        if removal.who is Who.NOBODY:
            assert removal.note
        if removal.who is Who.DO_NOT_PAY:
            assert "do not pay" in (removal.step or "do not pay")
    assert blocklist.source


@pytest.mark.parametrize("blocklist", CATALOGUE.lists, ids=lambda blocklist: blocklist.id)
def test_a_list_of_praise_or_information_never_accuses(blocklist):
    effects = {code.effect for code in (*blocklist.codes.exact.values(), *blocklist.codes.bits.values())}
    effects |= {code.effect for _, code in blocklist.codes.patterns}
    if blocklist.nature in (Nature.ALLOW, Nature.INFO):
        assert not effects & {Effect.LISTED, Effect.POLICY}


def test_lists_that_stop_mail_keep_both_test_points():
    loud = [b for b in CATALOGUE.lists if b.severity in (Severity.HIGH, Severity.MEDIUM) and b.id != "abusix-dblack"]
    assert {b.id for b in loud if b.controls is not Controls.BOTH} == set()


def test_the_worst_lists_come_first():
    order = [list(Severity).index(blocklist.severity) for blocklist in CATALOGUE.lists]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("answer", "sublist", "who"),
    [
        ("127.0.0.2", "spamhaus-sbl", Who.PROVIDER),
        ("127.0.0.3", "spamhaus-css", Who.SELF_SERVICE),
        ("127.0.0.4", "spamhaus-xbl", Who.SELF_SERVICE),
        ("127.0.0.7", "spamhaus-xbl", Who.SELF_SERVICE),
        ("127.0.0.9", "spamhaus-drop", Who.PROVIDER),
        ("127.0.0.10", "spamhaus-pbl", Who.PROVIDER),
        ("127.0.0.11", "spamhaus-pbl", Who.SELF_SERVICE),
        ("127.0.0.30", "spamhaus-bcl", Who.PROVIDER),
    ],
)
def test_who_may_remove_is_told_by_sublist(answer, sublist, who):
    (code,) = named("spamhaus-zen").codes.find(answer)
    assert (code.sublist, code.removal.who) == (sublist, who)
    assert "https://check.spamhaus.org/results/?query={ip}" in (code.removal.form, code.removal.look)


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
def test_the_test_points_of_a_list(list_id, must_list, must_not_list):
    zone = next(zone for zone in zones(CATALOGUE, {}) if zone.blocklist.id == list_id)
    assert (zone.must_list, zone.must_not_list) == (must_list, must_not_list)


def test_a_file_replaces_the_catalogue(tmp_path):
    file = tmp_path / "lists.toml"
    file.write_text(
        BUILT_IN.read_text(encoding="utf-8").replace("zen.spamhaus.org", "zen.example.net"), encoding="utf-8"
    )
    assert load(file).lists[0].zone == "zen.example.net"


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot be read: "), (b"[[list", "is not a TOML file: "), (b"\xff", "is not a TOML file: ")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, content, says):
    file = tmp_path / "lists.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CatalogueError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file} {says}")


MISSING = object()
WRONG = [
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


@pytest.mark.parametrize(("path", "value", "key"), WRONG)
def test_an_error_names_the_table_and_the_key(path, value, key):
    document = builtin_document()
    table = document["list"][0]
    for part in path[:-1]:
        table = table[part]
    if value is MISSING:
        del table[path[-1]]
    else:
        table[path[-1]] = value
    with pytest.raises(CatalogueError) as caught:
        read(document)
    message = str(caught.value)
    assert message.startswith(f'list "{document["list"][0]["id"]}"')
    assert f": {key} " in message
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("change", "says"),
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
def test_an_error_of_the_whole_file_is_one_sentence(change, says):
    document = builtin_document()
    change(document)
    with pytest.raises(CatalogueError, match=says):
        read(document)


@given(st.text(max_size=20))
def test_any_text_is_an_answer_without_meaning_or_an_address(text):
    octets = octets_of(text)
    assert octets is None or ".".join(map(str, octets)) == ".".join(str(int(part)) for part in text.split("."))
    for blocklist in CATALOGUE.lists:
        assert isinstance(blocklist.codes.find(text), tuple)


@given(st.tuples(*[st.integers(0, 255)] * 2, st.integers(0, 255), st.integers(0, 255)))
def test_a_pattern_matches_its_range_and_nothing_else(octets):
    low, high, third, fourth = octets
    pattern = Pattern.read(f"127.0.*.{min(low, high)}-{max(low, high)}")
    assert pattern.matches((127, 0, third, fourth)) == (min(low, high) <= fourth <= max(low, high))
    assert not pattern.matches((127, 1, third, fourth))


def builtin_document():
    return tomllib.loads(BUILT_IN.read_text(encoding="utf-8"))
