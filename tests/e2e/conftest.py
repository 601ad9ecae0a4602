"""The folder for pictures that the e2e suites make."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PICTURES_DIR = Path(__file__).parents[2] / "build" / "pictures"


@pytest.fixture(scope="session")
def pictures() -> Iterator[Path]:
    """The folder for pictures, ignored by git and archived by CI.

    Pictures of this run are also copied to the folder in the variable `PICTURES`, if set.
    """
    PICTURES_DIR.mkdir(parents=True, exist_ok=True)
    started = time.time()
    yield PICTURES_DIR
    if target := os.environ.get("PICTURES"):
        for picture in PICTURES_DIR.glob("*.png"):
            if picture.stat().st_mtime >= started:
                shutil.copy(picture, target)
