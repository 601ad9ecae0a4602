"""`mailcheck lists`: which blocklists work through this resolver; `lists validate` checks a catalog file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bot.app import Core
from bot.checks.dnsbl import load
from bot.checks.dnsbl.catalog import Catalog
from bot.checks.dnsbl.test_points import ListStatus
from bot.inputs.toml_tables import DataFileError
from handlers.cli.command import ExitStatus, Json, error_console, print_card, print_json, run
from handlers.messages import TRUST_VERDICTS, lists_card

lists_app = typer.Typer(rich_markup_mode=None)


@lists_app.callback(invoke_without_command=True)
def lists(context: typer.Context, as_json: Json = False) -> None:
    """The health of every blocklist in the catalog, seen through the resolver in use."""
    if context.invoked_subcommand:
        return
    status = ExitStatus()

    async def work(core: Core) -> None:
        rows = []
        async for item in core.list_status():
            verdict = TRUST_VERDICTS[item.trust]
            if item.reason != "no-key":
                status.verdicts.add(verdict)
            rows.append((item.name, verdict, item.reason, item.ms))
            if as_json:
                print_json(to_json(item))
        if not as_json:
            print_card(lists_card(rows))

    run(work)
    raise typer.Exit(status.code)


@lists_app.command("validate")
def validate_file(
    file: Annotated[Path, typer.Argument(help="A file for MAILCHECK_BLOCKLISTS.")], as_json: Json = False
) -> None:
    """Check a catalog file; every problem is a line with file, table and key."""
    try:
        catalog = load(file)
    except DataFileError as wrong:
        for problem in wrong.problems:
            error_console.print(problem, markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    differences = compare(catalog, load())
    if as_json:
        print_json({"file": str(file), **differences})
        return
    counts = ", ".join(f"{len(ids)} {name.replace('_', ' ')}" for name, ids in differences.items() if name != "lists")
    print(f"{file} is valid: {len(catalog.lists)} lists ({counts}).")


def compare(catalog: Catalog, builtin: Catalog) -> dict[str, list[str]]:
    """Ids of the lists that the catalog adds to the built-in one, changes and leaves out."""
    own, known = ({blocklist.id: blocklist for blocklist in item.lists} for item in (catalog, builtin))
    return {
        "lists": list(own),
        "added": [list_id for list_id in own if list_id not in known],
        "changed": [list_id for list_id, item in own.items() if list_id in known and item != known[list_id]],
        "left_out": [list_id for list_id in known if list_id not in own],
    }


def to_json(item: ListStatus) -> dict[str, Any]:
    return {"id": item.id, "name": item.name, "health": str(item.trust), "reason": item.reason or None, "ms": item.ms}
