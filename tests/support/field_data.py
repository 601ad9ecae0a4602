"""Refusals, pasted texts and headers with their right answers, and how many of them are read right.

Folders of such files: the own-worded ones of this project, and those that MAILCHECK_FIELD_DATA names.
"""

from __future__ import annotations

import base64
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, get_args

from bot.bounces.classify import Bounce
from bot.bounces.mail_log import decode_lines, find_bounces
from bot.bounces.message_headers import HeaderAnalysis, analyze_headers
from bot.bounces.rule_files import Side
from bot.bounces.rules import load_rules

VARIABLE = "MAILCHECK_FIELD_DATA"
OWN_FOLDER = Path(__file__).parents[1] / "data" / "bounces"
ACCEPTABLE = re.compile(r"also acceptable: ([a-z, -]+)")
CAUSE_COLUMNS = 6
SIDE_NAMES = get_args(Side)
OWN_ID_OR_NULL = "the receiver's own id or null"
# Sides that can be right for a category; a note may say more.
SIDES: Mapping[str, frozenset[str]] = {
    "blocklist": frozenset({"you", "provider", "receiver"}),
    "policy-block-pbl": frozenset({"you", "provider"}),
    "ip-reputation": frozenset({"you", "provider", "receiver", "recipient"}),
    "domain-reputation": frozenset({"you", "provider"}),
    "no-ptr": frozenset({"you", "provider"}),
    "helo": frozenset({"you"}),
    "spf": frozenset({"you"}),
    "dkim": frozenset({"you"}),
    "dmarc": frozenset({"you"}),
    "rate-limit": frozenset({"you", "provider", "receiver", "recipient", "nobody"}),
    "greylist": frozenset({"nobody"}),
    "tls": frozenset({"you", "receiver"}),
    "content": frozenset({"you", "receiver"}),
    "connection": frozenset({"receiver", "nobody", "you"}),
    "mailbox": frozenset({"recipient", "receiver"}),
    "relay": frozenset({"you", "provider", "receiver"}),
    "other": frozenset({"you", "provider", "receiver", "recipient", "forwarder", "nobody"}),
}
NOTED_SIDES: Mapping[str, frozenset[str]] = {
    "own tenant": frozenset({"provider"}),
    "own account": frozenset({"provider"}),
    "own admin": frozenset({"provider"}),
    "OUR resolver": frozenset({"you"}),
    "FORWARDER": frozenset({"forwarder"}),
    "recipient's own list": frozenset({"receiver", "recipient"}),
}


@dataclass(frozen=True, slots=True)
class Judged:
    """One case: its name, what was right, and what was read, each part by name."""

    name: str
    right: Mapping[str, bool]
    read: str


def folders() -> Iterator[Path]:
    """The own folder, then those of the environment variable, parted like PATH."""
    yield OWN_FOLDER
    yield from map(Path, filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)))


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """The cases of one kind: files whose name starts with it, as .jsonl, .json, .toml (tables `[[case]]`) or .txt."""
    cases: list[dict[str, Any]] = []
    for path in sorted(folder.glob(f"{name}*")):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".jsonl":
            cases += map(json.loads, text.splitlines())
        elif path.suffix == ".json":
            cases += json.loads(text)
        elif path.suffix == ".toml":
            cases += tomllib.loads(text)["case"]
        elif path.suffix == ".txt":
            cases += [_columns(line) for line in text.splitlines() if line and not line.startswith("#")]
    return cases


def _columns(line: str) -> dict[str, Any]:
    """`category | ip | list | line`, or with `cause | side` before the line; - is none."""
    parts = line.split(" | ")
    has_cause = len(parts) >= CAUSE_COLUMNS and parts[4] in SIDE_NAMES
    category, ip, list_id, *rest = line.split(" | ", 5 if has_cause else 3)
    row = {"category": category, "ip": ip.strip("-") or None, "list": list_id if list_id != "-" else None}
    return row | ({"cause": rest[0], "side": rest[1]} if has_cause else {}) | {"text": rest[-1]}


