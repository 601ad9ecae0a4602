"""Signed payloads with missing parts and wrong types are refused or handled, never a 500."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from structlog.testing import capture_logs

from handlers.commands import VERBS
from handlers.slack.app_home import ADD_WATCH, REFRESH
from handlers.slack.block_kit import RUN_PREFIX
from handlers.slack.modals import from_form, home_watch_form
from handlers.slack.payload_shape import SHAPE_ERRORS, MalformedPayload, check_shape
from handlers.slack.requests import (
    RequestContext,
    from_bounce,
    from_button,
    from_direct_message,
    from_mention,
    from_shortcut,
    installed_team,
)
from tests.handlers.slack.conftest import Workspace
from tests.support.slack_payloads import (
    FORM_TYPE,
    app_home_opened,
    button_action,
    direct_message,
    event_callback,
    home_button_action,
    interaction_body,
    json_body,
    mention,
    shortcut,
    signed_headers,
    view_submission,
)

Path = tuple[str | int, ...]
URL = "http://127.0.0.1:1/actions/x"
WRONG: tuple[Any, ...] = (None, 5, 1.5, True, "x", [], {}, [5], [[]], {"x": []}, "\ud800")
BUTTON = {"type": "button", "action_id": f"{RUN_PREFIX}-1", "value": "check 203.0.113.5"}
FILE = {"id": "F1", "mode": "hosted"}
MESSAGE = {"type": "message", "ts": "1.2", "text": "203.0.113.5", "user": "U2", "files": [FILE]}
WATCH = home_watch_form(0.0)

SAMPLES: dict[str, dict[str, Any]] = {
    "mention": event_callback(mention("check 203.0.113.5", files=[FILE])),
    "direct message": event_callback(direct_message("203.0.113.5")),
    "home": event_callback(app_home_opened()),
    "joined": event_callback({"type": "member_joined_channel", "user": "UBOT", "channel": "C1"}),
    "revoked": event_callback({"type": "tokens_revoked", "tokens": {"bot": []}}),
    "uninstalled": event_callback({"type": "app_uninstalled"}),
    "button": button_action(BUTTON, URL, thread_ts="1.1"),
    "home again": home_button_action(REFRESH),
    "home add": home_button_action(ADD_WATCH),
    "shortcut": shortcut(MESSAGE, URL),
    "bounce": shortcut(MESSAGE, URL, "explain_bounce"),
    "form": view_submission(WATCH, {"targets": "example.com", "role": "mta", "channel": "C5"}),
}
CONTEXT = RequestContext(0.0, VERBS)
READERS: dict[str, Callable[[Any], object]] = {
    "mention": lambda body: from_mention(body, CONTEXT),
    "direct message": lambda body: from_direct_message(body, CONTEXT),
    "uninstalled": installed_team,
    "button": lambda body: from_button(body, body["actions"][0], CONTEXT),
    "shortcut": lambda body: from_shortcut(body, CONTEXT),
    "bounce": lambda body: from_bounce(body, CONTEXT),
    "form": lambda body: from_form(body, CONTEXT),
}


def paths(part: Any, below: Path = ()) -> Iterator[Path]:
    yield below
    parts = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for name, value in parts:
        yield from paths(value, (*below, name))


def changed(body: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    changed_body = part = copy.deepcopy(body)
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    return changed_body


def without(body: Any, path: Path) -> Any:
    changed_body = part = copy.deepcopy(body)
    for step in path[:-1]:
        part = part[step]
    del part[path[-1]]
    return changed_body


def corrupted(body: dict[str, Any]) -> list[Any]:
    """Every part of a body left out, and replaced by every wrong value."""
    places = list(paths(body))
    replaced = [changed(body, path, value) for path in places for value in WRONG]
    return replaced + [without(body, path) for path in places if path]


def encoded(kind: str, body: Any) -> tuple[str, str]:
    return json_body(body) if "event" in SAMPLES[kind] else interaction_body(body)


@pytest.mark.parametrize("kind", SAMPLES)
def test_valid_payload_passes(kind: str) -> None:
    check_shape(SAMPLES[kind])
    READERS.get(kind, bool)(SAMPLES[kind])


@pytest.mark.parametrize("kind", SAMPLES)
def test_corrupted_payload_is_refused_before_or_by_its_reader(kind: str) -> None:
    refused = 0
    for body in corrupted(SAMPLES[kind]):
        try:
            check_shape(body)
            if body.get("type") == SAMPLES[kind]["type"]:  # otherwise Bolt finds no listener
                READERS.get(kind, bool)(body)
        except (*SHAPE_ERRORS, MalformedPayload):
            refused += 1
    assert refused > len(WRONG)


@pytest.mark.parametrize("kind", SAMPLES)
async def test_corrupted_signed_payload_is_never_an_error(kind: str, workspace: Workspace) -> None:
    statuses = set()
    with capture_logs() as logs:
        for body in corrupted(SAMPLES[kind])[::3]:
            content, content_type = encoded(kind, body)
            answer = await workspace.http.post(
                "/slack/events", content=content, headers=signed_headers(content, content_type)
            )
            statuses.add(answer.status_code)
    assert statuses <= {200, 400, 401}  # a body that comes twice has the signature of a replay
    assert [line for line in logs if line["log_level"] == "error"] == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("[" * 60_000, "application/json"),
        ('{"a":' * 9_000 + "1" + "}" * 9_000, "application/json"),
        (urlencode({"payload": "[" * 10_000 + "]" * 10_000}), FORM_TYPE),
        (urlencode({"payload": "5"}), FORM_TYPE),
        (urlencode({"payload": '"text"'}), FORM_TYPE),
        (urlencode({"payload": "[]"}), FORM_TYPE),
        (urlencode({"payload": "null"}), FORM_TYPE),
        (interaction_body(SAMPLES["button"] | {"actions": []})),
        (interaction_body(SAMPLES["button"] | {"actions": [5]})),
        (interaction_body(SAMPLES["button"] | {"actions": {}})),
        (interaction_body(SAMPLES["button"] | {"user": "U1"})),
        (interaction_body(SAMPLES["shortcut"] | {"message": []})),
        (interaction_body(changed(SAMPLES["form"], ("view", "private_metadata"), "[" * 5_000))),
        (interaction_body(changed(SAMPLES["form"], ("view", "state", "values", "targets"), {}))),
        (json_body(changed(SAMPLES["mention"], ("event", "user"), 5))),
        (json_body(changed(SAMPLES["mention"], ("event", "channel"), "\ud800"))),
        (json_body(SAMPLES["mention"] | {"event": [1]})),
        (urlencode({"command": "/mailcheck", "text": "help"}), FORM_TYPE),
    ],
)
async def test_malformed_signed_body_is_refused(body: str, kind: str, workspace: Workspace) -> None:
    answer = await workspace.http.post("/slack/events", content=body, headers=signed_headers(body, kind))
    assert (answer.status_code, json.loads(answer.text)) == (400, {"error": "not a request of Slack's"})
    assert workspace.jobs == []
