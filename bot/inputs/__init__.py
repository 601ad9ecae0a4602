"""Parsers of user input: targets, domain names, special-purpose addresses, durations. Pure."""
