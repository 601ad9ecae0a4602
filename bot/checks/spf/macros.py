"""SPF macros (RFC 7208 §7): `parse` once, `expand` with values. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from bot.checks.finding_codes import BadText
from bot.inputs.domain_names import quoted
from bot.models import Address

MAX_NAME_OCTETS = 253
MAX_LABEL_OCTETS = 63
ONLY_IN_EXPLANATIONS = frozenset("crt")
REVERSE_ZONES = {4: "in-addr", 6: "ip6"}

_EXPAND = re.compile(r"%(?:\{([slodipvhcrt])([0-9]*)(r?)([.\-+,/_=]*)\}|([%_\-]))", re.IGNORECASE | re.ASCII)
_LITERAL = re.compile(r"[\x21-\x24\x26-\x7e]*")
_LITERAL_OR_SPACE = re.compile(r"[\x20-\x24\x26-\x7e]*")
_ESCAPES = {"%": "%", "_": " ", "-": "%20"}


class BadSyntax(BadText):
    """The text violates the grammar of RFC 7208; the problem is a key of `phrases.PROBLEMS`."""


@dataclass(frozen=True, slots=True)
class Macro:
    """One `%{…}`: the lower-case macro letter and its transformers; `part_count` 0 is all parts."""

    variable: str
    part_count: int = 0
    reverse: bool = False
    delimiters: str = ""
    escape: bool = False


@dataclass(frozen=True, slots=True)
class MacroString:
    """A text as written, and its literal pieces and macros."""

    text: str
    pieces: tuple[str | Macro, ...]

    def __str__(self) -> str:
        return self.text

    @property
    def variables(self) -> frozenset[str]:
        """Macro letters that `expand` needs values for."""
        return frozenset(piece.variable for piece in self.pieces if isinstance(piece, Macro))


def parse(text: str) -> MacroString:
    """Parse a macro-string of a record: visible ASCII, no letters c, r and t. Raises BadSyntax."""
    parsed = MacroString(text, _pieces(text, _LITERAL))
    if invalid := sorted(parsed.variables & ONLY_IN_EXPLANATIONS):
        raise BadSyntax("macro-in-record", letter=invalid[0], text=quoted(text))
    return parsed


def parse_explanation(text: str) -> MacroString:
    """Parse an exp= text: spaces and every letter are allowed (§6.2). Raises BadSyntax."""
    return MacroString(text, _pieces(text, _LITERAL_OR_SPACE))


def parse_domain(text: str) -> MacroString:
    """Parse a domain-spec: a macro-string that ends in a macro or a top-level label (§7.1).

    Raises BadSyntax.
    """
    if not text:
        raise BadSyntax("domain-missing")
    parsed = parse(text)
    last = _EXPAND.split(text)[-1]
    dot, label = last.removesuffix(".").rpartition(".")[1:]
    if last and not (dot and _is_top_label(label)):
        raise BadSyntax("not-a-domain", text=quoted(text))
    return parsed


def macro_values(ip: Address, sender: str, helo: str, domain: str, now: int) -> dict[str, str]:
    """Return the macro values, except p, which needs DNS (§7.2); r, the receiver, is unknown."""
    local_part, _, sender_domain = sender.rpartition("@")
    return {
        "s": sender,
        "l": local_part,
        "o": sender_domain,
        "d": domain,
        "i": str(ip) if ip.version == 4 else ".".join(ip.exploded.replace(":", "").upper()),
        "v": REVERSE_ZONES[ip.version],
        "h": helo,
        "c": str(ip),
        "r": "unknown",
        "t": str(now),
    }


def expand(text: MacroString, values: Mapping[str, str]) -> str:
    """Replace every macro by its value."""
    return "".join(piece if isinstance(piece, str) else _value(piece, values[piece.variable]) for piece in text.pieces)


def to_name(expanded: str) -> str:
    """Return a DNS name: no trailing dot, left labels dropped to fit 253 octets (§7.3)."""
    name = expanded.removesuffix(".")
    if len(name) <= MAX_NAME_OCTETS:
        return name
    return name[name.find(".", len(name) - MAX_NAME_OCTETS - 1) + 1 :]


def is_queryable(name: str) -> bool:
    """Return whether the name can be queried; any other name does not exist (§4.3, §4.8).

    Text outside ASCII never matches (RFC 8616 §4), nor does a backslash, which would start an
    escape.
    """
    labels = name.split(".")
    return (
        len(name) <= MAX_NAME_OCTETS
        and name.isascii()
        and name.isprintable()
        and "\\" not in name
        and all(0 < len(label) <= MAX_LABEL_OCTETS for label in labels)
    )


def _pieces(text: str, literal: re.Pattern[str]) -> tuple[str | Macro, ...]:
    pieces: list[str | Macro] = []
    start = 0
    for match in _EXPAND.finditer(text):
        pieces += [_plain(text, text[start : match.start()], literal), _macro(match)]
        start = match.end()
    pieces.append(_plain(text, text[start:], literal))
    return tuple(piece for piece in pieces if piece)


def _plain(text: str, piece: str, literal: re.Pattern[str]) -> str:
    if literal.fullmatch(piece):
        return piece
    if "%" in piece:
        raise BadSyntax("not-a-macro", text=quoted(text))
    raise BadSyntax("character", text=quoted(text))


def _macro(match: re.Match[str]) -> str | Macro:
    letter, part_count, reverse, delimiters, escape = match.groups()
    if escape:
        return _ESCAPES[escape]
    if part_count and not part_count.strip("0"):
        raise BadSyntax("no-parts", text=quoted(match.group()))
    # Python refuses to parse numbers of thousands of digits.
    return Macro(letter.lower(), int(part_count.lstrip("0")[:9] or 0), bool(reverse), delimiters, letter.isupper())


def _value(macro: Macro, value: str) -> str:
    delimiters = macro.delimiters or "."
    for delimiter in delimiters[1:]:
        value = value.replace(delimiter, delimiters[0])
    parts = value.split(delimiters[0])
    if macro.reverse:
        parts.reverse()
    joined = ".".join(parts[-macro.part_count :])
    return quote(joined, safe="") if macro.escape else joined


def _is_top_label(label: str) -> bool:
    middle = label.replace("-", "")
    ends = label[:1] + label[-1:]
    return middle.isalnum() and ends.isalnum() and not label.isdecimal()
