"""Runs a command and counts its reports, so that nothing has to be kept: prints reports, listings, lists without an answer."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.running import SERVER_CORE

if __name__ == "__main__":
    with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE) as process:
        os.sched_setaffinity(0, {SERVER_CORE})  # counting is none of the command's business
        reports = listed = unknown = 0
        for line in process.stdout or ():
            reports += 1
            listed += line.count(b'"state": "listed"')
            unknown += line.count(b'"state": "unknown"') + line.count(b'"state": "unusable"')
    print(reports, listed, unknown)
