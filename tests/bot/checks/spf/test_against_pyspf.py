"""Differential test: 2000 random worlds against pyspf; every difference has a known reason."""

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
from bot.checks.spf.result import ResultCode, SpfResult
from bot.models import LookupFailed
from tests.bot.checks.spf.zones import CheckHostCall, random_call
from tests.support.dns_world import World

WORLDS = 2000
SEED = int(os.environ.get("SPF_SEED", "7208"))
REASONS = {
    "modifier twice": ("an unknown modifier may stand in a record twice (§6); pyspf answers permerror"),
    "own include": (
        "a record that includes itself is only wrong once a receiver comes to it; pyspf answers permerror at once"
    ),
    "reverse names": "a DNS error about ptr means no match (§5.5), and only names below the "
    "target are looked up; pyspf "
    "answers temperror, and counts all names as void lookups",
}


@dataclass
class Oracle:
    """DNS for pyspf from the same world; records the names that failed or had no records."""

    world: World
    names_without_records: set[str] = field(default_factory=set)

    def __call__(self, name: str, rdtype: str, _strict: Any = True, _timeout: Any = None) -> Iterator[Any]:
        try:
            answer = self.world.answer(name, rdtype)
        except LookupFailed as failure:
            self.names_without_records.add(name)
            raise spf.TempError(f"DNS {failure.reason}") from None
        if not answer.records:
            self.names_without_records.add(name)
        return (((name, rdtype), _data(rdtype, record)) for record in answer.records)


def _data(rdtype: str, record: str) -> Any:
    if rdtype == "MX":
        preference, _, host = record.partition(" ")
        return int(preference), host
    return (record.encode(),) if rdtype == "TXT" else record


async def test_check_host_agrees_with_pyspf_except_known_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    results: Counter[str] = Counter()
    differences: Counter[str] = Counter()
    unexplained = []
    for seed in range(SEED, SEED + WORLDS):
        call = random_call(seed)
        oracle = Oracle(call.world)
        monkeypatch.setattr(spf, "DNSLookup", oracle)
        theirs = spf.query(i=str(call.ip), s=call.sender, h=call.helo, strict=True)
        theirs.set_default_explanation("DEFAULT")
        result, _, explanation = theirs.check()
        ours = await check_host(call.ip, call.sender, call.helo, call.world)
        results[result] += 1
        if _same(result, explanation, ours):
            continue
        reason = _reason(call, theirs, oracle)
        differences[reason or "unexplained"] += 1
        unexplained += [] if reason else [f"seed {seed}: pyspf {result} ({explanation}), we {ours}"]
    print(f"\nseed {SEED}, {WORLDS} worlds, results {dict(results)}, differences {dict(differences)}")
    assert unexplained == []
    assert set(differences) <= set(REASONS)
    assert set(results) == set(ResultCode) - {ResultCode.UNKNOWN}, "the worlds are too tame: some result never came up"


def _same(result: str, explanation: str, ours: SpfResult) -> bool:
    return ours.code == result and (result != "fail" or explanation == (ours.explanation or "DEFAULT"))


def _reason(call: CheckHostCall, theirs: Any, oracle: Oracle) -> str | None:
    problem = theirs.prob
    if problem.endswith("MUST appear at most once") and not problem.startswith(("redirect=", "exp=")):
        return "modifier twice"
    if problem == "include has trivial recursion":
        return "own include"
    if problem.startswith(("DNS ", "Void lookup limit")) and oracle.names_without_records & _reverse_names(call):
        return "reverse names"
    return None


def _reverse_names(call: CheckHostCall) -> set[str]:
    """Names queried only for ptr and %{p}, if a record uses them."""
    texts = [text for rdtypes in call.world.zone.values() for text in rdtypes.get("TXT", ())]
    if not any("ptr" in text or "%{p" in text for text in texts):
        return set()
    pointer = reverse_name(call.ip)
    return {pointer, *call.world.zone[pointer]["PTR"]}
