"""Every repetition in both sizes, in every command and by every way in, while the probe has to answer."""

from __future__ import annotations

from functools import partial
from itertools import count
from pathlib import Path

from tests.support.mail_world import mail_world
from tests.support.slack_product import product
from tests.support.text_attacks import PROBE_WITHIN_S, attack_page, attack_slack, every_attack, quick_round
from tests.test_serve import get, running


async def test_probe_answers_during_every_attack_by_slack(tmp_path: Path) -> None:
    async with product(tmp_path, mail_world()) as bot:
        slowest = await quick_round(partial(attack_slack, bot, every_attack(), count(1)))
        assert bot.slack.rejected == []
    print(slowest)
    assert slowest.probe_s < PROBE_WITHIN_S


async def test_probe_answers_during_every_attack_on_the_page(tmp_path: Path) -> None:
    async with running(tmp_path) as (url, _):
        await get(f"{url}/readyz")
        slowest = await quick_round(partial(attack_page, url, every_attack(), count(1)))
    print(slowest)
    assert slowest.probe_s < PROBE_WITHIN_S
