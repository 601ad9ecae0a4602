"""Whatever a name leads to, no door ever connects to an address that is no ordinary place of the internet."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.authority import Authority
from tests.bot.net.forbidden import WAYS

ROOT = Path(__file__).parents[2]
DOORS = 2


@pytest.fixture(scope="module")
def own_network() -> list[str]:
    """The command that runs another one in a network namespace of its own: as root, or as a user who is root only there."""
    missing = [command for command in ("unshare", "ip") if shutil.which(command) is None]
    assert not missing, f"The test of forbidden addresses needs the commands unshare and ip; missing: {missing}."
    refusals = []
    for command in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False, timeout=10)
        if tried.returncode == 0:
            return command
        refusals.append(tried.stderr.strip())
    pytest.fail(f"This machine lets no test make a network namespace, which this test needs. It said: {refusals}")


def test_no_way_leads_to_a_forbidden_address(own_network: list[str], tmp_path: Path) -> None:
    authority = Authority.found(tmp_path)
    matrix = [*own_network, sys.executable, "-m", "tests.e2e.ssrf_matrix", str(authority.folder)]
    done = subprocess.run(matrix, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["forbidden"] == []
    assert told["surprises"] == []
    assert told["kinds"] >= 45
    assert told["cases"] == told["kinds"] * len(WAYS) * DOORS
    assert told["catchable"] >= 40  # without the guard the canary would have heard that many of them
    assert told["public"] == told["kinds"] * 3  # web and mail rebinding, and the redirect: from where they should come
