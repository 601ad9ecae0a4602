"""The bot, its workers and its server are killed while alerts are on their way; the whole form is `python -m benchmarks.kills`."""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.kills.run import Plan, run


async def test_processes_that_are_killed_lose_no_alert_and_say_none_twice(tmp_path: Path) -> None:
    plan = Plan(kills=5, server_kills=1, alerts=24, seed=random.randrange(1_000_000), in_a_room=1, every_s=1)
    print(f"seed {plan.seed}")
    here, told = await run(plan, tmp_path)
    print(told)
    assert (here.kills, here.server_kills) == (5, 1)
    assert told.right, told
    assert here.slack.refused == []
