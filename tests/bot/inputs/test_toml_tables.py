"""TOML data files: the sentence about a problem names the file, the table and the key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, TypeAdapter, field_validator, model_validator

from bot.inputs.toml_tables import (
    Count,
    DataFileError,
    Day,
    Flag,
    Table,
    Tables,
    Text,
    Texts,
    Url,
    key_error,
    load_toml,
    validate,
)


class Stop(Table):
    id: Text
    platforms: tuple[Count, ...] = ()
    page: Url = ""

    @model_validator(mode="after")
    def check(self):
        if self.id == "depot" and self.page:
            raise key_error("must be left out at the depot", "page")
        return self


class Line(Table):
    color: Text
    night: Flag = False
    opened: Day | None = None
    zones: Texts = ()
    stops: Annotated[tuple[Stop, ...], Tables, Field(alias="stop")] = ()

    @field_validator("color")
    @classmethod
    def check_color(cls, color):
        if color == "red":
            raise ValueError("must not be red")
        return color


LINES = TypeAdapter(dict[str, Line])
STOP = '[a]\ncolor = "blue"\n[[a.stop]]\nid = "north"\n[[a.stop]]\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a = 1", "the lines: a must be a table, not 1."),
        ("[a]", "a: color is missing."),
        ('[a]\ncolor = ""', 'a: color must be text that is not empty, not "".'),
        ('[a]\ncolor = "red"', "a: color must not be red."),
        ('[a]\ncolour = "blue"', "a: colour is not a key of this table; color is."),
        ('[a]\ncolor = "blue"\nprice = 1', "a: price is not a key of this table."),
        ('[a]\ncolor = "blue"\nnight = 1', "a: night must be true or false, not 1."),
        (
            '[a]\ncolor = "blue"\nopened = "May"',
            'a: opened must be a date without quotation marks, such as 2026-11-24, not "May".',
        ),
        (
            '[a]\ncolor = "blue"\nzones = "A"',
            'a: zones must be a list in square brackets, such as ["one", "two"], not "A".',
        ),
        ('[a]\ncolor = "blue"\nzones = ["A", 2]', "a: zones must be text in quotation marks, not 2."),
        ('[a]\ncolor = "blue"\nstop = {}', "a: stop must be a list of tables, each under [[stop]]."),
        (STOP, "a, stop 2: id is missing."),
        (f'{STOP}id = "south"\nplatforms = [0]', 'a, stop "south": platforms must be a whole number above 0, not 0.'),
        (f'{STOP}id = "south"\npage = "south.html"', 'a, stop "south": page must start with https:// or http://.'),
        (f'{STOP}id = "depot"\npage = "https://a.example/"', 'a, stop "depot": page must be left out at the depot.'),
        (f'[a]\ncolor = "blue"\nnight = "{"x" * 50}"', f'a: night must be true or false, not "{"x" * 39}….'),
    ],
)
def test_validate_problem_names_table_and_key(text: str, sentence: str) -> None:
    with pytest.raises(DataFileError) as error:
        validate(tomllib.loads(text), LINES, "the lines")
    assert error.value.problems == (str(error.value),) == (sentence,)


def test_load_toml_problem_names_file(tmp_path: Path) -> None:
    file = tmp_path / "lines.toml"
    file.write_text('[a]\ncolor = "blue"\n[b]\ncolor = 1\nnight = 1\n', encoding="utf-8")
    with pytest.raises(DataFileError) as error:
        load_toml(file, LINES)
    assert error.value.problems == (
        f"{file}: b: color must be text in quotation marks, not 1.",
        f"{file}: b: night must be true or false, not 1.",
    )


def test_table_is_frozen() -> None:
    line = Line(color="blue")
    with pytest.raises(ValueError, match="frozen"):
        line.color = "green"
