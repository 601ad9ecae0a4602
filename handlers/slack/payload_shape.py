"""Checks that a signed Slack payload has the shape its type promises.

Bolt and our listeners index into payloads without checks; an error there would be a 500, which
Slack retries. So each payload is parsed once on trial by the functions of the listeners. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields

from handlers.slack.app_home import ADD_WATCH, REFRESH
from handlers.slack.block_kit import RUN_PREFIX
from handlers.slack.modals import FORMS, first_input, from_form, home_watch_form
from handlers.slack.requests import (
    SlackPayload,
    SlackRequest,
    from_bounce,
    from_button,
    from_command,
    from_direct_message,
    from_mention,
    from_shortcut,
    installed_team,
)

# Raised by code that reads a malformed payload. UnicodeError (a lone surrogate) is a ValueError.
SHAPE_ERRORS = (LookupError, TypeError, AttributeError, ValueError, RecursionError)
ANY_TIME = 0.0  # of a request that is parsed and thrown away

Check = Callable[[SlackPayload], object]


def check_shape(body: SlackPayload) -> None:
    """Raises one of SHAPE_ERRORS. Payload types without a listener are not checked."""
    try:
        if "command" in body:
            _check_request(from_command(body, ANY_TIME))
        else:
            PAYLOAD_CHECKS.get(_text(body, "type"), _unchecked)(body)
    except StopIteration:
        raise ValueError("an empty part") from None


def _text(part: SlackPayload, name: str) -> str:
    """A field that is text if present. Raises TypeError."""
    value = part.get(name, "")
    if not isinstance(value, str):
        raise TypeError(f"{name} is not text")
    return value


def _check_request(request: SlackRequest | None) -> None:
    """Every text field is text, and identifiers can be encoded."""
    for field in fields(request) if request else ():
        if field.type == "str":
            errors = "replace" if field.name in ("text", "name") else "strict"
            getattr(request, field.name).encode("utf-8", errors)


def _check_event(body: SlackPayload) -> None:
    event_type = _text(body["event"], "type")
    for authorization in body.get("authorizations") or ():
        hash(authorization.get("user_id"))
    installed_team(body).encode()
    EVENT_CHECKS.get(event_type, _unchecked)(body)


def _check_mention(body: SlackPayload) -> None:
    _check_request(from_mention(body, ANY_TIME))


def _check_message(body: SlackPayload) -> None:
    _text(body["event"], "channel_type")
    _check_request(from_direct_message(body, ANY_TIME))


def _event_texts(*names: str) -> Check:
    def check(body: SlackPayload) -> None:
        for name in names:
            body["event"][name].encode()

    return check


def _check_revoked(body: SlackPayload) -> None:
    (body["event"].get("tokens") or {}).get("bot")


def _check_actions(body: SlackPayload) -> None:
    actions = body["actions"]
    if not isinstance(actions, Sequence) or not isinstance(actions[0], Mapping):
        raise TypeError("actions is not a list of objects")
    action = actions[0]
    action_id = action["action_id"]
    _text(action, "action_id")
    _text(action, "block_id")
    if action_id.startswith(RUN_PREFIX):
        _check_request(from_button(body, action, ANY_TIME))
    elif action_id in (ADD_WATCH, REFRESH):
        for value in (body["team"]["id"], body["user"]["id"], body["trigger_id"]):
            value.encode()
        home_watch_form(body, ANY_TIME)


def _check_shortcut(body: SlackPayload) -> None:
    _text(body, "callback_id")
    _check_request(from_shortcut(body, ANY_TIME))
    _check_request(from_bounce(body, ANY_TIME))


def _check_form(body: SlackPayload) -> None:
    if _text(body["view"], "callback_id") in FORMS:
        _check_request(from_form(body, ANY_TIME))
        first_input(body)


def _unchecked(_: SlackPayload) -> None:
    return


EVENT_CHECKS: Mapping[str, Check] = {
    "app_mention": _check_mention,
    "message": _check_message,
    "app_home_opened": _event_texts("user"),
    "member_joined_channel": _event_texts("user", "channel"),
    "tokens_revoked": _check_revoked,
}
PAYLOAD_CHECKS: Mapping[str, Check] = {
    "event_callback": _check_event,
    "block_actions": _check_actions,
    "message_action": _check_shortcut,
    "view_submission": _check_form,
}
