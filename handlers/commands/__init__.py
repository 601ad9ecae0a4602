"""Text in, card out: what a person may type on every platform. A button carries the same text."""

from handlers.commands.answering import Commands
from handlers.commands.checking import Typed, read_check
from handlers.commands.reading import BadCommand, split_verb
from handlers.commands.watching import Watching

__all__ = ["BadCommand", "Commands", "Typed", "Watching", "read_check", "split_verb"]
