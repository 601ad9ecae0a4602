"""`mailcheck check`: a few targets side by side or a file of any length.

Reports are printed as they complete.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console

from bot.advice.explanation import Explanation, explain
from bot.app import Core
from bot.check_runner import CheckRunner
from bot.inputs.domain_names import parse_domain
from bot.models import CheckRequest, Report, Role, Target
from bot.report_json import dumps, report_to_json, report_to_line
from handlers.cli.bulk_check import ReportPrinter, count_lines, read_lines, run_lines
from handlers.cli.checkpoint import Checkpoint
from handlers.cli.command import BadInput, ExitStatus, Json, error_console, progress_bar, run
from handlers.cli.render import RenderedCard
from handlers.commands.parser import CheckCommand, read_check
from handlers.messages import explanation_card, report_card
from handlers.verbs import PRIVATE, option_name

PLACEHOLDER = Target(domain="example.com")  # of the template, until an input line names a target
CONCURRENCY = 16  # reports; each makes some 70 DNS queries


def check(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            help="Addresses, a CIDR up to 16, domains, hosts; then options as in chats: as client, tree, fresh."
        ),
    ] = None,
    file: Annotated[str | None, typer.Option(help="One target a line; - is standard input.")] = None,
    role: Annotated[Role, typer.Option("--as", help="mta sends mail itself, client submits it.")] = Role.MTA,
    helo: Annotated[str | None, typer.Option(help="The HELO name of the server.")] = None,
    selector: Annotated[list[str] | None, typer.Option(help="A DKIM selector; can be repeated.")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Query everything again, past the caches.")] = False,
    resume: Annotated[Path | None, typer.Option(help="With --file: notes how far the run is, to go on there.")] = None,
    explained: Annotated[
        bool, typer.Option("--explain", help="Also who may send as the domain, and what to change first.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check addresses and domains: blocklists, PTR, SPF, DMARC, MX."""
    template = CheckRequest(PLACEHOLDER, role, parse_domain(helo) if helo else None, tuple(selector or ()))
    if not targets and file is None:
        raise BadInput("Name a target, like `mailcheck check 203.0.113.5 example.com`, or give --file.")
    if resume and file is None:
        raise BadInput("--resume goes on with a --file; name one.")
    command = read_words(targets, template) if targets else CheckCommand(())
    fresh, explained = no_cache or command.fresh, explained or command.explained
    status, typed = ExitStatus(), command.requests

    async def check_targets(core: Core) -> None:
        if file is not None:
            await _check_file(core, FileRun(file, resume, template, as_json), typed, status, fresh=fresh)
            return
        shown = Shown(as_json, explained, command.with_tree)
        await print_reports(run_requests(core.check_runner, typed, fresh), status, sys.stdout, shown, total=len(typed))

    run(check_targets)
    raise typer.Exit(status.code)


@dataclass(frozen=True, slots=True)
class FileRun:
    """A file to check line by line, and where to note how far the run is."""

    file: str
    resume: Path | None
    template: CheckRequest
    as_json: bool


async def _check_file(
    core: Core, file_run: FileRun, typed: Sequence[CheckRequest], status: ExitStatus, *, fresh: bool
) -> None:
    checkpoint = Checkpoint(file_run.resume, file_run.file)
    checkpoint.restore(status)
    with open_text(file_run.file) as text:
        lines = read_lines(text, typed, file_run.template, checkpoint, status, error_console)
        results = run_lines(core.bulk_runner(fresh=fresh), lines, fresh)
        total = count_lines(file_run.file) if error_console.is_terminal else None
        printer = ReportPrinter(sys.stdout, error_console, file_run.as_json, total)
        await printer.print_all(results, checkpoint, status)


@dataclass(frozen=True, slots=True)
class Shown:
    """What is printed of a report."""

    as_json: bool
    explained: bool = False
    with_tree: bool = False


def read_words(words: Sequence[str], template: CheckRequest) -> CheckCommand:
    """Targets and options as chats take them; those override the options of the terminal. Raises BadCommand."""
    typed = [word for word in words if option_name(word) != PRIVATE]  # nobody else sees a terminal
    options = ["as", str(template.role), *(("helo", template.helo) if template.helo else ())]
    selectors = [word for selector in template.selectors for word in ("selector", selector)]
    return read_check(" ".join([*options, *selectors, *typed]))


async def run_requests(
    check_runner: CheckRunner, requests: Iterable[CheckRequest], fresh: bool
) -> AsyncIterator[Report]:
    """Reports as they complete, up to CONCURRENCY at a time; requests are read as needed."""
    waiting = iter(requests)
    running: set[asyncio.Task[list[Report]]] = set()
    try:
        while True:
            while len(running) < CONCURRENCY and (request := next(waiting, None)) is not None:
                running.add(asyncio.create_task(_run(check_runner, request, fresh)))
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                for report in task.result():
                    yield report
    finally:
        for task in running:
            task.cancel()


async def print_reports(
    reports: AsyncIterator[Report], status: ExitStatus, out: TextIO, shown: Shown, total: int | None
) -> None:
    """Print every report as it arrives; progress goes to stderr, and only to a terminal."""
    console = Console(file=out, highlight=False)
    with progress_bar(error_console, total) as bar:
        task = bar.add_task("Checking", total=total)
        async for report in reports:
            status.record(report)
            explanation = explain(report) if shown.explained else None
            if shown.as_json:
                out.write((_explained_line(report, explanation) if explanation else report_to_line(report)) + "\n")
                out.flush()
            else:
                console.print(RenderedCard(report_card(report, shown.with_tree)))
                console.print(*([RenderedCard(explanation_card(explanation))] if explanation else []))
            bar.advance(task)


def _explained_line(report: Report, explanation: Explanation) -> str:
    return dumps({**report_to_json(report), "explanation": explanation.to_json()})


async def _run(check_runner: CheckRunner, request: CheckRequest, fresh: bool) -> list[Report]:
    return [await check_runner.run(expanded, fresh) for expanded in await check_runner.expand(request)]


@contextmanager
def open_text(file: str | None) -> Iterator[Iterable[str]]:
    """Lines of a file, of standard input for `-`, or none without a file name."""
    if file is None or file == "-":
        yield sys.stdin if file else ()
        return
    with ExitStack() as stack:
        try:
            lines = stack.enter_context(Path(file).open(encoding="utf-8", errors="replace"))
        except OSError as error:
            raise BadInput(f"{file} cannot be read: {error.strerror}.") from None
        yield lines
