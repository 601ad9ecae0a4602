"""What is said about whole domain set-ups, beside what is right: `python -m benchmarks.domain_cases`.

Reads domain*.json in the folders that MAILCHECK_FIELD_DATA names. `--id D` runs the cases whose id starts with D
(may be repeated), `--was wrong` those with that note.
"""

from __future__ import annotations

import argparse
import asyncio

from tests.support.domain_cases import Case, read_case
from tests.support.field_data import folders, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--id", action="append", default=[], help="The start of an id.")
    parser.add_argument("--was", action="append", default=[], choices=("ok", "weak", "wrong"))
    options = parser.parse_args()
    for folder in folders():
        for case in rows(folder, "domain"):
            if case["id"].startswith(tuple(options.id or ("",))) and (not options.was or case["was"] in options.was):
                print(asyncio.run(_read(case)), flush=True)


async def _read(case: Case) -> str:
    notes = f"right: {case['right']}" + (f"\nwhy: {case['why']}" if case["why"] else "")
    return f"## {case['id']} (was {case['was']}): {case['title']}\n{await read_case(case)}\n{notes}\n"


if __name__ == "__main__":
    main()
