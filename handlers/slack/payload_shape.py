"""Checks that a signed Slack payload has the shape its type promises.

Bolt and our listeners index into payloads without checks; an error there would be a 500, which
Slack retries. `check_shape` checks what Bolt and the listeners of events read; what makes a
request of a payload is marked `well_formed`. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
ResultT = TypeVar("ResultT")
SlackPayload = Mapping[str, Any]  # as Slack sends it
Check = Callable[[SlackPayload], object]

# Raised by code that reads a malformed payload. UnicodeError (a lone surrogate) is a ValueError.
SHAPE_ERRORS = (LookupError, TypeError, AttributeError, ValueError, RecursionError)


class MalformedPayload(Exception):
    """Parts of the payload are missing or of another type."""


def well_formed(read: Callable[P, ResultT]) -> Callable[P, ResultT]:
    """Makes a reader of payloads raise MalformedPayload, also where a text of its result is not one."""

    @wraps(read)
    def read_checked(*args: P.args, **kwargs: P.kwargs) -> ResultT:
        try:
            result = read(*args, **kwargs)
            _check_texts(result)
        except (*SHAPE_ERRORS, StopIteration) as error:
            raise MalformedPayload(type(error).__name__) from error
        return result

    return read_checked


def _check_texts(result: Any) -> None:
    """Text fields are text, and identifiers can be encoded; a name is for people only."""
    if is_dataclass(result):
        for field in fields(result):
            if field.type == "str":
                getattr(result, field.name).encode("utf-8", "replace" if field.name == "name" else "strict")


def check_shape(body: SlackPayload) -> None:
    """Raises one of SHAPE_ERRORS. Payload types without a listener are not checked."""
    if "command" not in body:
        PAYLOAD_CHECKS.get(_text(body, "type"), _unchecked)(body)


def _text(part: SlackPayload, name: str) -> str:
    """A field that is text if present. Raises TypeError."""
    value = part.get(name, "")
    if not isinstance(value, str):
        raise TypeError(f"{name} is not text")
    return value


def _check_event(body: SlackPayload) -> None:
    event_type = _text(body["event"], "type")
    for authorization in body.get("authorizations") or ():
        hash(authorization.get("user_id"))
    EVENT_CHECKS.get(event_type, _unchecked)(body)


def _event_texts(*names: str) -> Check:
    def check(body: SlackPayload) -> None:
        for name in names:
            body["event"][name].encode()

    return check


def _check_message(body: SlackPayload) -> None:
    _text(body["event"], "channel_type")


def _check_revoked(body: SlackPayload) -> None:
    (body["event"].get("tokens") or {}).get("bot")


def _check_actions(body: SlackPayload) -> None:
    actions = body["actions"]
    if not isinstance(actions, Sequence) or not isinstance(actions[0], Mapping):
        raise TypeError("actions is not a list of objects")
    _text(actions[0], "block_id")
    actions[0]["action_id"].encode()
    for part in ("team", "user"):
        body[part]["id"].encode()
    body["trigger_id"].encode()


def _check_shortcut(body: SlackPayload) -> None:
    _text(body, "callback_id")


def _check_form(body: SlackPayload) -> None:
    _text(body["view"], "callback_id")


def _unchecked(_: SlackPayload) -> None:
    return


EVENT_CHECKS: Mapping[str, Check] = {
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
