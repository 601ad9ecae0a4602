"""Chat commands: text in, card out, the same on every platform. Buttons carry the same text."""

from handlers.commands.parser import BadCommand, CheckCommand, read_check, split_verb
from handlers.commands.router import CommandRouter
from handlers.commands.watch import WatchCommands

__all__ = ["BadCommand", "CheckCommand", "CommandRouter", "WatchCommands", "read_check", "split_verb"]
