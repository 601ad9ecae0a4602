"""No client connects to a special-purpose address, in a namespace where all of them answer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.certificate_authority import CertificateAuthority
from tests.support.forbidden_addresses import METHODS

ROOT = Path(__file__).parents[2]
CLIENTS = 2  # HTTPS fetch and SMTP probe


@pytest.fixture(scope="module")
def namespace_command() -> list[str]:
    """Command prefix that makes a network namespace, as root or in a user namespace."""
    missing = [command for command in ("unshare", "ip") if shutil.which(command) is None]
    assert not missing, f"This test needs the commands unshare and ip; missing: {missing}."
    errors = []
    for command in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        attempt = subprocess.run([*command, "true"], capture_output=True, text=True, check=False, timeout=10)
        if attempt.returncode == 0:
            return command
        errors.append(attempt.stderr.strip())
    pytest.fail(f"This test needs the right to make a network namespace: {errors}")


def test_clients_never_contact_forbidden_addresses(namespace_command: list[str], tmp_path: Path) -> None:
    authority = CertificateAuthority.create(tmp_path)
    matrix = [*namespace_command, sys.executable, "-m", "tests.e2e.ssrf_matrix", str(authority.folder)]
    process = subprocess.run(matrix, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert process.returncode == 0, process.stderr
    matrix_result = json.loads(process.stdout)
    assert matrix_result["forbidden"] == []
    assert matrix_result["surprises"] == []
    assert matrix_result["addresses"] >= 45
    assert matrix_result["cases"] == matrix_result["addresses"] * len(METHODS) * CLIENTS
    assert matrix_result["catchable"] >= 40  # reachable without the guard
    assert matrix_result["public"] == matrix_result["addresses"] * 3  # both rebindings and the redirect
