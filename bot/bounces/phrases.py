"""Phrases looked for in a line without regard to case and punctuation, fast enough for a hundred thousand lines."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

WORD = re.compile(r"[^\W_]+")
WORD_OF_A_PHRASE = re.compile(r"[^\W_]+(?:#(?![^\W_]))?")
NUMBERED = re.compile(r"\b([a-z]{1,20})[0-9]+")
GAP = " * "
WIDEST_GAP = 60  # characters: words further apart belong to different thoughts


@dataclass(frozen=True, slots=True)
class Text:
    """A line as its words, each between two spaces; in `numbered` a word before digits ends in # (ofr004: ofr#)."""

    words: str
    numbered: str
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words in a row, or several such rows in their order. `anchors` are words that every text with the phrase has; one
    that ends in # is the only one."""

    parts: tuple[str, ...]
    anchors: tuple[str, ...]

    def is_in(self, text: Text) -> bool:
        """Whether the parts occur one after the other, each near the one before; the time is linear in the text."""
        words = text.numbered if "#" in self.anchors[0] else text.words
        first, *rest = self.parts
        found = words.find(first)
        while found >= 0:
            if not rest or _follow(words, found + len(first), rest):
                return True
            found = words.find(first, found + 1)
        return False


def _follow(words: str, end: int, parts: list[str]) -> bool:
    for part in parts:
        start = end - 1  # the space behind one part is the space before the next
        found = words.find(part, start, start + WIDEST_GAP + len(part))
        if found < 0:
            return False
        end = found + len(part)
    return True


class Speller:
    """Reads texts and phrases alike: lower case, no accents, and one spelling for words that mean the same."""

    def __init__(self, same: Mapping[str, Iterable[str]]) -> None:
        spellings = [(f" {spelling} ", f" {meant} ") for meant, others in same.items() for spelling in others]
        longest_first = sorted(spellings, key=lambda pair: -len(pair[0]))
        self._by_first_word: dict[str, list[tuple[int, str, str]]] = {}
        for rank, (spelling, meant) in enumerate(longest_first):
            self._by_first_word.setdefault(spelling.split()[0], []).append((rank, spelling, meant))

    def text(self, line: str) -> Text:
        """The words of a line."""
        words = self._spelled(WORD.findall(_plain(line)))
        keys = frozenset(words.split())
        if not any(word[-1].isdigit() and word[0].isalpha() for word in keys):
            return Text(words, words, keys)
        numbered = NUMBERED.sub(r"\1#", words)
        return Text(words, numbered, keys.union(numbered.split()))

    def phrase(self, written: str) -> Phrase:
        """A phrase of the rule files. Raises ValueError where it has no word to look for."""
        rows = [self._spelled(WORD_OF_A_PHRASE.findall(_plain(row))) for row in written.split(GAP)]
        words = [word for row in rows for word in row.split()]
        if not words or any(not row.strip() for row in rows):
            raise ValueError(f"the phrase {written!r} has a part without words")
        numbered = tuple(word for word in words if "#" in word)[:1]
        return Phrase(tuple(rows), numbered or tuple(sorted(set(words), key=len, reverse=True)))

    def _spelled(self, words: list[str]) -> str:
        spelled = f" {' '.join(words)} "
        begun = self._by_first_word.keys() & words
        for _, spelling, meant in sorted(chain.from_iterable(self._by_first_word[word] for word in begun)):
            spelled = spelled.replace(spelling, meant)
        return spelled


def _plain(text: str) -> str:
    lower = text.lower()
    if lower.isascii():
        return lower
    return "".join(letter for letter in unicodedata.normalize("NFKD", lower) if not unicodedata.combining(letter))
