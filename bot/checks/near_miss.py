"""Records that were meant as one of a kind and are none, because receivers read the version to the letter. Pure.

One rule for every kind of TXT record: such a record is shown with what is wrong, so that
nobody is told to publish what already stands there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.inputs.domain_names import quoted

QUOTES = "\"'`“”„‟‘’‚‛«»″′"
NOISE = re.compile(rf"[\s{QUOTES}\\\u00a0\u200b-\u200d\u2060\ufeff]+")
DASHES = re.compile("[\u2010-\u2015\u2212]")
VERSION_TAG = re.compile("v[=:-]+")
AFTER_WORD = re.compile("v?[0-9]|v=|[^a-z0-9=-]|$")
MAX_START = 40  # characters of a text in which its version is looked for
PHRASES: Mapping[str, str] = {
    "blank": "{text} starts with a blank; receivers want {version} as the very first characters.",
    "quotes": "{text} has quotation marks in its value; receivers want {version} as the very first characters.",
    "backslash": "{text} has a backslash in it, as some DNS editors add one; semicolons are written plainly.",
    "case": "{text} does not start with {version}; receivers want it in exactly these letters.",
    "spelling": "{text} does not start with {version} and {separator}.",
    "place": "{text} stands at {where}; receivers look for it at {name} only.",
    "doubled": "{text} stands at {where}: the DNS editor has added the domain once more.",
    "type": "{text} has the record type SPF, which receivers no longer query; it must be a TXT record.",
    "sender-id": "{text} is a record of Sender ID, which is no longer in use; it must start with {version}.",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of record: its version, and what follows it: a semicolon or a blank."""

    version: str
    separator: str = "a semicolon"
    exact_case: bool = True

    @property
    def word(self) -> str:
        """The word by which a misspelled version is known: `dmarc` of `v=DMARC1`."""
        return self.version.lower().removeprefix("v=").rstrip("v0123456789")


SPF = Kind("v=spf1", "a space", exact_case=False)
DMARC = Kind("v=DMARC1")


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A text that was meant as a record of a kind: where it stands, and a key of PHRASES."""

    kind: Kind
    text: str
    reason: str
    where: str = ""

    def phrase(self, name: str) -> str:
        """What is wrong with it, in a sentence; `name` is where receivers look."""
        return PHRASES[self.reason].format(
            text=quoted(self.text),
            version=self.kind.version,
            separator=self.kind.separator,
            where=self.where,
            name=name,
        )


def find_near_miss(texts: Iterable[str], kind: Kind) -> NearMiss | None:
    """Return the first text that was meant as a record of this kind; none of them is one."""
    return next((NearMiss(kind, text, reason) for text in texts if (reason := _reason(text, kind))), None)


def _reason(text: str, kind: Kind) -> str:
    """Return the key of the phrase; empty for a text that has nothing to do with the kind."""
    start = DASHES.sub("-", NOISE.sub("", text[:MAX_START])).lower()
    if kind is SPF and start.startswith("spf2.0"):
        return "sender-id"
    if not _names(kind.word, start):
        return ""
    if text[0].isspace() or not text[0].isprintable():
        return "blank"
    if text[0] in QUOTES:
        return "quotes"
    if "\\" in text:
        return "backslash"
    wrong_case = text.lower().startswith(kind.version.lower()) and not text.startswith(kind.version)
    return "case" if wrong_case and kind.exact_case else "spelling"


def _names(word: str, start: str) -> bool:
    """Whether a text starts with `v=` and the word, or with the word as if it were a version."""
    tag = VERSION_TAG.match(start)
    if tag and start.startswith(word, tag.end()):
        return True
    bare = start.removeprefix("v")
    return bare.startswith(word) and AFTER_WORD.match(bare, len(word)) is not None
