"""Chat commands: text in, card out, the same on every platform. Buttons carry the same text."""

from handlers.commands.parser import CheckCommand, read_check
from handlers.commands.router import CommandRouter
from handlers.commands.verb_table import VERBS
from handlers.commands.watch import WatchCommands
from handlers.verbs import BadCommand

__all__ = ["VERBS", "BadCommand", "CheckCommand", "CommandRouter", "WatchCommands", "read_check"]
