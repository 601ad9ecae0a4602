"""Text in, card out: what a person may type on every platform. A button carries the same text."""

from handlers.commands.parser import BadCommand, Typed, read_check, split_verb
from handlers.commands.router import Commands
from handlers.commands.watch import Watching

__all__ = ["BadCommand", "Commands", "Typed", "Watching", "read_check", "split_verb"]
