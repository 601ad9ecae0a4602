"""The weekly digests on their way into the outboxes, each once and for all workers together."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b

from bot.watching.kept import DigestLetter
from bot.watching.model import Room
from bot.watching.register import Register
from bot.watching.schedule import next_digest
from bot.watching.texts import dump, moment

AT_A_TIME = 100


async def write_digests(register: Register, now: datetime) -> int:
    """Puts the digests that are due into the outboxes of their rooms; how many. A room that watches nothing gets none."""
    written = 0
    for name, due in await register.digests.due(now.timestamp(), AT_A_TIME):
        room = Room.of(name)
        letter = digest_letter(room, moment(due)) if await register.of_room(room) else None
        text = (letter.id, dump(letter)) if letter else None
        done = await register.digests.post(name, due, next_digest(name, now).timestamp(), text)
        written += done and letter is not None
    return written


def digest_letter(room: Room, due: datetime) -> DigestLetter:
    """The same room and the same week make the same letter."""
    name = blake2b(str(room).encode(), digest_size=5).hexdigest()
    return DigestLetter(f"digest.{name}.{int(due.timestamp()):x}", room, due)
