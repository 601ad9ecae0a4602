"""Two thousand random worlds, asked of pyspf and of us. Where we differ, the difference has a known reason."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import spf

from bot.checks.lookups import reverse_name
from bot.checks.spf.check_host import check_host
from bot.checks.spf.result import Evaluation, Result
from bot.models import LookupFailed
from tests.bot.checks.spf.zones import Question, question
from tests.support.dns_world import World

WORLDS = 2000
SEED = int(os.environ.get("SPF_SEED", "7208"))
REASONS = {
    "modifier twice": "an unknown modifier may stand in a record twice (§6); pyspf answers permerror",
    "own include": "a record that includes itself is only wrong once a receiver comes to it; pyspf answers permerror at once",
    "reverse names": "a DNS error about ptr means no match (§5.5), and only names below the target are looked up; pyspf "
    "answers temperror, and counts all names as void lookups",
}


@dataclass
class Oracle:
    """DNS as pyspf wants it, from the same world; remembers the questions that failed or found nothing."""

    world: World
    unanswered: set[str] = field(default_factory=set)

    def __call__(self, name: str, kind: str, _strict: Any = True, _timeout: Any = None) -> Iterator[Any]:
        try:
            answer = self.world.answer(name, kind)
        except LookupFailed as failure:
            self.unanswered.add(name)
            raise spf.TempError(f"DNS {failure.reason}") from None
        if not answer.records:
            self.unanswered.add(name)
        return (((name, kind), _data(kind, record)) for record in answer.records)


def _data(kind: str, record: str) -> Any:
    if kind == "MX":
        preference, _, host = record.partition(" ")
        return int(preference), host
    return (record.encode(),) if kind == "TXT" else record


async def test_pyspf_agrees_but_for_known_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    results: Counter[str] = Counter()
    differences: Counter[str] = Counter()
    unexplained = []
    for seed in range(SEED, SEED + WORLDS):
        asked = question(seed)
        oracle = Oracle(asked.world)
        monkeypatch.setattr(spf, "DNSLookup", oracle)
        theirs = spf.query(i=str(asked.ip), s=asked.sender, h=asked.helo, strict=True)
        theirs.set_default_explanation("DEFAULT")
        result, _, explanation = theirs.check()
        ours = await check_host(asked.ip, asked.sender, asked.helo, asked.world)
        results[result] += 1
        if _same(result, explanation, ours):
            continue
        reason = _reason(asked, theirs, oracle)
        differences[reason or "unexplained"] += 1
        unexplained += [] if reason else [f"seed {seed}: pyspf {result} ({explanation}), we {ours}"]
    print(f"\nseed {SEED}, {WORLDS} worlds, results {dict(results)}, differences {dict(differences)}")
    assert unexplained == []
    assert set(differences) <= set(REASONS)
    assert set(results) == set(Result) - {Result.UNKNOWN}, "the worlds are too tame: some result never came up"


def _same(result: str, explanation: str, ours: Evaluation) -> bool:
    return ours.result == result and (result != "fail" or explanation == (ours.explanation or "DEFAULT"))


def _reason(asked: Question, theirs: Any, oracle: Oracle) -> str | None:
    problem = theirs.prob
    if problem.endswith("MUST appear at most once") and not problem.startswith(("redirect=", "exp=")):
        return "modifier twice"
    if problem == "include has trivial recursion":
        return "own include"
    if problem.startswith(("DNS ", "Void lookup limit")) and oracle.unanswered & _reverse_names(asked):
        return "reverse names"
    return None


def _reverse_names(asked: Question) -> set[str]:
    """The names that only ptr and %{p} ask about, if a record uses them at all."""
    texts = [text for kinds in asked.world.zone.values() for text in kinds.get("TXT", ())]
    if not any("ptr" in text or "%{p" in text for text in texts):
        return set()
    pointer = reverse_name(asked.ip)
    return {pointer, *asked.world.zone[pointer]["PTR"]}
