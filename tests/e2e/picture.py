"""Renders a Slack message as a picture.

`python -m tests.e2e.picture message.json picture.png [dark]`, with the payload that the bot sends.
`tests/e2e/run` installs the browser and the rendering tools.
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
RENDER_TIMEOUT_S = 60


class RenderError(Exception):
    """The picture would omit something of the message, or the tools are missing."""


def render_png(message: Mapping[str, Any], theme: str = "light") -> bytes:
    """A PNG. Raises RenderError."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None or not NODE.exists():
        raise RenderError("No browser or no Node here; tests/e2e/run brings them.")
    command = [NODE, HERE / "render/draw.mjs", browser, theme]
    process = subprocess.run(
        command, input=json.dumps(message).encode(), capture_output=True, timeout=RENDER_TIMEOUT_S, check=False
    )
    if process.returncode:
        raise RenderError(process.stderr.decode(errors="replace"))
    return process.stdout


def main() -> None:
    source, target, *theme = sys.argv[1:]
    Path(target).write_bytes(render_png(json.loads(Path(source).read_text()), *theme))


if __name__ == "__main__":
    main()
