"""One TOML table, read key by key: whatever is wrong is said in one sentence that names the table and the key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeVar

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
