"""`mailcheck lists`: which blocklists answer through this resolver and can be trusted."""

from __future__ import annotations

from typing import Any

import typer

from bot.app import Core
from bot.checks.dnsbl.test_points import ListStatus
from handlers.cli.command import ExitStatus, Json, print_card, print_json, run
from handlers.messages import TRUST_VERDICTS, lists_card


def lists(as_json: Json = False) -> None:
    """The health of every blocklist in the catalogue, seen through the resolver in use."""
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


def to_json(item: ListStatus) -> dict[str, Any]:
    return {"id": item.id, "name": item.name, "health": str(item.trust), "reason": item.reason or None, "ms": item.ms}
