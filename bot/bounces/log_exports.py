"""Logs and events exported as JSON: journald, Docker and log stores, and the webhooks of mail services.

Which keys mean what stands in log_exports.toml. One object is read at a time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from bot.bounces.log_families import QUOTED_REPLY
from bot.bounces.log_lines import LogEvent, LogLine, State, split_line
from bot.bounces.rule_files import ExportsFile, ExportTable, WrappedTable, load_file

MAX_OBJECT_CHARS = 16 * 2**20
MAX_DEPTH = 8
TOKEN = re.compile(r'["{}\[\]]')
STRING_END = re.compile(r'["\\]')
STATES = (("sent", State.SENT), ("deferred", State.DEFERRED), ("bounced", State.BOUNCED))
ENHANCED_ONLY = re.compile(r"[45]\.\d{1,3}\.\d{1,3}$")


@cache
def load_exports() -> ExportsFile:
    """The table of exports. Raises ValueError that names the bad key."""
    return load_file("log_exports.toml", ExportsFile)


def read_json(lines: Iterable[str]) -> Iterator[LogEvent | LogLine]:
    """Events of mail services, and log lines that were wrapped in JSON, from objects in a row or in a list."""
    for value in parse_objects(lines):
        yield from _events(value, 0)


def parse_objects(lines: Iterable[str]) -> Iterator[Any]:
    """The outermost JSON objects; those longer than `MAX_OBJECT_CHARS`, or broken, are left out."""
    scan = _ObjectScan()
    for line in lines:
        is_object = scan.depth == 0 and line.startswith("{") and line.endswith(("}", "},"))
        if is_object and (value := _loads(line.rstrip(","))):
            yield value
            continue
        for text in scan.feed(line):
            if value := _loads(text):
                yield value


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


class _ObjectScan:
    """Finds the ends of the outermost objects in text that comes in lines."""

    def __init__(self) -> None:
        self.depth = 0
        self._in_string = False
        self._parts: list[str] = []
        self._size = 0

    def feed(self, line: str) -> Iterator[str]:
        """The objects that end in this line."""
        start = position = 0
        while match := (STRING_END if self._in_string else TOKEN).search(line, position):
            position = match.end()
            if self._in_string:
                self._in_string = match[0] != '"'
                position += match[0] == "\\"
            elif match[0] == '"':
                self._in_string = self.depth > 0
            elif match[0] == "{":
                start = match.start() if self.depth == 0 else start
                self.depth += 1
            elif self.depth:
                self.depth -= 1
                if self.depth == 0:
                    yield "".join((*self._parts, line[start:position]))
                    self._parts, self._size = [], 0
        if self.depth and self._size <= MAX_OBJECT_CHARS:
            self._size += len(line) - start
            self._parts += (line[start:], "\n")


def _events(value: Any, depth: int) -> Iterator[LogEvent | LogLine]:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, list):
        for item in value:
            yield from _events(item, depth + 1)
    elif isinstance(value, dict):
        exports = load_exports()
        if export := next((export for export in exports.export if _has_keys(value, export.when)), None):
            yield from _service_events(value, export)
        elif line := _wrapped_line(value, exports.wrapped):
            yield from line if isinstance(line, tuple) else _events(line, depth + 1)
        else:
            yield from _inner_events(value, depth)


def _inner_events(value: Mapping[str, Any], depth: int) -> Iterator[LogEvent | LogLine]:
    """Events in the values of an object of no known service; of its texts, those that quote an SMTP reply."""
    for item in value.values():
        if isinstance(item, str):
            if item.startswith(("{", "[")) and (inner := _loads(item)):
                yield from _events(inner, depth + 1)
            elif QUOTED_REPLY.search(item):
                yield LogLine(item, item)
        else:
            yield from _events(item, depth + 1)


def _has_keys(value: Mapping[str, Any], conditions: Iterable[str]) -> bool:
    for condition in conditions:
        key, has_value, expected = condition.partition("=")
        found = value.get(key)
        if found is None or (has_value and found != expected):
            return False
    return True


def _service_events(value: Mapping[str, Any], export: ExportTable) -> Iterator[LogEvent]:
    happened = str(_at(value, export.state) or "") if export.state else ""
    state = next((state for name, state in STATES if happened in getattr(export, name)), None)
    if state is None:
        return
    items = _at(value, export.each) if export.each else [{}]
    for item in items if isinstance(items, list) else ():
        both = {**value, **item} if isinstance(item, dict) else value
        reply = _first(both, export.reply)
        code = _first(both, export.code)
        if state is not State.SENT and (not reply or reply in export.ignored):
            continue
        if ENHANCED_ONLY.match(reply):
            reply = f"Status: {reply}"
        yield LogEvent(
            state, reply or happened, _first(both, export.message), _first(both, export.recipient),
            reply if not code or reply.startswith(code) else f"{code} {reply}", _first(both, export.status) or None,
            _first(both, export.host) or None,
        )  # fmt: skip


def _at(value: Any, path: str) -> Any:
    """The value at a dotted path; None if there is none."""
    for key in path.split("."):
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def _first(value: Mapping[str, Any], paths: Iterable[str]) -> str:
    """The first text or number at one of the paths; an empty string if there is none."""
    for path in paths:
        found = value.get(path) or _at(value, path)
        if isinstance(found, str | int) and found:
            return str(found)
    return ""


def _wrapped_line(value: Mapping[str, Any], wrapped: WrappedTable) -> tuple[LogLine] | Any:
    """The log line in an object, or the value that its text is as JSON; None without one."""
    for key in wrapped.line:
        text = value.get(key)
        if isinstance(text, list) and text and all(isinstance(byte, int) and 0 <= byte < 256 for byte in text):
            text = bytes(text).decode("utf-8", "replace")  # journald gives bytes where a line is no UTF-8
        if isinstance(text, str):
            if text.startswith(("{", "[")) and (inner := _loads(text)):
                return inner
            return (_log_line(text.strip(), value, wrapped),)
    return None


def _log_line(text: str, value: Mapping[str, Any], wrapped: WrappedTable) -> LogLine:
    if line := split_line(text):
        return line
    program, process = _first(value, wrapped.program), _first(value, wrapped.process)
    shown = f"{program}[{process}]: {text}" if process else f"{program}: {text}" if program else text
    return LogLine(shown, text, program, process)
