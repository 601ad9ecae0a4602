"""Parses pasted text in one child process, which can be killed: no text can hold up the bot."""
