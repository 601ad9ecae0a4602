"""The built-in catalog of blocklists, read once for all tests: it is frozen, and reading it takes 40 ms."""

from __future__ import annotations

from bot.checks.dnsbl import load

CATALOG = load()
