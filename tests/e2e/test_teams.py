"""Microsoft's own Agents Playground takes what the bot says and shows it as it was meant."""

import os
import subprocess
import sys
from pathlib import Path

PICTURES = ["teams-check.png", "teams-check-again.png", "teams-alert.png", "teams-alert-over.png"]
ALONE = ("unshare", "--map-root-user", "--net")  # it listens on every address, so it gets a machine's worth of its own


def test_a_check_and_an_alert_in_a_channel_of_teams(tmp_path: Path) -> None:
    folder = Path(os.environ.get("PICTURES") or tmp_path).absolute()
    inside = 'ip link set lo up && exec "$@"'
    command = [*ALONE, "sh", "-c", inside, "sh", sys.executable, "-m", "tests.e2e.teams_playground", str(folder)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert told.returncode == 0, told.stderr[-3_000:]
    assert all((folder / name).stat().st_size > 20_000 for name in PICTURES)
