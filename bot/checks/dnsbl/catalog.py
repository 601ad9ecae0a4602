"""One TOML table, read key by key: whatever is wrong is said in one sentence that names the table and the key.

The blocklists as data: `catalog.toml`, or a file of the same shape, read into frozen values and checked.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from bot.checks.dnsbl.return_codes import Code, CodeTable, Effect, Pattern, Removal, Severity, Who

Word = TypeVar("Word", bound=StrEnum)


class CatalogueError(ValueError):
    """The catalogue of blocklists cannot be used; the message is one sentence that names the table and the key."""


class TomlTable:
    """Takes each key out once; `end` refuses what is left over, which is most often a misspelt key."""

    def __init__(self, table: object, name: str) -> None:
        self.name = name
        if not isinstance(table, Mapping):
            raise CatalogueError(f"{name} must be a table.")
        self._left: dict[str, Any] = dict(table)

    def wrong(self, key: str, what: str) -> CatalogueError:
        return CatalogueError(f"{self.name}: {key} {what}.")

    def has(self, key: str) -> bool:
        return key in self._left

    def text(self, key: str, default: str | None = None) -> str:
        value = self._left.pop(key, default)
        if value is None:
            raise self.wrong(key, "is missing")
        if not isinstance(value, str) or (not value and default is None):
            raise self.wrong(key, "must be a text in quotation marks that is not empty")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._left.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self.wrong(key, 'must be a list of texts, like ["ip4", "ip6"]')
        return tuple(value)

    def word(self, key: str, words: type[Word], default: Word | None = None) -> Word:
        return self.as_word(key, self.text(key, default), words)

    def as_word(self, key: str, text: str, words: type[Word]) -> Word:
        if text not in set(words):
            raise self.wrong(key, f"must be one of {', '.join(words)}, not {text!r}")
        return words(text)

    def count(self, key: str) -> int | None:
        value = self._left.pop(key, None)
        if value is not None and (type(value) is not int or value < 1):
            raise self.wrong(key, "must be a whole number above 0")
        return value

    def flag(self, key: str) -> bool:
        value = self._left.pop(key, False)
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false")
        return value

    def url(self, key: str, placeholders: frozenset[str] = frozenset()) -> str:
        """An http(s) address, or nothing; `{…}` may hold only one of the placeholders."""
        value = self.text(key, "")
        if value and not value.startswith(("https://", "http://")):
            raise self.wrong(key, "must start with https:// or http://")
        self.check_placeholders(key, value, placeholders)
        return value

    def check_placeholders(self, key: str, value: str, allowed: frozenset[str]) -> None:
        bare = value
        for placeholder in allowed:
            bare = bare.replace("{" + placeholder + "}", "")
        if "{" in bare or "}" in bare:
            names = " and ".join("{" + name + "}" for name in sorted(allowed))
            raise self.wrong(key, f"may have no placeholder but {names}" if names else "may have no placeholder")

    def table(self, key: str) -> TomlTable:
        value = self._left.pop(key, {})
        if not isinstance(value, Mapping):
            raise self.wrong(key, "must be a table")
        return TomlTable(value, f"{self.name}, {key}")

    def tables(self, key: str) -> tuple[object, ...]:
        value = self._left.pop(key, [])
        if not isinstance(value, list):
            raise self.wrong(key, f"must be a list of tables, each under [[{key}]]")
        return tuple(value)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._left))

    def end(self) -> None:
        if self._left:
            raise self.wrong(next(iter(self._left)), "is not a key of this table")


__all__ = ["Blocklist", "Catalogue", "CatalogueError", "Controls", "Key", "Kind", "Nature", "load"]

BUILT_IN = Path(__file__).with_name("catalog.toml")
ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
ZONE = re.compile(r"([a-z0-9_]([a-z0-9_-]*[a-z0-9])?\.)+[a-z0-9-]+")
FLAGS = frozenset(str(1 << bit) for bit in range(8))


class Kind(StrEnum):
    """What a list holds."""

    IP4 = "ip4"
    IP6 = "ip6"
    DOMAIN = "domain"


class Nature(StrEnum):
    """What the list is about: proof of abuse, a rule on who may send, plain information, or praise."""

    EVIDENCE = "evidence"
    POLICY = "policy"
    INFO = "info"
    ALLOW = "allow"


class Controls(StrEnum):
    """Which test points of RFC 5782 section 5 the list keeps."""

    BOTH = "both"
    MUST_NOT_ONLY = "must_not_only"
    NONE = "none"


class Key(StrEnum):
    """The setting that holds the key of a key zone."""

    SPAMHAUS = "spamhaus"
    ABUSIX = "abusix"


class Reads(StrEnum):
    CODES = "codes"
    BITS = "bits"


# The entry that must be there and the one that must not (RFC 5782 section 5); IPv6 uses the IPv4 points where it can.
TEST_POINTS = {
    Kind.IP4: ("127.0.0.2", "127.0.0.1"),
    Kind.IP6: ("::ffff:7f00:2", "::ffff:7f00:1"),
    Kind.DOMAIN: ("test", "invalid"),
}


@dataclass(frozen=True, slots=True)
class Blocklist:
    """One list. `zone` may be shown; `key_zone` has `{key}` where a secret goes. `must_list`, `must_not_list`: test points.

    `per_day` and `per_second` are the operator's limits in questions; `ip6_prefix` is what one IPv6 entry stands for.
    """

    id: str
    name: str
    operator: str
    zone: str
    kinds: frozenset[Kind]
    nature: Nature
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
    ip6_prefix: int | None = None
    per_day: int | None = None
    per_second: int | None = None
    register: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every list, the ones that stop most mail first."""

    lists: tuple[Blocklist, ...]

    def of(self, list_id: str) -> Blocklist | None:
        return next((blocklist for blocklist in self.lists if blocklist.id == list_id), None)


