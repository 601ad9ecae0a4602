"""Catalog of DNSBLs: `catalog.toml`, or a file of the same format, parsed and validated.

Every validation error is one sentence that names the table and the key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from bot.checks.dnsbl.return_codes import CodeTable, Effect, Pattern, Removal, RemovalParty, ReturnCode, Severity

EnumT = TypeVar("EnumT", bound=StrEnum)


class CatalogError(ValueError):
    """The catalog is invalid; the message is one sentence that names the table and the key."""


class TomlTable:
    """A TOML table read key by key; `end` rejects unknown keys, which are often misspelled."""

    def __init__(self, table: object, name: str) -> None:
        self.name = name
        if not isinstance(table, Mapping):
            raise CatalogError(f"{name} must be a table.")
        self._remaining: dict[str, Any] = dict(table)

    def error(self, key: str, problem: str) -> CatalogError:
        return CatalogError(f"{self.name}: {key} {problem}.")

    def has(self, key: str) -> bool:
        return key in self._remaining

    def text(self, key: str, default: str | None = None) -> str:
        value = self._remaining.pop(key, default)
        if value is None:
            raise self.error(key, "is missing")
        if not isinstance(value, str) or (not value and default is None):
            raise self.error(key, "must be a text in quotation marks that is not empty")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._remaining.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self.error(key, 'must be a list of texts, like ["ip4", "ip6"]')
        return tuple(value)

    def enum(self, key: str, enum_type: type[EnumT], default: EnumT | None = None) -> EnumT:
        return self.as_enum(key, self.text(key, default), enum_type)

    def as_enum(self, key: str, text: str, enum_type: type[EnumT]) -> EnumT:
        if text not in set(enum_type):
            raise self.error(key, f"must be one of {', '.join(enum_type)}, not {text!r}")
        return enum_type(text)

    def positive_int(self, key: str) -> int | None:
        value = self._remaining.pop(key, None)
        if value is not None and (type(value) is not int or value < 1):
            raise self.error(key, "must be a whole number above 0")
        return value

    def boolean(self, key: str) -> bool:
        value = self._remaining.pop(key, False)
        if not isinstance(value, bool):
            raise self.error(key, "must be true or false")
        return value

    def url(self, key: str, placeholders: frozenset[str] = frozenset()) -> str:
        """Return an http(s) URL or an empty string; `{…}` must be one of the placeholders."""
        value = self.text(key, "")
        if value and not value.startswith(("https://", "http://")):
            raise self.error(key, "must start with https:// or http://")
        self.check_placeholders(key, value, placeholders)
        return value

    def check_placeholders(self, key: str, value: str, allowed: frozenset[str]) -> None:
        bare = value
        for placeholder in allowed:
            bare = bare.replace("{" + placeholder + "}", "")
        if "{" in bare or "}" in bare:
            names = " and ".join("{" + name + "}" for name in sorted(allowed))
            raise self.error(key, f"may have no placeholder but {names}" if names else "may have no placeholder")

    def table(self, key: str) -> TomlTable:
        value = self._remaining.pop(key, {})
        if not isinstance(value, Mapping):
            raise self.error(key, "must be a table")
        return TomlTable(value, f"{self.name}, {key}")

    def tables(self, key: str) -> tuple[object, ...]:
        value = self._remaining.pop(key, [])
        if not isinstance(value, list):
            raise self.error(key, f"must be a list of tables, each under [[{key}]]")
        return tuple(value)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._remaining))

    def end(self) -> None:
        if self._remaining:
            raise self.error(next(iter(self._remaining)), "is not a key of this table")


__all__ = ["Blocklist", "Catalog", "CatalogError", "Controls", "Key", "Kind", "load"]

BUILT_IN = Path(__file__).with_name("catalog.toml")
ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
ZONE = re.compile(r"([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.){1,126}[a-z0-9-]{1,63}")
FLAGS = frozenset(str(1 << bit) for bit in range(8))


class Kind(StrEnum):
    """What a list contains."""

    IP4 = "ip4"
    IP6 = "ip6"
    DOMAIN = "domain"


class Nature(StrEnum):
    """Basis of a listing: evidence of abuse, sending policy, information, or allowlisting."""

    EVIDENCE = "evidence"
    POLICY = "policy"
    INFO = "info"
    ALLOW = "allow"


class Controls(StrEnum):
    """Which test points of RFC 5782 section 5 the list publishes."""

    BOTH = "both"
    MUST_NOT_ONLY = "must_not_only"
    NONE = "none"


class Key(StrEnum):
    """Name of the setting that holds the API key of a key zone."""

    SPAMHAUS = "spamhaus"
    ABUSIX = "abusix"


class CodeFormat(StrEnum):
    """How return codes are matched: by the whole address, or by bits of the last octet."""

    CODES = "codes"
    BITS = "bits"


# Default test points (RFC 5782 section 5): listed and not listed. IPv6 maps the IPv4 points.
TEST_POINTS = {
    Kind.IP4: ("127.0.0.2", "127.0.0.1"),
    Kind.IP6: ("::ffff:7f00:2", "::ffff:7f00:1"),
    Kind.DOMAIN: ("test", "invalid"),
}


@dataclass(frozen=True, slots=True)
class Blocklist:
    """One DNSBL.

    `zone` may be displayed; `key_zone` contains `{key}` in place of the API key. `must_list` and
    `must_not_list` are the test points. `per_day` and `per_second` are the operator's query limits.
    """

    id: str
    name: str
    operator: str
    zone: str
    kinds: frozenset[Kind]
    severity: Severity
    codes: CodeTable
    removal: Removal
    controls: Controls
    must_list: str
    must_not_list: str
    source: str
    key: Key | None = None
    key_zone: str = ""
    needs_key: bool = False
    per_day: int | None = None
    per_second: int | None = None
    registration_url: str = ""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every list, the ones that affect delivery most first."""

    lists: tuple[Blocklist, ...]

    def get(self, list_id: str) -> Blocklist | None:
        return next((blocklist for blocklist in self.lists if blocklist.id == list_id), None)


