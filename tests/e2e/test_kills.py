"""Bot, workers and Valkey are killed while alerts are delivered.

The long form is `python -m benchmarks.kills`.
"""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.kills.run import Plan, run


async def test_killed_processes_lose_and_repeat_no_alert(tmp_path: Path) -> None:
    plan = Plan(
        kills=5, server_kills=1, alerts=24, seed=random.randrange(1_000_000), watches_per_channel=1, poll_interval_s=1
    )
    print(f"seed {plan.seed}")
    benchmark, result = await run(plan, tmp_path)
    print(result)
    assert (benchmark.kills, benchmark.server_kills) == (5, 1)
    assert result.passed, result
    assert benchmark.slack.rejected == []
