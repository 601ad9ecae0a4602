"""Repetitions in every command and by every way in: the probe of the same process answers meanwhile."""

from __future__ import annotations

from functools import partial
from itertools import count
from pathlib import Path

import pytest

from tests.support.mail_world import mail_world
from tests.support.slack_product import product
from tests.support.text_attacks import PROBE_WITHIN_S, attack_page, attack_slack, quick_round, some_attacks
from tests.test_serve import get, running


async def test_probe_answers_while_slack_sends_repetitions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with product(tmp_path, mail_world()) as bot:
        slowest = await quick_round(partial(attack_slack, bot, some_attacks(), count(1)))
        assert bot.slack.rejected == []
    with capsys.disabled():
        print(f"\n{slowest}")
    assert slowest.probe_s < PROBE_WITHIN_S


async def test_probe_answers_while_the_page_sends_repetitions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(tmp_path) as (url, _):
        await get(f"{url}/readyz")
        slowest = await quick_round(partial(attack_page, url, some_attacks(), count(1)))
    with capsys.disabled():
        print(f"\n{slowest}")
    assert slowest.probe_s < PROBE_WITHIN_S
