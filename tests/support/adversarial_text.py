"""Repetitions that make a regular expression of more than linear cost slow, made from the expression."""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _constants as c  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MAX_UNITS = 10
SAMPLES = "a 5x.-/:=<([\0~A,;@\n"
MISMATCHES = ("\0", "\n!", " y")
CHOICES = 3  # texts of each kind, made of other members of the classes and other branches
CHARACTERS = (c.LITERAL, c.NOT_LITERAL, c.IN, c.ANY)
REPEATS = (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT)
GENERAL = (" ", "\n", "a", "<", "(", "[", "{", "&", "@", ":", "x ", " y", "<>", "()", "<a|", "< ", ". ")

# A text of any size: `head`, then `unit` as often as fits, then `tail`.
Repetition = tuple[str, str, str]


def repetitions_for(pattern: re.Pattern[str]) -> list[Repetition]:
    """Repetitions of every class and literal of the pattern, and of what precedes each of its repeats."""
    tree = parser.parse(pattern.pattern, pattern.flags)
    found: dict[Repetition, None] = {("x", " ", "y"): None}
    for choice in range(CHOICES):
        found.update(dict.fromkeys(_Sampler(choice).repetitions(tree)))
    return list(found)


def general_repetitions() -> list[Repetition]:
    """Repetitions that do not depend on a pattern: blanks, opened brackets, pairs, and mixtures."""
    return [
        *(("", unit, "") for unit in GENERAL),
        *(("x", unit, "y") for unit in GENERAL[:2]),
        ("Received: x", " ", "y"),
        ("Received: from x (", " ", "y"),
        ("550 5.7.1 ", "host a[", ""),
        ("", "550-5.7.1 x\n", ""),
        ("", " from a [192.0.2.1", ""),
        ("", "Received: from a by b; \n", ""),
    ]


def build(repetition: Repetition, size: int) -> str:
    """The text of a repetition, `size` characters long."""
    head, unit, tail = repetition
    count = max(1, (size - len(head) - len(tail)) // len(unit))
    return head + unit * count + tail


class _Sampler:
    """Makes short texts that parts of a pattern match; `choice` selects the member of a class and the branch."""

    def __init__(self, choice: int) -> None:
        self.choice = choice

    def repetitions(self, tree: Any) -> Iterator[Repetition]:
        units = list(dict.fromkeys(self._characters(tree)))[:MAX_UNITS]
        for unit, following in zip(units, units[1:] + units[:1], strict=True):
            yield from (("", unit, ""), ("x", unit, "\0"), ("", unit + following, "\0"))
        for head, unit in self._repeats(tree, ""):
            yield from ((head, unit, tail) for tail in MISMATCHES)
            if head:
                yield from (("", unit, tail) for unit in (head, head + unit) for tail in MISMATCHES[:2])

    def _characters(self, tree: Any) -> Iterator[str]:
        for op, value in tree:
            if op in CHARACTERS:
                yield self._sample(op, value)
            for part in _parts(op, value):
                yield from self._characters(part)

    def _repeats(self, tree: Any, head: str) -> Iterator[tuple[str, str]]:
        """Each repeat as the shortest text before it and one repetition of its content."""
        for op, value in tree:
            if op in REPEATS and (value[1] is c.MAXREPEAT or value[1] > 1):
                yield head, self._shortest(value[2], at_least=1) or " "
            for part in _parts(op, value):
                yield from self._repeats(part, head)
            head += self._shortest([(op, value)])

    def _shortest(self, tree: Any, at_least: int = 0) -> str:
        """A short text that the nodes match; optional nodes are left out unless `at_least` is 1."""
        text = ""
        for op, value in tree:
            if op in CHARACTERS:
                text += self._sample(op, value)
            elif op in REPEATS:
                text += self._shortest(value[2]) * max(value[0], at_least)
            elif op is c.BRANCH:
                branches = value[1]
                text += self._shortest(branches[self.choice % len(branches)], at_least)
            elif op in (c.SUBPATTERN, c.ATOMIC_GROUP):
                text += self._shortest(_parts(op, value)[0], at_least)
        return text

    def _sample(self, op: Any, value: Any) -> str:
        """A character that the node matches."""
        if op is c.LITERAL:
            return chr(value)
        members = value if op is c.IN else [(op, value)]
        accepts = re.compile(_class_text(members), re.DOTALL)
        own = [chr(literal) for kind, literal in members if kind is c.LITERAL and members[0][0] is not c.NEGATE]
        first = [chr(bounds[0]) for kind, bounds in members if kind is c.RANGE]
        candidates = [char for char in dict.fromkeys([*own[:2], *SAMPLES, *own, *first]) if accepts.match(char)]
        return candidates[self.choice % len(candidates)] if candidates else "\x01"


def _parts(op: Any, value: Any) -> list[Any]:
    """The subpatterns of one node."""
    if op in REPEATS:
        return [value[2]]
    if op is c.BRANCH:
        return list(value[1])
    if op is c.SUBPATTERN:
        return [value[3]]
    if op is c.ATOMIC_GROUP:
        return [value]
    return [value[1]] if op in (c.ASSERT, c.ASSERT_NOT) else []


def _class_text(members: Any) -> str:
    if members[0][0] in (c.ANY, c.NOT_LITERAL):
        return "." if members[0][0] is c.ANY else f"[^{re.escape(chr(members[0][1]))}]"
    return f"[{''.join(map(_member_text, members))}]"


def _member_text(member: Any) -> str:
    op, value = member
    if op is c.NEGATE:
        return "^"
    if op is c.RANGE:
        return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
    return CATEGORY_TEXTS[value] if op is c.CATEGORY else re.escape(chr(value))


CATEGORY_TEXTS = {
    c.CATEGORY_DIGIT: r"\d",
    c.CATEGORY_NOT_DIGIT: r"\D",
    c.CATEGORY_SPACE: r"\s",
    c.CATEGORY_NOT_SPACE: r"\S",
    c.CATEGORY_WORD: r"\w",
    c.CATEGORY_NOT_WORD: r"\W",
}
