"""Text with `%{…}` in it (RFC 7208 §7): read once with `parse`, filled in with `expand`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from bot.inputs.domain_names import quoted
from bot.models import Address

MOST_OCTETS = 253
MOST_LABEL_OCTETS = 63
ONLY_IN_EXPLANATIONS = frozenset("crt")
REVERSE_ZONES = {4: "in-addr", 6: "ip6"}

_EXPAND = re.compile(r"%(?:\{([slodipvhcrt])([0-9]*)(r?)([.\-+,/_=]*)\}|([%_\-]))", re.IGNORECASE | re.ASCII)
_LITERAL = re.compile(r"[\x21-\x24\x26-\x7e]*")
_LITERAL_OR_SPACE = re.compile(r"[\x20-\x24\x26-\x7e]*")
_ESCAPES = {"%": "%", "_": " ", "-": "%20"}


class BadSyntax(ValueError):
    """The text breaks the grammar of RFC 7208; the message is one plain sentence that quotes the bad part."""


@dataclass(frozen=True, slots=True)
class Macro:
    """One `%{…}`: a lower-case letter, and which parts of its value are used (`keep` from the right, 0 for all)."""

    letter: str
    keep: int = 0
    reverse: bool = False
    delimiters: str = ""
    escape: bool = False


@dataclass(frozen=True, slots=True)
class MacroString:
    """A text as it was written, and the same text taken apart into plain pieces and macros."""

    text: str
    pieces: tuple[str | Macro, ...]

    def __str__(self) -> str:
        return self.text

    @property
    def letters(self) -> frozenset[str]:
        """The letters whose values `expand` will ask for."""
        return frozenset(piece.letter for piece in self.pieces if isinstance(piece, Macro))


def parse(text: str) -> MacroString:
    """A macro-string as records hold it: visible ASCII, without the letters c, r and t. Raises BadSyntax."""
    parsed = MacroString(text, _pieces(text, _LITERAL))
    if wrong := sorted(parsed.letters & ONLY_IN_EXPLANATIONS):
        raise BadSyntax(f"The macro %{{{wrong[0]}}} in {quoted(text)} is allowed only in the text of an explanation.")
    return parsed


def parse_explanation(text: str) -> MacroString:
    """The text that an exp= name holds: spaces and every macro letter are allowed (§6.2). Raises BadSyntax."""
    return MacroString(text, _pieces(text, _LITERAL_OR_SPACE))


def parse_domain(text: str) -> MacroString:
    """A domain-spec: a macro-string that ends in a macro or in `.` and a top-level label (§7.1). Raises BadSyntax."""
    if not text:
        raise BadSyntax("A domain name is missing.")
    parsed = parse(text)
    last = _EXPAND.split(text)[-1]
    dot, label = last.removesuffix(".").rpartition(".")[1:]
    if last and not (dot and _is_top_label(label)):
        raise BadSyntax(f"{quoted(text)} is not a full domain name.")
    return parsed


def letters(ip: Address, sender: str, helo: str, domain: str, now: int) -> dict[str, str]:
    """The values of every letter but p, which takes DNS to learn (§7.2); r, the receiver, is not known to us."""
    local, _, at = sender.rpartition("@")
    return {
        "s": sender,
        "l": local,
        "o": at,
        "d": domain,
        "i": str(ip) if ip.version == 4 else ".".join(ip.exploded.replace(":", "").upper()),
        "v": REVERSE_ZONES[ip.version],
        "h": helo,
        "c": str(ip),
        "r": "unknown",
        "t": str(now),
    }


def expand(text: MacroString, values: Mapping[str, str]) -> str:
    """The text with every macro replaced by its value."""
    return "".join(piece if isinstance(piece, str) else _value(piece, values[piece.letter]) for piece in text.pieces)


def to_name(expanded: str) -> str:
    """A name for DNS: without its trailing dot, and without as many left labels as do not fit 253 octets (§7.3)."""
    name = expanded.removesuffix(".")
    if len(name) <= MOST_OCTETS:
        return name
    return name[name.find(".", len(name) - MOST_OCTETS - 1) + 1 :]


def askable(name: str) -> bool:
    """Whether a DNS question can be made of the name; one that cannot be asked about does not exist (§4.3, §4.8).

    Text outside ASCII never matches (RFC 8616 §4), and neither does a backslash, which would start an escape.
    """
    labels = name.split(".")
    return (
        len(name) <= MOST_OCTETS
        and name.isascii()
        and name.isprintable()
        and "\\" not in name
        and all(0 < len(label) <= MOST_LABEL_OCTETS for label in labels)
    )


def _pieces(text: str, literal: re.Pattern[str]) -> tuple[str | Macro, ...]:
    pieces: list[str | Macro] = []
    start = 0
    for found in _EXPAND.finditer(text):
        pieces += [_plain(text, text[start : found.start()], literal), _macro(found)]
        start = found.end()
    pieces.append(_plain(text, text[start:], literal))
    return tuple(piece for piece in pieces if piece)


def _plain(text: str, piece: str, literal: re.Pattern[str]) -> str:
    if literal.fullmatch(piece):
        return piece
    if "%" in piece:
        raise BadSyntax(f"The % in {quoted(text)} does not start a macro that SPF knows.")
    raise BadSyntax(f"{quoted(text)} contains a character that SPF does not allow.")


def _macro(found: re.Match[str]) -> str | Macro:
    letter, keep, reverse, delimiters, escape = found.groups()
    if escape:
        return _ESCAPES[escape]
    if keep and not keep.strip("0"):
        raise BadSyntax(f"{quoted(found.group())} keeps 0 parts of its value; the number must be at least 1.")
    # No value has a billion parts, and Python refuses to read numbers of thousands of digits.
    return Macro(letter.lower(), int(keep.lstrip("0")[:9] or 0), bool(reverse), delimiters, letter.isupper())


def _value(macro: Macro, value: str) -> str:
    parts = re.split(f"[{re.escape(macro.delimiters or '.')}]", value)
    if macro.reverse:
        parts.reverse()
    joined = ".".join(parts[-macro.keep :])
    return quote(joined, safe="") if macro.escape else joined


def _is_top_label(label: str) -> bool:
    middle = label.replace("-", "")
    ends = label[:1] + label[-1:]
    return middle.isalnum() and ends.isalnum() and not label.isdecimal()
