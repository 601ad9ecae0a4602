"""A separate process that runs the embedded server.

`python -m tests.support.embedded_valkey_process STATE_DIR`, and a line on stdin to stop.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bot.storage.embedded_valkey import EmbeddedValkey


async def main() -> None:
    async with EmbeddedValkey(Path(sys.argv[1])) as server:
        print("owner" if server.is_owner else "client", flush=True)
        await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(main())