def load(path: Path | None = None) -> Catalogue:
    """The built-in catalogue, or the file that replaces it. Raises CatalogueError with the file, the table and the key."""
    file = path or BUILT_IN
    try:
        return read(tomllib.loads(file.read_text(encoding="utf-8")))
    except CatalogueError as error:
        raise CatalogueError(f"{file}: {error}") from None
    except OSError as error:
        raise CatalogueError(f"{file} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:  # not UTF-8, or not TOML
        raise CatalogueError(f"{file} is not a TOML file: {error}.") from None


def read(document: Mapping[str, Any]) -> Catalogue:
    """A catalogue from parsed TOML. Raises CatalogueError."""
    top = TomlTable(document, "the catalogue")
    refusals = _refusals(top.table("refusals"))
    lists = tuple(_blocklist(table, number, refusals) for number, table in enumerate(top.tables("list"), 1))
    top.end()
    if not lists:
        raise top.wrong("list", "is missing: there must be at least one [[list]]")
    _refuse_doubles("id", (blocklist.id for blocklist in lists))
    _refuse_doubles("zone", (f"{blocklist.zone} ({kind})" for blocklist in lists for kind in blocklist.kinds))
    return Catalogue(lists)


def _refuse_doubles(key: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise CatalogueError(f"the catalogue: {key} {value} is in two lists.")
        seen.add(value)


def _refusals(table: TomlTable) -> Mapping[str, Code]:
    nobody = Removal(Who.NOBODY)
    codes = {text: _code(table.table(text), "", Severity.NONE, nobody) for text in table}
    if not codes:
        raise CatalogueError("the catalogue: refusals is missing; it says which answers are no answers.")
    for text, code in codes.items():
        _pattern(table, text)
        if code.effect.is_answer:
            raise table.wrong(text, "must have the effect refused or error")
    return codes


def _blocklist(source: object, number: int, refusals: Mapping[str, Code]) -> Blocklist:
    list_id = source.get("id") if isinstance(source, Mapping) else None
    table = TomlTable(source, f'list "{list_id}"' if isinstance(list_id, str) else f"list {number}")
    kinds = _kinds(table)
    placeholder = frozenset({"domain" if Kind.DOMAIN in kinds else "ip"})
    name = table.text("name")
    severity = table.word("severity", Severity)
    removal = _removal(table.table("removal"), placeholder)
    must_list, must_not_list = TEST_POINTS[min(kinds, key=list(Kind).index)]
    blocklist = Blocklist(
        id=_matching(table, "id", ID),
        name=name,
        operator=table.text("operator"),
        zone=_matching(table, "zone", ZONE),
        kinds=kinds,
        nature=table.word("nature", Nature),
        severity=severity,
        codes=_code_table(table, refusals, (name, severity, removal), placeholder),
        removal=removal,
        controls=table.word("controls", Controls),
        must_list=table.text("must_list", must_list),
        must_not_list=table.text("must_not_list", must_not_list),
        source=table.url("source"),
        key=table.word("key", Key) if table.has("key") else None,
        key_zone=table.text("key_zone", ""),
        needs_key=table.flag("needs_key"),
        ip6_prefix=table.count("ip6_prefix"),
        per_day=table.count("per_day"),
        per_second=table.count("per_second"),
        register=table.url("register"),
    )
    table.end()
    _check_key(table, blocklist)
    return blocklist


def _kinds(table: TomlTable) -> frozenset[Kind]:
    kinds = frozenset(table.as_word("kinds", text, Kind) for text in table.texts("kinds"))
    if not kinds:
        raise table.wrong("kinds", "is missing")
    if Kind.DOMAIN in kinds and len(kinds) > 1:
        raise table.wrong("kinds", "mixes addresses and domains; write one list for each")
    return kinds


def _matching(table: TomlTable, key: str, shape: re.Pattern[str]) -> str:
    value = table.text(key)
    if not shape.fullmatch(value):
        raise table.wrong(key, f"has a shape that is not allowed: {value!r}")
    return value


def _check_key(table: TomlTable, blocklist: Blocklist) -> None:
    if (blocklist.key is None) != (not blocklist.key_zone):
        raise table.wrong("key_zone", "and key go together: one of them is missing")
    if blocklist.key_zone and "{key}" not in blocklist.key_zone:
        raise table.wrong("key_zone", "must hold {key}")
    table.check_placeholders("key_zone", blocklist.key_zone, frozenset({"key"}))
    if blocklist.needs_key and not blocklist.key_zone:
        raise table.wrong("key_zone", "is missing, and the list needs a key")


def _removal(table: TomlTable, placeholder: frozenset[str]) -> Removal:
    removal = Removal(
        who=table.word("who", Who),
        form=table.url("form", placeholder),
        look=table.url("look", placeholder),
        expiry=table.text("expiry", ""),
        step=table.text("step", ""),
        note=table.text("note", ""),
        preconditions=table.texts("preconditions"),
    )
    table.end()
    if removal.who is Who.NOBODY and not removal.note:
        raise table.wrong("note", "is missing: say why nobody removes an entry")
    if not (removal.form or removal.look):
        raise table.wrong("form", "and look are both missing: a person needs one of them")
    return removal


def _code_table(
    table: TomlTable, refusals: Mapping[str, Code], usual: tuple[str, Severity, Removal], placeholder: frozenset[str]
) -> CodeTable:
    reads = table.word("reads", Reads, Reads.CODES)
    codes = table.table("codes")
    own = {text: _code(codes.table(text), *usual, placeholder) for text in codes}
    if not own:
        raise table.wrong("codes", "is missing: no answer would have a meaning")
    common, common_patterns = _sort(codes, refusals)
    if reads is Reads.BITS:
        return CodeTable(common, _flags(codes, own), common_patterns)
    exact, patterns = _sort(codes, own)
    return CodeTable({**common, **exact}, {}, common_patterns + patterns)


def _flags(table: TomlTable, codes: Mapping[str, Code]) -> dict[int, Code]:
    if strange := next((text for text in codes if text not in FLAGS), None):
        raise table.wrong(strange, "must be a flag: 1, 2, 4, 8, 16, 32, 64 or 128")
    return {int(text): code for text, code in codes.items()}


def _sort(table: TomlTable, codes: Mapping[str, Code]) -> tuple[dict[str, Code], tuple[tuple[Pattern, Code], ...]]:
    patterns = {text: _pattern(table, text) for text in codes}
    exact = {text: code for text, code in codes.items() if patterns[text].is_exact}
    return exact, tuple((patterns[text], code) for text, code in codes.items() if text not in exact)


def _pattern(table: TomlTable, text: str) -> Pattern:
    try:
        return Pattern.read(text)
    except ValueError:
        raise table.wrong(text, "is not an answer such as 127.0.0.2, 127.0.0.4-7 or 127.0.*.3") from None


def _code(
    table: TomlTable, name: str, severity: Severity, removal: Removal, placeholder: frozenset[str] = frozenset()
) -> Code:
    code = Code(
        effect=table.word("effect", Effect),
        means=table.text("means"),
        name=table.text("name", name),
        severity=table.word("severity", Severity, severity),
        removal=_removal(table.table("removal"), placeholder) if table.has("removal") else removal,
        sublist=table.text("sublist", ""),
        reason=table.text("reason", ""),
    )
    table.end()
    if code.effect.is_answer == bool(code.reason):
        raise table.wrong("reason", "belongs to the effects refused and error, and to them alone")
    return code
