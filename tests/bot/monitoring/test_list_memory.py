"""What is remembered of the lists from look to look, and when a round of theirs is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.models import Order, Target, Verdict
from bot.monitoring.dnsbl_quarantine import (
    LIST_ROUND,
    Heard,
    Limits,
    ListHealth,
    ListMemory,
    NoteReason,
    Tally,
    counted,
    heard_in,
    round_over,
)
from bot.monitoring.serialization import dump, load
from tests.support.incident_stories import T0
from tests.support.reports import listing, report

LIMITS = Limits()


def rounds(
    memory: ListMemory, *each: Heard, number: int = 3, unproven: frozenset[str] = frozenset()
) -> tuple[ListMemory, list[NoteReason]]:
    """So many rounds in which the same was heard."""
    said: list[NoteReason] = []
    for _ in range(number):
        memory, at_once = counted(memory, {}, each, memory.since, LIMITS)
        memory, notes = round_over(memory, unproven, memory.since + LIST_ROUND, LIMITS)
        said += [note.reason for note in (*at_once, *notes)]
    return memory, said


def test_a_report_tells_what_each_list_said() -> None:
    seen = report(
        listing("A"),
        listing("B", Verdict.PASS, "not_listed"),
        listing("C", Verdict.UNKNOWN, "unusable", reason="lists-everything"),
        listing("D", Verdict.UNKNOWN, "unknown", reason="timeout"),
    )
    other = replace(seen, order=Order(Target.of("192.0.2.26", "example.com")))
    assert heard_in([seen, other]) == (
        Heard("a", 2, 2, 2),
        Heard("b", 2, 2, 0),
        Heard("c", 2, 0, 0, lists_everything=True),
        Heard("d", 2, 0, 0),
    )


def test_a_domain_is_heard_once_however_many_addresses_go_with_it() -> None:
    about_domain = report(listing("A", holds="domains"), listing("B", holds="addresses"))
    addresses = [replace(about_domain, order=Order(Target.of(f"192.0.2.{n}", "example.com"))) for n in range(16)]
    assert heard_in(addresses) == (Heard("a", 1, 1, 1), Heard("b", 16, 16, 16))


def test_a_round_takes_its_time() -> None:
    memory, _ = counted(ListMemory(T0), {}, [Heard("a", 1)], T0, LIMITS)
    assert round_over(memory, frozenset(), T0 + LIST_ROUND - timedelta(seconds=1), LIMITS) == (memory, ())
    over, _ = round_over(memory, frozenset(), T0 + LIST_ROUND, LIMITS)
    assert (over.since, over.heard) == (T0 + LIST_ROUND, ())


def test_a_clock_that_is_set_back_ends_the_round() -> None:
    over, _ = round_over(ListMemory(T0), frozenset(), T0 - timedelta(hours=3), LIMITS)
    assert over.since == T0 - timedelta(hours=3)


@pytest.mark.parametrize(
    ("heard", "unproven", "said"),
    [
        (Heard("a", 9, 9, 2), False, []),
        (Heard("a", 9, 0, 0), False, [NoteReason.DEGRADED]),
        (Heard("a", 9, 0, 0, lists_everything=True), False, [NoteReason.QUARANTINED]),
        (Heard("a", 9, 9, 9), False, []),  # its test entries are right: it is so
        (Heard("a", 9, 9, 9), True, [NoteReason.QUARANTINED]),
        (Heard("a", 40, 40, 9), True, []),
        (Heard("a", 4, 4, 4), True, []),  # four are no proof
    ],
)
def test_what_a_list_says_for_three_rounds(heard: Heard, unproven: bool, said: list[NoteReason]) -> None:
    _, notes = rounds(ListMemory(T0), heard, unproven=frozenset({"a"}) if unproven else frozenset())
    assert notes == said


def test_a_round_without_looks_is_no_silence() -> None:
    assert rounds(ListMemory(T0), number=20)[1] == []


def test_too_many_flips_hold_a_list_until_three_good_rounds() -> None:
    broken, notes = counted(ListMemory(T0), {"a": Tally(20, 20), "b": Tally(20, 1)}, (), T0, LIMITS)
    assert [(note.reason, note.lists) for note in notes] == [(NoteReason.QUARANTINED, ("a",))]
    assert broken.quarantined == {"a"}
    two, said = rounds(broken, Heard("a", 5, 5), Heard("b", 5, 5), number=2)
    assert (two.quarantined, said) == ({"a"}, [])
    three, said = rounds(two, Heard("a", 5, 5), Heard("b", 5, 5), number=1)
    assert (three.quarantined, said) == (frozenset(), [NoteReason.TRUSTED])


def test_a_list_that_lists_its_never_listed_entry_is_held_at_once() -> None:
    gave = Heard("a", 1, 0, 0, lists_everything=True)
    held, notes = counted(ListMemory(T0), {}, [gave], T0, LIMITS)
    assert held.quarantined == {"a"}
    assert [(note.reason, note.lists) for note in notes] == [(NoteReason.QUARANTINED, ("a",))]
    assert counted(held, {}, [gave], T0, LIMITS)[1] == ()


def test_the_memory_comes_back_as_it_was() -> None:
    memory = ListMemory(T0, (ListHealth("a", asked=3, held_since=T0),), (Heard("a", 1, 1, 0, True),))
    assert load(ListMemory, dump(memory)) == memory
