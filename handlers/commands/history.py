"""`history TARGET|ID [7d|30d|all]`: the past of one watch of the channel in which it is asked."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.durations import BadDuration, read_duration
from bot.watching.history import History
from bot.watching.model import Watch
from handlers.commands.wishes import read_one

USUAL = timedelta(days=30)
EVERYTHING = "all"


def read_history(text: str) -> tuple[str, timedelta | None]:
    """The watch as it was named, and how far to look back; None is to its beginning."""
    words = text.split()
    if len(words) < 2:
        return read_one(text), USUAL
    name, last = " ".join(words[:-1]), words[-1].lower()
    if last == EVERYTHING:
        return name, None
    try:
        return name, read_duration(last)
    except BadDuration:
        if last[:1].isdigit() and "." not in last and ":" not in last:
            raise
        return text.strip(), USUAL  # a name or a domain of several words


def beginning(watch: Watch, history: History, back: timedelta | None, now: datetime) -> datetime:
    """Where to begin: nothing is known from before there was a watch."""
    known = [watch.since, *(track.spans[0].since for track in history.tracks if track.spans)]
    return max(min(known), now - back) if back else min(known)
