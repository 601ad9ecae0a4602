"""One round of questions: targets and test points all at once, the text of a listing as soon as it shows, one deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bot.checks.dnsbl.classify import Outcome, State, read_alone
from bot.checks.dnsbl.zones import Question, Zone
from bot.models import Lookup, LookupFailed, RoundLookup

MOST_TEXTS = 4
MOST_TEXT_CHARACTERS = 300
SILENCE = LookupFailed("timeout")


@dataclass(slots=True)
class Heard:
    """What came back before the deadline, by the name asked."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def outcome(self, name: str) -> Outcome:
        return self.outcomes.get(name, SILENCE)


async def ask(lookup: Lookup, targets: Sequence[Question], controls: Iterable[str], deadline: float) -> Heard:
    """Asks everything at once; what has not answered at `deadline` (in the time of the event loop) was silent.

    Each of the `targets` that looks listed is asked for its TXT at once.
    """
    heard = Heard()

    async def ask_address(name: str) -> None:
        try:
            heard.outcomes[name] = await lookup(name, "A")
        except LookupFailed as failure:
            heard.outcomes[name] = failure

    async def ask_target(question: Question) -> None:
        await ask_address(question.name)
        if read_alone(question.zone.blocklist, heard.outcomes[question.name]).state is State.LISTED:
            heard.texts[question.name] = await text_of(lookup, question.name)

    try:
        async with asyncio.timeout_at(deadline), asyncio.TaskGroup() as group:
            for question in targets:
                group.create_task(ask_target(question))
            for name in set(controls) - {question.name for question in targets}:
                group.create_task(ask_address(name))
    except TimeoutError:
        pass  # the missing outcomes tell it: each of them reads as silence
    return heard


async def ask_in_rounds(
    lookup: RoundLookup, targets: Sequence[Question], stale: Sequence[Zone], deadline: float
) -> Heard:
    """The same with a lookup that asks many zones about one label at once; of the `stale` zones the test points are asked."""
    heard = Heard()
    questions = {question.name: question for question in targets}

    async def ask_label(label: str, apexes: Sequence[str]) -> None:
        def hear(place: int, outcome: Outcome) -> None:
            name = f"{label}.{apexes[place]}"
            heard.outcomes[name] = outcome
            question = questions.get(name)
            if question and read_alone(question.zone.blocklist, outcome).state is State.LISTED:
                group.create_task(ask_text(name))

        await lookup.ask_all(label, apexes, heard=hear)

    async def ask_text(name: str) -> None:
        heard.texts[name] = await text_of(lookup, name)

    try:
        async with asyncio.timeout_at(deadline), asyncio.TaskGroup() as group:
            for label, apexes in _rounds(targets, stale).items():
                group.create_task(ask_label(label, apexes))
    except TimeoutError:
        pass  # as above
    return heard


def _rounds(targets: Sequence[Question], stale: Sequence[Zone]) -> dict[str, list[str]]:
    """The zones to ask about each label."""
    rounds: dict[str, dict[str, None]] = {}
    for question in targets:
        rounds.setdefault(question.label, {})[question.zone.apex] = None
    for zone in stale:
        for name in zone.controls:
            rounds.setdefault(name.removesuffix(f".{zone.apex}"), {})[zone.apex] = None
    return {label: list(apexes) for label, apexes in rounds.items()}


async def text_of(lookup: Lookup, name: str) -> tuple[str, ...]:
    """What the list writes about an entry, cut short; a list need not write anything, so a failure is an empty text."""
    try:
        answer = await lookup(name, "TXT")
    except LookupFailed:
        return ()
    return tuple(text[:MOST_TEXT_CHARACTERS] for text in answer.records[:MOST_TEXTS])
