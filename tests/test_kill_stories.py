"""The audit of the kill benchmark detects every kind of error; otherwise its zeros mean nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.kills.stories import REASONS, RESOLVED_TEXT, Story, audit

STORY = Story(7, "C1")
Messages = list[dict[str, Any]]


def alert(reason: str, ts: str, thread_ts: str = "") -> dict[str, Any]:
    key = f"{STORY.watch_id}.6b05.1.0.{reason}.ab12"
    message = {"ts": ts, "text": RESOLVED_TEXT, "metadata": {"event_payload": {"key": key}}}
    return message | ({"thread_ts": thread_ts} if thread_ts else {})


def all_alerts() -> Messages:
    return [alert(reason, f"{number}.0", "0.0" if number else "") for number, reason in enumerate(REASONS)]


def swap(messages: Messages) -> None:
    messages[1], messages[2] = messages[2], messages[1]


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        (lambda _: None, {}),
        (lambda messages: messages.append({"ts": "9.0", "text": "an answer to a person"}), {}),
        (lambda messages: messages.pop(2), {"lost": ["10.1.0.7 eased"]}),
        (lambda messages: messages.clear(), {"lost": [f"10.1.0.7 {reason}" for reason in REASONS]}),
        (lambda messages: messages.append(alert("resolved", "9.0", "0.0")), {"duplicated": ["10.1.0.7 resolved"]}),
        (lambda messages: messages.append(alert("unstable", "9.0", "0.0")), {"unexpected": ["10.1.0.7 unstable"]}),
        (swap, {"out_of_order": ["10.1.0.7"]}),
        (lambda messages: messages[3].update(thread_ts="8.0"), {"out_of_order": ["10.1.0.7"]}),
        (lambda messages: messages[0].update(text="listed"), {"stale": ["10.1.0.7"]}),
    ],
    ids=[
        "correct",
        "answers",
        "one lost",
        "all lost",
        "duplicated",
        "unexpected",
        "swapped",
        "outside its thread",
        "stale",
    ],
)
def test_kill_audit_detects_error(change: Callable[[Messages], object], errors: dict[str, list[str]]) -> None:
    messages = all_alerts()
    change(messages)
    result = audit([STORY], {"C1": messages})
    assert result.errors() == errors
    assert result.passed is not bool(errors)
