"""`mailcheck lists`: which blocklists answer the resolver in use, and which to believe."""

from __future__ import annotations

from typing import Any

import typer

from bot.app import MailWing
from bot.checks.dnsbl.test_points import Health
from handlers.cli.command import Json, Tally, print_card, print_json, run
from handlers.messages import TRUST, lists_card


def lists(as_json: Json = False) -> None:
    """The health of every blocklist in the catalogue, seen through the resolver in use."""
    tally = Tally()

    async def work(wing: MailWing) -> None:
        rows = []
        async for item in wing.list_health():
            verdict = TRUST[item.standing]
            if item.reason != "no-key":
                tally.verdicts.add(verdict)
            rows.append((item.name, verdict, item.reason, item.ms))
            if as_json:
                print_json(to_json(item))
        if not as_json:
            print_card(lists_card(rows))

    run(work)
    raise typer.Exit(tally.exit_status)


def to_json(item: Health) -> dict[str, Any]:
    said = {"id": item.id, "name": item.name, "health": str(item.standing), "reason": item.reason or None}
    return {**said, "ms": item.ms}
