"""Where the suites that look at things leave what they saw."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

KEPT = Path(__file__).parents[2] / "build" / "pictures"


@pytest.fixture(scope="session")
def pictures() -> Iterator[Path]:
    """The folder for pictures, which git ignores and CI keeps. Those that this run made are copied to where the variable
    `PICTURES` says, such as docs/pictures."""
    KEPT.mkdir(parents=True, exist_ok=True)
    begun = time.time()
    yield KEPT
    if wanted := os.environ.get("PICTURES"):
        for picture in KEPT.glob("*.png"):
            if picture.stat().st_mtime >= begun:
                shutil.copy(picture, wanted)