def load(path: Path | None = None) -> Catalog:
    """Load the built-in catalog, or the file that replaces it.

    Raises CatalogError with the file, the table and the key.
    """
    file = path or BUILT_IN
    try:
        return parse_catalog(tomllib.loads(file.read_text(encoding="utf-8")))
    except CatalogError as error:
        raise CatalogError(f"{file}: {error}") from None
    except OSError as error:
        raise CatalogError(f"{file} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:  # not UTF-8, or not TOML
        raise CatalogError(f"{file} is not a TOML file: {error}.") from None


def parse_catalog(document: Mapping[str, Any]) -> Catalog:
    """Parse the catalog from a TOML document. Raises CatalogError."""
    top = TomlTable(document, "the catalogue")
    refusals = _refusals(top.table("refusals"))
    lists = tuple(_blocklist(table, number, refusals) for number, table in enumerate(top.tables("list"), 1))
    top.end()
    if not lists:
        raise top.error("list", "is missing: there must be at least one [[list]]")
    _reject_duplicates("id", (blocklist.id for blocklist in lists))
    _reject_duplicates("zone", (f"{blocklist.zone} ({kind})" for blocklist in lists for kind in blocklist.kinds))
    return Catalog(lists)


def _reject_duplicates(key: str, values: Iterable[str]) -> None:
    unique: set[str] = set()
    for value in values:
        if value in unique:
            raise CatalogError(f"the catalogue: {key} {value} is in two lists.")
        unique.add(value)


def _refusals(table: TomlTable) -> Mapping[str, ReturnCode]:
    nobody = Removal(RemovalParty.NOBODY)
    codes = {text: _code(table.table(text), "", Severity.NONE, nobody) for text in table}
    if not codes:
        raise CatalogError("the catalogue: refusals is missing; it says which answers are no answers.")
    for text, code in codes.items():
        _pattern(table, text)
        if code.effect.is_answer:
            raise table.error(text, "must have the effect refused or error")
    return codes


def _blocklist(source: object, number: int, refusals: Mapping[str, ReturnCode]) -> Blocklist:
    list_id = source.get("id") if isinstance(source, Mapping) else None
    table = TomlTable(source, f'list "{list_id}"' if isinstance(list_id, str) else f"list {number}")
    kinds = _kinds(table)
    placeholder = frozenset({"domain" if Kind.DOMAIN in kinds else "ip"})
    name = table.text("name")
    severity = table.enum("severity", Severity)
    removal = _removal(table.table("removal"), placeholder)
    must_list, must_not_list = TEST_POINTS[min(kinds, key=list(Kind).index)]
    blocklist = Blocklist(
        id=_matching(table, "id", ID.fullmatch),
        name=name,
        operator=table.text("operator"),
        zone=_matching(table, "zone", ZONE.fullmatch),
        kinds=kinds,
        severity=severity,
        codes=_code_table(table, refusals, (name, severity, removal), placeholder),
        removal=removal,
        controls=table.enum("controls", Controls),
        must_list=table.text("must_list", must_list),
        must_not_list=table.text("must_not_list", must_not_list),
        source=table.url("source"),
        key=table.enum("key", Key) if table.has("key") else None,
        key_zone=table.text("key_zone", ""),
        needs_key=table.boolean("needs_key"),
        per_day=table.positive_int("per_day"),
        per_second=table.positive_int("per_second"),
        registration_url=table.url("register"),
    )
    table.enum("nature", Nature)  # for readers of the file, as is the IPv6 prefix that one entry covers
    table.positive_int("ip6_prefix")
    table.end()
    _check_key(table, blocklist)
    return blocklist


def _kinds(table: TomlTable) -> frozenset[Kind]:
    kinds = frozenset(table.as_enum("kinds", text, Kind) for text in table.texts("kinds"))
    if not kinds:
        raise table.error("kinds", "is missing")
    if Kind.DOMAIN in kinds and len(kinds) > 1:
        raise table.error("kinds", "mixes addresses and domains; write one list for each")
    return kinds


def _matching(table: TomlTable, key: str, fullmatch: Callable[[str], re.Match[str] | None]) -> str:
    value = table.text(key)
    if not fullmatch(value):
        raise table.error(key, f"has a shape that is not allowed: {value!r}")
    return value


def _check_key(table: TomlTable, blocklist: Blocklist) -> None:
    if (blocklist.key is None) != (not blocklist.key_zone):
        raise table.error("key_zone", "and key go together: one of them is missing")
    if blocklist.key_zone and "{key}" not in blocklist.key_zone:
        raise table.error("key_zone", "must hold {key}")
    table.check_placeholders("key_zone", blocklist.key_zone, frozenset({"key"}))
    if blocklist.needs_key and not blocklist.key_zone:
        raise table.error("key_zone", "is missing, and the list needs a key")


def _removal(table: TomlTable, placeholder: frozenset[str]) -> Removal:
    removal = Removal(
        party=table.enum("who", RemovalParty),
        form_url=table.url("form", placeholder),
        lookup_url=table.url("look", placeholder),
        expiry=table.text("expiry", ""),
        remediation=table.text("step", ""),
        preconditions=table.texts("preconditions"),
    )
    note = table.text("note", "")
    table.end()
    if removal.party is RemovalParty.NOBODY and not note:
        raise table.error("note", "is missing: say why nobody removes an entry")
    if not (removal.form_url or removal.lookup_url):
        raise table.error("form", "and look are both missing: a person needs one of them")
    return removal


def _code_table(
    table: TomlTable,
    refusals: Mapping[str, ReturnCode],
    defaults: tuple[str, Severity, Removal],
    placeholder: frozenset[str],
) -> CodeTable:
    reads = table.enum("reads", CodeFormat, CodeFormat.CODES)
    codes = table.table("codes")
    codes_of_list = {text: _code(codes.table(text), *defaults, placeholder) for text in codes}
    if not codes_of_list:
        raise table.error("codes", "is missing: no answer would have a meaning")
    common, common_patterns = _sort(codes, refusals)
    if reads is CodeFormat.BITS:
        return CodeTable(common, _flags(codes, codes_of_list), common_patterns)
    exact, patterns = _sort(codes, codes_of_list)
    return CodeTable({**common, **exact}, {}, common_patterns + patterns)


def _flags(table: TomlTable, codes: Mapping[str, ReturnCode]) -> dict[int, ReturnCode]:
    if invalid := next((text for text in codes if text not in FLAGS), None):
        raise table.error(invalid, "must be a flag: 1, 2, 4, 8, 16, 32, 64 or 128")
    return {int(text): code for text, code in codes.items()}


def _sort(
    table: TomlTable, codes: Mapping[str, ReturnCode]
) -> tuple[dict[str, ReturnCode], tuple[tuple[Pattern, ReturnCode], ...]]:
    patterns = {text: _pattern(table, text) for text in codes}
    exact = {text: code for text, code in codes.items() if patterns[text].is_exact}
    return exact, tuple((patterns[text], code) for text, code in codes.items() if text not in exact)


def _pattern(table: TomlTable, text: str) -> Pattern:
    try:
        return Pattern.parse(text)
    except ValueError:
        raise table.error(text, "is not an answer such as 127.0.0.2, 127.0.0.4-7 or 127.0.*.3") from None


def _code(
    table: TomlTable, name: str, severity: Severity, removal: Removal, placeholder: frozenset[str] = frozenset()
) -> ReturnCode:
    code = ReturnCode(
        effect=table.enum("effect", Effect),
        meaning=table.text("means"),
        name=table.text("name", name),
        severity=table.enum("severity", Severity, severity),
        removal=_removal(table.table("removal"), placeholder) if table.has("removal") else removal,
        sublist=table.text("sublist", ""),
        reason=table.text("reason", ""),
    )
    table.end()
    if code.effect.is_answer == bool(code.reason):
        raise table.error("reason", "belongs to the effects refused and error, and to them alone")
    return code
