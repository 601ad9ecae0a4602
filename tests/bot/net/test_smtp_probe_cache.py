"""A mail server is visited once in ten minutes, however many ask."""

from __future__ import annotations

import asyncio

import pytest

from bot.net.smtp_probe import ENOUGH, GOOD_FOR_S, MOST_REMEMBERED, Sparing
from bot.probe_results import SmtpFacts, Trouble


class Probing:
    """Counts its visits, and lets them end when `go` is set."""

    def __init__(self) -> None:
        self.visited: list[str] = []
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, name: str, /) -> SmtpFacts:
        self.visited.append(name)
        await self.go.wait()
        return SmtpFacts(name, trouble=Trouble.TIMEOUT)


async def test_a_server_is_visited_again_only_after_ten_minutes() -> None:
    now = 0.0
    probe = Probing()
    sparing = Sparing(probe, clock=lambda: now)
    first = await sparing("mx.example.com")
    now = GOOD_FOR_S - 1
    assert await sparing("mx.example.com") is first
    await sparing("mx.example.net")
    assert probe.visited == ["mx.example.com", "mx.example.net"]
    now = GOOD_FOR_S
    assert await sparing("mx.example.com") is not first


async def test_those_who_ask_at_once_share_a_visit_and_one_who_turns_away_takes_it_from_nobody() -> None:
    probe = Probing()
    probe.go.clear()
    sparing = Sparing(probe)
    impatient, patient = (asyncio.create_task(sparing("mx.example.com")) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    probe.go.set()
    assert (await patient).name == "mx.example.com"
    assert impatient.cancelled()
    assert probe.visited == ["mx.example.com"]


async def test_only_so_many_servers_are_remembered() -> None:
    probe = Probing()
    sparing = Sparing(probe)
    for number in range(MOST_REMEMBERED + 1):
        await sparing(f"mx{number}.example.com")
    await sparing("mx1.example.com")
    await sparing("mx0.example.com")
    assert len(probe.visited) == MOST_REMEMBERED + 2


@pytest.mark.parametrize(
    ("troubles", "known"),
    [
        ([], None),
        ([Trouble.UNREACHABLE] * (ENOUGH - 1), None),
        ([Trouble.UNREACHABLE] * ENOUGH, False),
        ([*[Trouble.UNREACHABLE] * ENOUGH, Trouble.REFUSED], True),
        ([None], True),
        ([Trouble.NO_ADDRESS, Trouble.SPECIAL, Trouble.NO_ANSWER, Trouble.SPECIAL], None),
    ],
)
async def test_whether_port_25_is_open_shows_in_the_visits_of_ten_minutes(
    troubles: list[Trouble | None], known: bool | None
) -> None:
    now = 0.0
    waiting = iter(troubles)

    async def probe(name: str, /) -> SmtpFacts:
        return SmtpFacts(name, trouble=next(waiting))

    sparing = Sparing(probe, clock=lambda: now)
    for number in range(len(troubles)):
        await sparing(f"mx{number}.example.com")
    assert sparing.port_open() is known
    now = GOOD_FOR_S
    assert sparing.port_open() is None
