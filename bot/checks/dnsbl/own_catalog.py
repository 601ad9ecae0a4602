"""A file of the operator that adds to the built-in catalog: lists disabled, changed and added."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, model_validator

from bot.inputs.toml_tables import DataFileError, Table, Tables, Texts, key_error, validate

TITLE = "the catalog"
REPLACES = 'needs extends = "builtin" at the top of the file; without it the file replaces the built-in catalog'
NO_EXTENDS = 'extends = "builtin" is missing at the top of the file; a file that replaces the catalog has [refusals]'
NO_ID = "is missing: the id of a built-in list changes that list, another id adds one"
Document = Mapping[str, Any]


class OwnCatalogFile(Table):
    """The file: `extends`, the ids of built-in lists to `disable`, and tables that change or add lists."""

    extends: Literal["builtin"]
    disable: Texts = ()
    refusals: Annotated[dict[str, Any], Field(default_factory=dict)]
    lists: Annotated[tuple[dict[str, Any], ...], Tables, Field(alias="list")] = ()

    @model_validator(mode="after")
    def _check(self) -> OwnCatalogFile:
        ids = [table.get("id") for table in self.lists]
        for number, list_id in enumerate(ids, 1):
            if not isinstance(list_id, str) or not list_id:
                raise key_error(NO_ID, f"list {number}", "id")
            if ids.index(list_id) != number - 1:
                raise key_error("is in two tables", f"id {list_id}")
            if list_id in self.disable:
                raise key_error("is disabled and has a table; keep one of them", f"id {list_id}")
        return self


def extended_document(own: Document, builtin: Document, file: Path | None = None) -> Document:
    """Return the built-in document with the changes of the operator's file. Raises DataFileError.

    A file without `extends` replaces the built-in one and is returned as it is.
    """
    if "extends" not in own:
        if "disable" in own:
            raise _error(f"disable {REPLACES}", file)
        if "refusals" not in own:
            raise _error(NO_EXTENDS, file)
        return own
    changes = validate(own, TypeAdapter(OwnCatalogFile), TITLE, file)
    tables = {table["id"]: table for table in builtin["list"]}
    for list_id in changes.disable:
        if list_id not in tables:
            near = get_close_matches(list_id, tables, 1)
            hint = f"; {near[0]} is" if near else ""
            raise _error(f'disable names "{list_id}", which is not a built-in list{hint}', file)
    for list_id in changes.disable:
        tables.pop(list_id, None)
    for table in changes.lists:
        tables[table["id"]] = _overridden(tables.get(table["id"], {}), table)
    return {"refusals": {**builtin["refusals"], **changes.refusals}, "list": list(tables.values())}


def _error(problem: str, file: Path | None) -> DataFileError:
    return DataFileError([f"{f'{file}: ' if file else ''}{TITLE}: {problem}."])


def _overridden(table: Document, changes: Document) -> dict[str, Any]:
    """Return the table with the changed keys; tables inside it are changed key by key."""
    changed = dict(table)
    for key, value in changes.items():
        current = table.get(key)
        changed[key] = (
            _overridden(current, value) if isinstance(value, Mapping) and isinstance(current, Mapping) else value
        )
    return changed
