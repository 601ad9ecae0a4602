"""A valid logo, and its parts for tests that break them."""

from __future__ import annotations

ROOT = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    ' version="1.2" '
    'baseProfile="tiny-ps" viewBox="0 0 64 64">'
)
TITLE = "<title>Example</title>"


def logo(inside: str = '<rect width="64" height="64" fill="#036"/>', root: str = ROOT, title: str = TITLE) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?>\n{root}{title}{inside}</svg>'
