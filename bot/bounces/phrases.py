"""Phrase search that ignores case and punctuation, fast enough for 100,000 lines."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

# Chinese and Japanese have no spaces between words, so each of their characters is one.
IDEOGRAPH = "\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{IDEOGRAPH}]|[^\W_{IDEOGRAPH}]+")
PHRASE_WORD = re.compile(rf"[{IDEOGRAPH}]|[^\W_{IDEOGRAPH}]+(?:#(?![^\W_]))?")
NUMBERED = re.compile(r"\b([a-z]{1,20})[0-9]+")
GAP_MARK = " * "
LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "ß": "ss", "æ": "ae"})  # NFKD leaves them
MAX_GAP = 60  # characters; words further apart are unrelated


@dataclass(frozen=True, slots=True)
class Text:
    """A line as its words, each between two spaces.

    In `numbered` a word before digits ends in # (ofr004: ofr#).
    """

    words: str
    numbered: str
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words in a row, or several such rows in order.

    `anchors` are words that every matching text has; an anchor that ends in # is the only one.
    """

    parts: tuple[str, ...]
    anchors: tuple[str, ...]

    def matches(self, text: Text) -> bool:
        """Whether the rows occur in order, each near the one before; linear in the text."""
        words = text.numbered if "#" in self.anchors[0] else text.words
        first_part, *other_parts = self.parts
        start = words.find(first_part)
        while start >= 0:
            if not other_parts or _parts_follow(words, start + len(first_part), other_parts):
                return True
            start = words.find(first_part, start + 1)
        return False


def _parts_follow(words: str, end: int, parts: list[str]) -> bool:
    for part in parts:
        start = end - 1  # one space ends a part and starts the next
        position = words.find(part, start, start + MAX_GAP + len(part))
        if position < 0:
            return False
        end = position + len(part)
    return True


class TextNormalizer:
    """Normalizes texts and phrases: lower case, no accents, one spelling for synonyms."""

    def __init__(self, same: Mapping[str, Iterable[str]]) -> None:
        replacements = [
            (f" {' '.join(WORD.findall(_fold(spelling)))} ", f" {canonical} ")
            for canonical, variants in same.items()
            for spelling in variants
        ]
        longest_first = sorted(replacements, key=lambda pair: -len(pair[0]))
        self._by_first_word: dict[str, list[tuple[int, str, str]]] = {}
        for rank, (spelling, canonical) in enumerate(longest_first):
            self._by_first_word.setdefault(spelling.split()[0], []).append((rank, spelling, canonical))

    def parse_text(self, line: str) -> Text:
        """The words of a line."""
        words = self._normalize(WORD.findall(_fold(line)))
        keys = frozenset(words.split())
        if not any(word[-1].isdigit() and word[0].isalpha() for word in keys):
            return Text(words, words, keys)
        numbered = NUMBERED.sub(r"\1#", words)
        return Text(words, numbered, keys.union(numbered.split()))

    def parse_phrase(self, written: str) -> Phrase:
        """Parse a phrase of the rule files. Raises ValueError for a part without words."""
        rows = [self._normalize(PHRASE_WORD.findall(_fold(row))) for row in written.split(GAP_MARK)]
        words = [word for row in rows for word in row.split()]
        if not words or any(not row.strip() for row in rows):
            raise ValueError(f"the phrase {written!r} has a part without words")
        numbered = tuple(word for word in words if "#" in word)[:1]
        return Phrase(tuple(rows), numbered or tuple(sorted(set(words), key=len, reverse=True)))

    def _normalize(self, words: list[str]) -> str:
        text = f" {' '.join(words)} "
        first_words = self._by_first_word.keys() & words
        for _, spelling, canonical in sorted(chain.from_iterable(self._by_first_word[word] for word in first_words)):
            text = text.replace(spelling, canonical)
        return text


def _fold(text: str) -> str:
    lowered = text.lower()
    if lowered.isascii():
        return lowered
    letters = unicodedata.normalize("NFKD", lowered.translate(LETTERS))
    return "".join(char for char in letters if not unicodedata.combining(char))
