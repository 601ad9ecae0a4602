"""MTA-STS records and policies (RFC 8461 §3.1, §3.2). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.checks.finding_codes import BadText
from bot.checks.lookups import readable
from bot.probe_results import name_covers

VERSION = "v=STSv1;"  # senders ignore other texts (§3.1)
MALFORMED_RECORD = re.compile(r"\s*v\s*=\s*sts", re.IGNORECASE)
FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=([!-:<>-~]+)")
ID = re.compile(r"[A-Za-z0-9]{1,32}")
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
HOST = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{1,63}", re.IGNORECASE)
SECONDS = re.compile(r"[0-9]{1,10}")
MODES = ("enforce", "testing", "none")
MAX_AGE_LIMIT_S = 31_557_600  # one year
SPACE = " \t"


class BadMtaSts(BadText):
    """Senders ignore the record or policy; the problem is a key of `messages.PROBLEMS`."""


@dataclass(frozen=True, slots=True)
class MtaStsPolicy:
    """An MTA-STS policy: MX patterns, with `*.` for one label, and `max_age` in seconds."""

    mode: str
    max_age: int
    mx_patterns: tuple[str, ...]

    def allows(self, host: str) -> bool:
        return any(name_covers(pattern, host) for pattern in self.mx_patterns)


def find_records(texts: Sequence[str]) -> list[str]:
    """The TXT strings that are records, else those that are malformed ones."""
    return [text for text in texts if text.startswith(VERSION)] or [
        text for text in texts if MALFORMED_RECORD.match(text)
    ]


def parse_record_id(record: str) -> str:
    """The id of a record. Raises BadMtaSts."""
    if not record.startswith(VERSION):
        raise BadMtaSts("version")
    fields: dict[str, str] = {}
    for part in record.removeprefix(VERSION).strip(SPACE).removesuffix(";").split(";"):
        match = FIELD.fullmatch(part.strip(SPACE))
        if match is None:
            raise BadMtaSts("field", text=readable(part.strip(SPACE)))
        fields.setdefault(match[1], match[2])
    if not ID.fullmatch(fields.get("id", "")):
        raise BadMtaSts("id")
    return fields["id"]


def parse_policy(text: str) -> MtaStsPolicy:
    """Parse a policy file; of duplicate keys other than mx the first counts. Raises BadMtaSts."""
    fields: dict[str, list[str]] = {}
    for line in filter(None, (line.rstrip("\r \t") for line in text.split("\n"))):
        key, colon, value = line.partition(":")
        if not colon or not KEY.fullmatch(key):
            raise BadMtaSts("line", text=readable(line))
        fields.setdefault(key, []).append(value.strip(SPACE))
    first = {key: values[0] for key, values in fields.items()}
    if first.get("version") != "STSv1":
        raise BadMtaSts("policy-version")
    if first.get("mode") not in MODES:
        raise BadMtaSts("mode")
    return MtaStsPolicy(
        first["mode"], _parse_max_age(first.get("max_age", "")), _parse_mx_patterns(first["mode"], fields.get("mx", []))
    )


def _parse_max_age(text: str) -> int:
    if not SECONDS.fullmatch(text) or int(text) > MAX_AGE_LIMIT_S:
        raise BadMtaSts("max-age", limit=MAX_AGE_LIMIT_S)
    return int(text)


def _parse_mx_patterns(mode: str, names: Sequence[str]) -> tuple[str, ...]:
    if not names and mode != "none":
        raise BadMtaSts("no-mx")
    bad_name = next((name for name in names if not HOST.fullmatch(name)), None)
    if bad_name is not None:
        raise BadMtaSts("mx", text=readable(bad_name))
    return tuple(name.lower() for name in names)
