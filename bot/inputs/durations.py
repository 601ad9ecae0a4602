"""Durations as users write them in chat and in settings: `90s`, `15m`, `1h30m`, `2d`."""

from __future__ import annotations

import re
from datetime import timedelta

SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
DURATION = re.compile("".join(rf"(?:(?P<{unit}>\d{{1,7}}){unit})?" for unit in SECONDS), re.ASCII)
MAX_DURATION = timedelta(days=366)
USAGE = "write a length of time such as 90s, 15m, 1h or 2d"


class BadDuration(ValueError):
    """The text is not a duration; the message is one sentence for the user."""


def parse_duration(text: str, default_unit: str = "") -> timedelta:
    """Parse a duration, units from large to small. Raises BadDuration.

    `default_unit` is the unit of a number without one, which is refused if empty.
    """
    word = text.strip().lower()
    if default_unit and word.isascii() and word.isdigit():
        word += default_unit
    match = DURATION.fullmatch(word)
    if not word or match is None:
        raise BadDuration(f"`{text.strip()[:40]}` is not understood: {USAGE}.")
    length = timedelta(
        seconds=sum(int(number) * SECONDS[unit] for unit, number in match.groupdict(default="0").items())
    )
    if not timedelta(0) < length <= MAX_DURATION:
        raise BadDuration(f"`{word[:40]}` is not possible: between 1 second and {MAX_DURATION.days} days can be given.")
    return length


def format_duration(length: timedelta) -> str:
    """Format with the two largest units, rounded down: `2d 3h`, `1h 30m`, `45s`.

    `parse_duration` accepts it without the space.
    """
    return " ".join(_parts(length)[:2]) or "0s"


def compact_duration(length: timedelta) -> str:
    """All units without spaces, `1h30m5s`; `parse_duration` reads the same length from it."""
    return "".join(_parts(length)) or "0s"


def _parts(length: timedelta) -> list[str]:
    remaining = max(0, int(length.total_seconds()))
    parts: list[str] = []
    for unit, seconds in list(SECONDS.items())[1:]:
        number, remaining = divmod(remaining, seconds)
        parts += [f"{number}{unit}"] if number else []
    return parts
