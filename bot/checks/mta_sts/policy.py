"""The record and the policy of MTA-STS as RFC 8461 §3.1 and §3.2 define them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.checks.lookups import readable
from bot.probe_results import covers

VERSION = "v=STSv1;"  # texts that begin otherwise are not looked at by senders (§3.1)
ALMOST = re.compile(r"\s*v\s*=\s*sts", re.IGNORECASE)
FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=([!-:<>-~]+)")
ID = re.compile(r"[A-Za-z0-9]{1,32}")
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
HOST = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{1,63}", re.IGNORECASE)
SECONDS = re.compile(r"[0-9]{1,10}")
MODES = ("enforce", "testing", "none")
LONGEST_AGE = 31_557_600  # a year
SPACE = " \t"


class Unusable(ValueError):
    """Senders act as if it were not there; the message completes "… cannot be used: "."""


@dataclass(frozen=True, slots=True)
class Policy:
    """`exchanges` are the names of mail servers, each perhaps with `*.` for one label; `max_age` is in seconds."""

    mode: str
    max_age: int
    exchanges: tuple[str, ...]

    def allows(self, host: str) -> bool:
        return any(covers(pattern, host) for pattern in self.exchanges)


def find_records(texts: Sequence[str]) -> list[str]:
    """The TXT strings that senders take for a record, or else those that were surely meant to be one."""
    return [text for text in texts if text.startswith(VERSION)] or [text for text in texts if ALMOST.match(text)]


def read_id(record: str) -> str:
    """The id of a record; raises Unusable."""
    if not record.startswith(VERSION):
        raise Unusable(f"it does not begin with {VERSION}")
    fields: dict[str, str] = {}
    for part in record.removeprefix(VERSION).strip(SPACE).removesuffix(";").split(";"):
        field = FIELD.fullmatch(part.strip(SPACE))
        if field is None:
            raise Unusable(f"“{readable(part.strip(SPACE))}” is not of the form name=value")
        fields.setdefault(field[1], field[2])
    if not ID.fullmatch(fields.get("id", "")):
        raise Unusable("its id is not 1 to 32 letters and digits")
    return fields["id"]


def read_policy(text: str) -> Policy:
    """The policy in the text of the page; raises Unusable. A key that is given twice counts once, but for mx."""
    fields: dict[str, list[str]] = {}
    for line in filter(None, (line.rstrip("\r \t") for line in text.split("\n"))):
        key, colon, value = line.partition(":")
        if not colon or not KEY.fullmatch(key):
            raise Unusable(f"the line “{readable(line)}” is not of the form key: value")
        fields.setdefault(key, []).append(value.strip(SPACE))
    first = {key: values[0] for key, values in fields.items()}
    if first.get("version") != "STSv1":
        raise Unusable("it has no line “version: STSv1”")
    if first.get("mode") not in MODES:
        raise Unusable("its mode is none of enforce, testing and none")
    return Policy(first["mode"], _age(first.get("max_age", "")), _exchanges(first["mode"], fields.get("mx", [])))


def _age(text: str) -> int:
    if not SECONDS.fullmatch(text) or int(text) > LONGEST_AGE:
        raise Unusable(f"its max_age is not a number of seconds up to {LONGEST_AGE} (a year)")
    return int(text)


def _exchanges(mode: str, names: Sequence[str]) -> tuple[str, ...]:
    if not names and mode != "none":
        raise Unusable("it names no mail server (mx)")
    wrong = next((name for name in names if not HOST.fullmatch(name)), None)
    if wrong is not None:
        raise Unusable(f"“{readable(wrong)}” is not the name of a mail server")
    return tuple(name.lower() for name in names)
