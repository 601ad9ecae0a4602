"""A new check is a module and its row in the registry, and nothing else."""

from __future__ import annotations

import asyncio
import filecmp
import json
import re
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dns_server import serve
from tests.support.mail_world import mail_world
from tests.support.new_check import GREETING, ROOT, copy_with_new_check, environment


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source with the new check."""
    folder = tmp_path_factory.mktemp("source")
    copy_with_new_check(folder)
    return folder


async def run_module(source: Path, *arguments: str, **settings: str) -> str:
    """Output of `python -m` with the copy."""
    command = (sys.executable, "-m", *arguments)
    process = await asyncio.create_subprocess_exec(
        *command, env=environment(source) | settings, cwd=source, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(60):
        out, errors = await process.communicate()
    assert b"Traceback" not in errors, errors.decode()
    return out.decode()


@pytest.mark.parametrize(
    ("zone", "verdict", "sentence"),
    [
        (GREETING, "pass", r"Passed: .*MX, greeting, "),
        ({}, "fail", r"problem.* \(greeting\)(.|\n)*There is no greeting"),
    ],
    ids=["passes", "fails"],
)
async def test_new_check_is_reported_in_its_order(
    source: Path, tmp_path: Path, zone: dict[str, dict[str, list[str]]], verdict: str, sentence: str
) -> None:
    async with serve({**mail_world(), **zone}) as dns:
        settings = {
            "MAILCHECK_NAMESERVERS": dns.address,
            "MAILCHECK_PROBE_SMTP": "off",
            "MAILCHECK_STATE_DIR": str(tmp_path),
            "COLUMNS": "200",
        }
        document = json.loads(await run_module(source, "bot", "check", "example.com", "--json", **settings))
        card = await run_module(source, "bot", "check", "example.com", **settings)
    findings = {finding["check"]: finding["verdict"] for finding in document["findings"]}
    reported = list(findings)
    assert reported[reported.index("greeting") - 1 :][:3] == ["mx", "greeting", "dkim"]
    assert findings["greeting"] == verdict
    assert re.search(sentence, card), card


async def test_new_check_is_in_the_reference(source: Path) -> None:
    page = await run_module(source, "bot.finding_reference")
    assert "\n## Greetings\n" in page
    codes = re.findall(r"`(greeting\.[a-z-]+)`", page)
    assert codes == ["greeting.ok", "greeting.missing", "greeting.no-answer", "greeting.broken"]


async def test_new_watched_check_alerts_and_resolves(source: Path, redis_url: str) -> None:
    alerts = await run_module(source, "tests.support.new_check", redis_url)
    assert alerts.splitlines() == ["opened: greeting: missing", "resolved: greeting: missing"]


def lint_imports(source: Path) -> str:
    command = (Path(sys.executable).with_name("lint-imports"), "--no-cache")
    return subprocess.run(
        command, check=False, cwd=source, env=environment(source), stdout=subprocess.PIPE, text=True
    ).stdout


def test_import_contracts_cover_new_check(source: Path) -> None:
    module = source / "bot/checks/greeting.py"
    text = module.read_text()
    assert "0 broken" in lint_imports(source)
    try:
        module.write_text(f"{text}\n\nfrom bot.checks.mx import parse_mx\n")
        assert "bot.checks.greeting is not allowed to import bot.checks.mx" in lint_imports(source)
    finally:
        module.write_text(text)


def changed_files(comparison: filecmp.dircmp[str], folder: str = "") -> Iterator[str]:
    yield from (f"{folder}{name}" for name in (*comparison.right_only, *comparison.diff_files))
    for name, below in comparison.subdirs.items():
        yield from changed_files(below, f"{folder}{name}/")


def test_new_check_changes_only_files_named_in_contributing(source: Path) -> None:
    """Of the files that are written by hand; what `make docs` writes is named in the row, too."""
    (row,) = re.findall(r"\| add a check \|.*", (ROOT / "CONTRIBUTING.md").read_text())
    named = re.findall(r"`([^`]+)`", row)
    for folder in ("bot", "handlers"):
        comparison = filecmp.dircmp(ROOT / folder, source / folder, ignore=["__pycache__"])
        for path in changed_files(comparison, f"{folder}/"):
            assert any(path == name or path == f"{name}{Path(path).name}" for name in named), path
    assert filecmp.cmp(ROOT / "pyproject.toml", source / "pyproject.toml")
    assert "make docs" in named