def judge_line(row: Mapping[str, Any]) -> Judged:
    """One refusal of bounces*.jsonl; only the first verdict counts."""
    line = row.get("line") or row["text"]
    bounce = next(find_bounces(decode_lines([line.encode()])), None)
    if bounce is None:
        return Judged(line, dict.fromkeys(("category", "ip", "list", "side"), False), "no refusal")
    note = row.get("note", "")
    categories = {row["category"], *(match[1] for match in re.finditer(r"([a-z-]+)", _acceptable(note)))}
    lists = {row.get("list"), *((None, *_own_list_ids()) if OWN_ID_OR_NULL in note else ())}
    right = {
        "category": bounce.category in categories,
        "ip": bounce.ip == row.get("ip"),
        "list": bounce.list in lists,
        "side": bounce.side in _sides(row, categories),
    }
    if "cause" in row:
        right["cause"] = bounce.cause == row["cause"]
    return Judged(line, right, describe(bounce))


def judge_pasted(row: Mapping[str, Any]) -> Judged:
    """One whole input of pasted.json: every refusal in it, in order, and no more."""
    content = base64.b64decode(row["base64"]) if "base64" in row else row["text"].encode()
    found = [[bounce.category, bounce.ip, bounce.list] for bounce in find_bounces(decode_lines([content]))]
    expected = [[value or None for value in refusal] for refusal in row["expect"]]
    return Judged(row["name"], {"refusals": found == expected}, str(found))


def judge_headers(row: Mapping[str, Any]) -> Judged:
    """One set of headers: the egress address, and what may be called passed."""
    analysis = analyze_headers(row["text"])
    expected = row["expect"]
    right = {
        "egress": (analysis.egress.ip if analysis.egress else None) == (expected.get("egress") or None),
        "spf": analysis.alignment.spf == _tristate(expected.get("spf")),
        "dkim": analysis.alignment.dkim == _tristate(expected.get("dkim")),
    }
    return Judged(row["name"], right, describe_headers(analysis))


JUDGES = (("bounces", judge_line), ("pasted", judge_pasted), ("headers", judge_headers))


def shares(judged: Sequence[Judged]) -> dict[str, float]:
    """The share of right answers of each part, and of cases right in all parts."""
    parts = dict.fromkeys(chain.from_iterable(case.right for case in judged))
    result = {
        part: sum(case.right[part] for case in judged if part in case.right)
        / sum(part in case.right for case in judged)
        for part in parts
    }
    return result | ({"whole": sum(all(case.right.values()) for case in judged) / len(judged)} if judged else {})


def describe(bounce: Bounce) -> str:
    """A verdict in three lines."""
    codes = " ".join(str(code) for code in (bounce.smtp_code, bounce.enhanced_code) if code)
    return (
        f"{bounce.category}/{bounce.cause} side={bounce.side} {bounce.direction} ip={bounce.ip} list={bounce.list}"
        f" receiver={bounce.receiver} {codes}\n    {bounce.summary}\n"
        f"    -> {bounce.remediation} {bounce.advice_url or ''}"
    )


def describe_headers(analysis: HeaderAnalysis) -> str:
    """An analysis in one line."""
    ip = analysis.egress.ip if analysis.egress else None
    return f"egress={ip} spf={analysis.alignment.spf} dkim={analysis.alignment.dkim}: {analysis.alignment.summary}"


def _acceptable(note: str) -> str:
    return " ".join(match[1] for match in ACCEPTABLE.finditer(note))


def _sides(row: Mapping[str, Any], categories: set[str]) -> frozenset[str]:
    if "side" in row:
        return frozenset([row["side"]])
    noted = [sides for words, sides in NOTED_SIDES.items() if words in row.get("note", "")]
    if row.get("text", "").startswith(("H=", "NOQUEUE")) or "NOQUEUE" in row.get("line", ""):
        return noted[0] if noted else frozenset({"sender", "you"})
    return noted[0] if noted else frozenset().union(*(SIDES.get(category, frozenset()) for category in categories))


def _tristate(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


@cache
def _own_list_ids() -> frozenset[str]:
    return frozenset(receiver.list for receiver in load_rules().receivers.entries if receiver.list)
