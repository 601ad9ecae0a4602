"""`python -m tests.module_size`: fails where a module of the product has more than 400 lines."""

from __future__ import annotations

import sys
from pathlib import Path

MAX_LINES = 400


def main() -> int:
    root = Path(__file__).parent.parent
    modules = [path for folder in ("bot", "handlers") for path in (root / folder).rglob("*.py")]
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules}
    long = {path.relative_to(root): count for path, count in lines.items() if count > MAX_LINES}
    for path, count in sorted(long.items()):
        print(f"{path}: {count} lines; the limit is {MAX_LINES}", file=sys.stderr)
    return 1 if long else 0


if __name__ == "__main__":
    sys.exit(main())
