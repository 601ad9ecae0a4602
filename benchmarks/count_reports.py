"""Runs a command and counts its reports instead of storing gigabytes of them.

Prints the number of reports, listings and unknown lists, CPU seconds and peak RSS in kB.
"""

from __future__ import annotations

import os
import subprocess
import sys
from threading import Thread

from benchmarks.running import SERVER_CORE, measure


def main() -> None:
    counts = [0, 0, 0]

    def count() -> None:
        os.sched_setaffinity(0, {SERVER_CORE})  # so that counting does not use the command's core
        for line in process.stdout or ():
            counts[0] += 1
            counts[1] += line.count(b'"state": "listed"')
            counts[2] += line.count(b'"state": "unknown"') + line.count(b'"state": "unusable"')

    with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE) as process:
        counting = Thread(target=count)
        counting.start()
        cpu_s, peak_kb = measure(process)
        counting.join()
    print(*counts, cpu_s, peak_kb)


if __name__ == "__main__":
    main()
