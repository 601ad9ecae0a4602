"""The installed command: its own `bot` and `handlers` come before any others of those names."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).absolute().parent
INSTALLED = HERE / "_app"
CHECKOUT = HERE.parents[1]
sys.path.insert(0, str(INSTALLED if INSTALLED.is_dir() else CHECKOUT))

from bot.__main__ import main  # noqa: E402

if __name__ == "__main__":
    main()
