"""How many real refusals, pasted texts and headers are read right: `python -m benchmarks.bounce_accuracy`.

Reads the own cases and those in the folders that MAILCHECK_FIELD_DATA names. `--misses` prints what was read
wrong, `--all` every verdict with its step, for reading.
"""

from __future__ import annotations

import argparse

from tests.support.field_data import JUDGES, folders, rows, shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--misses", action="store_true")
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    for folder in folders():
        for kind, judge in JUDGES:
            judged = [judge(row) for row in rows(folder, kind)]
            if not judged:
                continue
            figures = ", ".join(f"{part} {share:.1%}" for part, share in shares(judged).items())
            whole = sum(all(case.right.values()) for case in judged)
            print(f"{folder.name} {kind}: {whole}/{len(judged)}; {figures}")
            for case in judged:
                wrong = [part for part, is_right in case.right.items() if not is_right]
                if options.all or (options.misses and wrong):
                    print(f"  {'WRONG ' + ','.join(wrong) if wrong else 'ok'}: {case.name}\n    {case.read}")


if __name__ == "__main__":
    main()
