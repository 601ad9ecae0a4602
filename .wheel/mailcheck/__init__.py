"""The bot as it is installed; only the command is for use, there is nothing to import."""
