"""Draws a Slack message as Slack would show it.

`python -m tests.e2e.picture message.json picture.png [dark]`, where the message is what the bot sends to Slack.
`tests/e2e/run` brings the browser and the drawing tools.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NODE = HERE / "node_modules/.bin/node"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRAWN_WITHIN_S = 60


class NotDrawn(Exception):
    """The message says something that the picture would not, or the tools are not there."""


def picture(message: Mapping[str, Any], theme: str = "light") -> bytes:
    """A PNG. Raises NotDrawn."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None or not NODE.exists():
        raise NotDrawn("No browser or no Node here; tests/e2e/run brings them.")
    command = [NODE, HERE / "render/draw.mjs", browser, theme]
    drawn = subprocess.run(
        command, input=json.dumps(message).encode(), capture_output=True, timeout=DRAWN_WITHIN_S, check=False
    )
    if drawn.returncode:
        raise NotDrawn(drawn.stderr.decode(errors="replace"))
    return drawn.stdout


def main() -> None:
    source, target, *theme = sys.argv[1:]
    Path(target).write_bytes(picture(json.loads(Path(source).read_text()), *theme))


if __name__ == "__main__":
    main()
