"""A catalog file of the operator: it adds, changes and disables lists, or replaces the catalog."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.checks.dnsbl import load
from bot.checks.dnsbl.catalog_file import BUILT_IN
from bot.checks.dnsbl.return_codes import Effect, Severity
from bot.inputs.toml_tables import DataFileError
from tests.bot.checks.dnsbl.lists import CATALOG, get_blocklist

EXAMPLE = Path(__file__).parents[4] / "docs" / "own-lists.toml"
EXTENDS = 'extends = "builtin"\n'


def load_text(folder: Path, text: str):
    file = folder / "lists.toml"
    file.write_text(text, encoding="utf-8")
    return load(file)


def test_example_file_adds_changes_and_disables_lists() -> None:
    catalog = load(EXAMPLE)
    ids = [blocklist.id for blocklist in catalog.lists]
    assert len(ids) == len(CATALOG.lists) - 2 + 1
    assert not {"kempt", "nosolicitado"} & set(ids)
    own = catalog.get("our-blocklist")
    assert own is not None
    assert (own.server, own.key, own.per_day) == ("10.0.0.53:53", "our-list", 50_000)
    assert ids.index("our-blocklist") < ids.index("spamcop")  # sorted by severity
    changed = catalog.get("uceprotect-1")
    assert changed is not None
    assert (changed.severity, changed.zone) == (Severity.NONE, get_blocklist("uceprotect-1").zone)


def test_file_that_only_extends_is_the_builtin_catalog(tmp_path: Path) -> None:
    assert load_text(tmp_path, EXTENDS) == CATALOG


def test_changed_table_has_the_builtin_values_of_other_keys(tmp_path: Path) -> None:
    text = EXTENDS + (
        '[[list]]\nid = "spamcop"\nremoval.expiry = "tomorrow"\n'
        'codes."127.0.0.3" = { effect = "info", means = "it is new" }\n'
    )
    changed, builtin = load_text(tmp_path, text).get("spamcop"), get_blocklist("spamcop")
    assert changed is not None
    assert (changed.removal.expiry, changed.removal.lookup_url) == ("tomorrow", builtin.removal.lookup_url)
    assert [changed.codes.find(f"127.0.0.{n}")[0].effect for n in (2, 3)] == [Effect.LISTED, Effect.INFO]


def test_file_with_byte_order_mark_is_read(tmp_path: Path) -> None:
    assert load_text(tmp_path, f"\ufeff{EXTENDS}") == CATALOG


def test_refusals_of_the_file_are_added(tmp_path: Path) -> None:
    text = EXTENDS + '[refusals]\n"127.0.0.200" = { effect = "refused", reason = "quota", means = "too much" }\n'
    refusal = load_text(tmp_path, text).lists[0].codes.find("127.0.0.200")[0]
    assert (refusal.effect, refusal.reason) == (Effect.REFUSED, "quota")


def test_full_replacement_still_works(tmp_path: Path) -> None:
    text = BUILT_IN.read_text(encoding="utf-8").replace("zen.spamhaus.org", "zen.example.net")
    assert load_text(tmp_path, text).lists[0].zone == "zen.example.net"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('extends = "builtins"', "the catalog: extends must be 'builtin', not \"builtins\"."),
        (f'{EXTENDS}disable = "kempt"', "the catalog: disable must be a list in square brackets, "),
        (
            f'{EXTENDS}disable = ["spamcob"]',
            'the catalog: disable names "spamcob", which is not a built-in list; spamcop',
        ),
        ('disable = ["kempt"]', 'the catalog: disable needs extends = "builtin" at the top of the file; '),
        ("", 'the catalog: extends = "builtin" is missing at the top of the file; '),
        ('[[list]]\nid = "own"', 'the catalog: extends = "builtin" is missing at the top of the file; '),
        (
            f'{EXTENDS}[[list]]\nid = "psbl"\nkey = "our"\nkey_zone = "{{key}}.not a zone"',
            'list "psbl": key_zone must be a lower-case domain, such as {key}.bl.example.net',
        ),
        (
            f'{EXTENDS}[[list]]\nid = "psbl"\nzone = "{"a." * 100}example"',
            'list "psbl": zone must have at most 180 characters',
        ),
        (f"{EXTENDS}lists = []", "the catalog: lists is not a key of this table; list is."),
        (f'{EXTENDS}[[list]]\nname = "Own"', "list 1: id is missing: the id of a built-in list changes that list, "),
        (f'{EXTENDS}[[list]]\nid = "a"\n[[list]]\nid = "a"', "the catalog: id a is in two tables."),
        (
            f'{EXTENDS}disable = ["psbl"]\n[[list]]\nid = "psbl"\nname = "P"',
            "the catalog: id psbl is disabled and has a table; keep one of them.",
        ),
        (f'{EXTENDS}[[list]]\nid = "own"\nname = "Own"', 'list "own": operator is missing.'),
        (f'{EXTENDS}[[list]]\nid = "psbl"\nseverity = "bad"', "list \"psbl\": severity must be 'high', "),
        (f'{EXTENDS}[[list]]\nid = "psbl"\ncolor = "red"', 'list "psbl": color is not a key of this table.'),
        (f'{EXTENDS}[[list]]\nid = "psbl"\ncodes = 1', 'list "psbl": codes must be a table, not 1.'),
        (f'{EXTENDS}[[list]]\nid = "psbl"\nserver = "dns"', 'list "psbl": server must be the address of a name server'),
        (
            f'{EXTENDS}[[list]]\nid = "psbl"\nzone = "zen.spamhaus.org"',
            "the catalog: zone zen.spamhaus.org (ip4) is in two lists.",
        ),
        (f'{EXTENDS}[refusals]\n"127.0.0.9" = 1', "refusals: 127.0.0.9 must be a table, not 1."),
    ],
)
def test_wrong_file_is_named_with_table_and_key(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(DataFileError) as error:
        load_text(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path / 'lists.toml'}: {problem}")
    assert str(error.value).endswith(".")
