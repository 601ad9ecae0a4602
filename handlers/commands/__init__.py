"""Text in, card out: what a person may type on every platform. A button carries the same text."""

from handlers.commands.answering import Commands
from handlers.commands.checking import Typed, read_check
from handlers.commands.reading import BadCommand, split_verb
from handlers.commands.watching import Watching, first_look

__all__ = ["BadCommand", "Commands", "Typed", "Watching", "first_look", "read_check", "split_verb"]
