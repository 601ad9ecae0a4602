"""TOML data files as pydantic models; a problem is one sentence with file, table and key.

A file's tables are subclasses of `Table`; `load_toml` reads a file and `validate` checks a document
that is read already. A validator raises ValueError with a text that follows the name of its key
("must be …"), or `key_error` to name another key of the table.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

T = TypeVar("T")

MAX_SHOWN_CHARS = 40
NAME_KEYS = ("id", "name")  # a table in a list of tables is named by the first of them that it has
LIST = 'a list in square brackets, such as ["one", "two"]'
# What is expected, by type of a pydantic error; `{ctx}` keys are pydantic's.
EXPECTED = {
    "string_type": "text in quotation marks",
    "string_too_short": "text that is not empty",
    "enum": "{expected}",
    "literal_error": "{expected}",
    "int_type": "a whole number",
    "greater_than": "a whole number above {gt}",
    "bool_type": "true or false",
    "tuple_type": LIST,
    "list_type": LIST,
    "frozen_set_type": LIST,
    "date_type": "a date without quotation marks, such as 2026-11-24",
    "dict_type": "a table",
    "model_type": "a table",
}


class DataFileError(ValueError):
    """A data file cannot be used; `problems` are sentences, the message is the first of them."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems[0])


class Table(BaseModel):
    """A TOML table: frozen, and with no key that is not a field."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _reject_unknown_keys(cls, table: Any) -> Any:
        if isinstance(table, Mapping):
            known = {field.alias or name for name, field in cls.model_fields.items()}
            for key in table:
                if key not in known:
                    near = get_close_matches(str(key), known, 1)
                    hint = f"; {near[0]} is" if near else ""
                    raise key_error(f"is not a key of this table{hint}", key)
        return table


def _check_tables(value: object) -> object:
    if not isinstance(value, list):
        raise PydanticCustomError("tables_type", "must be a list of tables")
    return value


def _check_url(url: str) -> str:
    if url and not url.startswith(("https://", "http://")):
        raise ValueError("must start with https:// or http://")
    return url


Text = Annotated[str, Field(min_length=1)]
Texts = tuple[Text, ...]
Count = Annotated[int, Field(strict=True, gt=0)]
Flag = StrictBool
Day = Annotated[date, Field(strict=True)]  # TOML has a type of its own for it
Url = Annotated[str, AfterValidator(_check_url)]  # or an empty text
Tables = BeforeValidator(_check_tables)  # for tuple[…Table, ...]


def key_error(problem: str, *keys: str) -> PydanticCustomError:
    """Return the error of a key below the validated table, which `keys` lead to."""
    return PydanticCustomError("key_error", "{problem}", {"keys": keys, "problem": problem})


def load_toml(file: Path | Traversable, adapter: TypeAdapter[T], title: str = "") -> T:
    """Read and validate a TOML file. Raises DataFileError."""
    return validate(read_toml(file), adapter, title, file)


def read_toml(file: Path | Traversable) -> dict[str, Any]:
    """Read a TOML file. Raises DataFileError if that is not possible."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))  # some editors write a byte order mark
    except OSError as error:
        raise DataFileError([f"{file} cannot be read: {error.strerror or error}."]) from None
    except ValueError as error:  # not UTF-8, or not TOML
        raise DataFileError([f"{file} is not a TOML file: {error}."]) from None


def validate(
    document: Mapping[str, Any], adapter: TypeAdapter[T], title: str = "", file: Path | Traversable | None = None
) -> T:
    """Validate a TOML document. Raises DataFileError; `title` stands for the top-level table."""
    try:
        return adapter.validate_python(document)
    except ValidationError as error:
        prefix = f"{file}: " if file else ""
        raise DataFileError(prefix + problem for problem in problem_sentences(error, document, title)) from None


def problem_sentences(error: ValidationError, document: Any, title: str = "") -> list[str]:
    """Return a sentence for each problem, such as `list "zen", removal: who is missing.`"""
    return [_sentence(details, document, title) for details in error.errors(include_url=False)]


def _sentence(details: ErrorDetails, document: Any, title: str) -> str:
    names = _names(details["loc"], document)
    if details["type"] == "key_error":
        names.extend(details["ctx"]["keys"])
    *tables, key = names or [title]
    table = ", ".join(tables) or title
    return f"{table}: {key} {_problem(details)}." if table and table != key else f"{key} {_problem(details)}."


def _names(loc: Sequence[int | str], document: Any) -> list[str]:
    """Return the names of the tables on the way to a value, and of its key.

    A position stands for a table if there is one; the position of a text in a list is left out.
    """
    names: list[str] = []
    value = document
    for part in loc:
        if part == "[key]":
            continue
        value = _child(value, part)
        if isinstance(part, str):
            names.append(part)
        elif isinstance(value, Mapping):
            name = next((value[key] for key in NAME_KEYS if isinstance(value.get(key), str)), None)
            names[-1] = f'{names[-1]} "{name}"' if name else f"{names[-1]} {part + 1}"
    return names


def _child(value: Any, part: int | str) -> Any:
    try:
        return value[part]
    except (KeyError, IndexError, TypeError):
        return None


def _problem(details: ErrorDetails) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not a key of this table"
    if kind == "value_error":
        return str(context["error"])
    if kind == "key_error":
        return str(context["problem"])
    if kind == "tables_type":
        return f"must be a list of tables, each under [[{details['loc'][-1]}]]"
    if kind == "too_short":
        return "must not be empty"
    if kind not in EXPECTED:
        return f"is wrong: {details['msg']}"
    return f"must be {EXPECTED[kind].format_map(context)}, not {shown(details['input'])}"


def shown(value: Any) -> str:
    """Return a value as it stands in a TOML file, shortened."""
    if isinstance(value, Mapping):
        return "a table"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}…"
