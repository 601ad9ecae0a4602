"""The judge of the kill runs finds what is wrong, or its zeros would mean nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.kills.stories import OVER, TOLD, Story, told

STORY = Story(7, "C1")
Channel = list[dict[str, Any]]


def said(reason: str, ts: str, thread: str = "") -> dict[str, Any]:
    key = f"{STORY.watch}.6b05.1.0.{reason}.ab12"
    message = {"ts": ts, "text": OVER, "metadata": {"event_payload": {"key": key}}}
    return message | ({"thread_ts": thread} if thread else {})


def all_said() -> Channel:
    return [said(reason, f"{number}.0", "0.0" if number else "") for number, reason in enumerate(TOLD)]


def swap(channel: Channel) -> None:
    channel[1], channel[2] = channel[2], channel[1]


@pytest.mark.parametrize(
    ("fault", "counted"),
    [
        (lambda _: None, {}),
        (lambda channel: channel.append({"ts": "9.0", "text": "an answer to a person"}), {}),
        (lambda channel: channel.pop(2), {"lost": ["10.1.0.7 eased"]}),
        (lambda channel: channel.clear(), {"lost": [f"10.1.0.7 {reason}" for reason in TOLD]}),
        (lambda channel: channel.append(said("resolved", "9.0", "0.0")), {"doubled": ["10.1.0.7 resolved"]}),
        (lambda channel: channel.append(said("unstable", "9.0", "0.0")), {"unasked": ["10.1.0.7 unstable"]}),
        (swap, {"out_of_order": ["10.1.0.7"]}),
        (lambda channel: channel[3].update(thread_ts="8.0"), {"out_of_order": ["10.1.0.7"]}),
        (lambda channel: channel[0].update(text="listed"), {"stale": ["10.1.0.7"]}),
    ],
    ids=["right", "answers", "one lost", "all lost", "doubled", "unasked", "swapped", "beside its thread", "stale"],
)
def test_the_judge_of_a_kill_run_finds_what_is_wrong(
    fault: Callable[[Channel], object], counted: dict[str, list[str]]
) -> None:
    channel = all_said()
    fault(channel)
    found = told([STORY], {"C1": channel})
    kinds = ("lost", "doubled", "unasked", "out_of_order", "stale")
    assert {kind: getattr(found, kind) for kind in kinds if getattr(found, kind)} == counted
    assert found.right is not bool(counted)
