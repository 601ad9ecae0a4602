"""Lengths of time as people write them: `90s`, `15m`, `1h30m`, `2d`. Chat and environment read them through this one door."""

from __future__ import annotations

import re
from datetime import timedelta

SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
WRITTEN = re.compile("".join(rf"(?:(?P<{unit}>\d{{1,7}}){unit})?" for unit in SECONDS), re.ASCII)
LONGEST = timedelta(days=366)
FORM = "write a length of time such as 90s, 15m, 1h or 2d"


class BadDuration(ValueError):
    """The text is no length of time; the message is one sentence for the person."""


def read_duration(text: str, bare: str = "") -> timedelta:
    """From text, units from large to small; `bare` is the unit of a number without one (refused when empty). Raises BadDuration."""
    word = text.strip().lower()
    if bare and word.isascii() and word.isdigit():
        word += bare
    match = WRITTEN.fullmatch(word)
    if not word or match is None:
        raise BadDuration(f"`{text.strip()[:40]}` is not understood: {FORM}.")
    length = timedelta(
        seconds=sum(int(number) * SECONDS[unit] for unit, number in match.groupdict(default="0").items())
    )
    if not timedelta(0) < length <= LONGEST:
        raise BadDuration(f"`{word[:40]}` is not possible: between 1 second and {LONGEST.days} days can be given.")
    return length


def write_duration(length: timedelta) -> str:
    """The two largest units, rounded down: `2d 3h`, `1h 30m`, `45s`. `read_duration` reads it back without the space."""
    left = max(0, int(length.total_seconds()))
    parts = []
    for unit, seconds in list(SECONDS.items())[1:]:
        number, left = divmod(left, seconds)
        parts += [f"{number}{unit}"] if number else []
    return " ".join(parts[:2]) or "0s"
