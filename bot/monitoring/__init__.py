"""Watching, the deciding half: what was seen becomes what is said. No IO; `now` is always handed in."""
