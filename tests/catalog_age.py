"""`python -m tests.catalog_age`: warns of lists whose sources were last read more than 18 months ago."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from bot.checks.dnsbl import load


def main() -> None:
    for blocklist in load().outdated(datetime.now(UTC).date()):
        print(f"warning: read {blocklist.source} again for {blocklist.id}: {blocklist.source_seen}", file=sys.stderr)


if __name__ == "__main__":
    main()
