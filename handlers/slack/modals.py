"""Modals for watching, muting and pasting; their input becomes a command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from handlers.commands.watch_parser import MuteOptions
from handlers.messages.formatting import MUTE_DURATIONS
from handlers.sanitize import sanitize
from handlers.slack.payload_shape import SlackPayload, well_formed
from handlers.slack.requests import RequestContext, SlackRequest, file_ids, is_external_user, user_name
from handlers.verbs import Command, Refusal, VerbTable

View = dict[str, Any]

WATCH, MUTE, BOUNCE, HEADERS = FORMS = ("watch", "mute", "bounce", "headers")  # named after their verbs
TARGETS, INTERVAL, ROLE, NAME, DURATION, TEXT, FILE = ("targets", "every", "role", "name", "length", "text", "file")
CHANNEL = "channel"
FIRST_INPUT = {WATCH: TARGETS, MUTE: DURATION}
DEFAULT_INTERVAL = ""  # no interval option
INTERVAL_OPTIONS = (
    (DEFAULT_INTERVAL, "the usual"),
    ("15m", "15 minutes"),
    ("1h", "1 hour"),
    ("6h", "6 hours"),
    ("24h", "24 hours"),
)
ROLE_OPTIONS = (("mta", "It sends mail to the world itself"), ("client", "It submits mail with a password"))
DEFAULT_OPTION = "usual"  # Slack rejects empty option values
MAX_INPUT = 3_000  # characters, Slack's limit
MAX_WATCH = 255  # characters of a name or target; it is in the metadata, which Slack limits to 3,000
EXAMPLE_REPLY = "550 5.7.1 Service unavailable; client [203.0.113.5] blocked using …"
EXAMPLE_HEADER = "Received: from mail.example.com (mail.example.com [203.0.113.5]) by …"
TOO_LONG = f"Slack takes up to {MAX_INPUT:,} characters here; attach what is longer as a file."


def form_for(request: SlackRequest) -> View | None:
    """The modal for the arguments that the command lacks; None if it is complete."""
    metadata = {"channel": request.channel, "thread": request.thread, "watch": ""}
    metadata |= {"response_url": request.response_url, "asked": str(request.requested_at)}
    match request.command:
        case Command("watch", Refusal(is_empty=True)):
            return _view(WATCH, "Watch", metadata, _watch_blocks())
        case Command("mute", MuteOptions(watch, None)) if len(watch.text) <= MAX_WATCH:
            durations = _select(DURATION, MUTE_DURATIONS.question, MUTE_DURATIONS.options, 2)
            return _view(MUTE, "Mute", metadata | {"watch": watch.text}, [durations])
        case Command("bounce", "") if not request.files:
            blocks = _pasted_blocks("The bounce, or lines of a log", EXAMPLE_REPLY)
            return _view(BOUNCE, "Explain a bounce", metadata, blocks)
        case Command("headers", "") if not request.files:
            blocks = _pasted_blocks("The header of the message", EXAMPLE_HEADER)
            return _view(HEADERS, "Follow a message", metadata, blocks)
    return None


def home_watch_form(now: float) -> View:
    """The watch modal of the App Home, with a channel select."""
    metadata = {"channel": "", "thread": "", "watch": "", "response_url": "", "asked": str(now)}
    return _view(WATCH, "Watch", metadata, [*_watch_blocks(), _channel_select()])


@well_formed
def from_form(body: SlackPayload, context: RequestContext) -> SlackRequest:
    """Request with the command of a submitted modal, answered where the modal was opened."""
    view = body["view"]
    metadata = json.loads(view["private_metadata"])
    inputs = {block: next(iter(elements.values())) for block, elements in view["state"]["values"].items()}
    values = {block: _value(element) for block, element in inputs.items()}
    user = body["user"]
    return context.complete(
        SlackRequest(
            id=body["trigger_id"],
            team=body["team"]["id"],
            channel=metadata["channel"] or values[CHANNEL],
            user=user["id"],
            command=_command(view["callback_id"], metadata["watch"], values, context.verbs),
            requested_at=min(context.now, float(metadata["asked"])),
            thread=metadata["thread"],
            response_url=metadata["response_url"],
            name=user_name(user),
            is_external=is_external_user(body),
            files=file_ids(inputs.get(FILE, {})),
            from_app_home=not metadata["channel"],
        )
    )


def first_input(body: SlackPayload) -> str:
    """Block id of the input that shows errors."""
    return FIRST_INPUT.get(body["view"]["callback_id"], TEXT)


def _command(form: str, watch: str, values: dict[str, str], verbs: VerbTable[Any]) -> Command:
    if form == MUTE:
        return verbs.read(form, f"{watch} {values[DURATION]}")
    if form in (BOUNCE, HEADERS):
        return verbs.read(form, values[TEXT])
    interval = f" every {values[INTERVAL]}" if values.get(INTERVAL) not in (None, "", DEFAULT_OPTION) else ""
    name = sanitize(values.get(NAME, "")).replace('"', "")
    name_option = f' name "{name}"' if name else ""
    return verbs.read(form, f"{values[TARGETS]}{interval} as {values[ROLE]}{name_option}")


def _value(element: SlackPayload) -> str:
    option = element.get("selected_option")
    return str(option["value"] if option else element.get("selected_conversation") or element.get("value") or "")


def _view(form: str, title: str, metadata: dict[str, str], blocks: list[View]) -> View:
    return {
        "type": "modal",
        "callback_id": form,
        "private_metadata": json.dumps(metadata),
        "title": _plain(title),
        "submit": _plain(title.partition(" ")[0]),
        "close": _plain("Cancel"),
        "blocks": blocks,
    }


def _watch_blocks() -> list[View]:
    return [
        _text_input(TARGETS, "Addresses, a range, a domain", "203.0.113.0/28 example.com"),
        _select(INTERVAL, "Look every", INTERVAL_OPTIONS, 0),
        _select(ROLE, "What is the address to mail?", ROLE_OPTIONS, 0),
        {**_text_input(NAME, "Name", "HQ egress", 60), "optional": True},
    ]


def _channel_select() -> View:
    """Select of shared channels; direct messages with the bot cannot get alerts."""
    filter_ = {"include": ["public", "private"], "exclude_bot_users": True}
    element = {
        "type": "conversations_select",
        "action_id": CHANNEL,
        "placeholder": _plain("Channel"),
        "filter": filter_,
    }
    return {"type": "input", "block_id": CHANNEL, "label": _plain("Which channel is alerted?"), "element": element}


def _pasted_blocks(label: str, example: str) -> list[View]:
    text_input = _text_input(TEXT, label, example, MAX_INPUT)
    text_input["element"]["multiline"] = True
    file = {"type": "file_input", "action_id": FILE, "max_files": 1}
    return [
        {**text_input, "optional": True, "hint": _plain(TOO_LONG)},
        {"type": "input", "block_id": FILE, "label": _plain("Or a file"), "element": file, "optional": True},
    ]


def _text_input(block: str, label: str, example: str, max_length: int = 1_500) -> View:
    element = {"type": "plain_text_input", "action_id": block, "placeholder": _plain(example), "max_length": max_length}
    return {"type": "input", "block_id": block, "label": _plain(label), "element": element}


def _select(block: str, label: str, options: Sequence[tuple[str, str]], default_index: int) -> View:
    option_objects = [{"text": _plain(label), "value": value or DEFAULT_OPTION} for value, label in options]
    element = {
        "type": "static_select",
        "action_id": block,
        "options": option_objects,
        "initial_option": option_objects[default_index],
    }
    return {"type": "input", "block_id": block, "label": _plain(label), "element": element}


def _plain(text: str) -> View:
    return {"type": "plain_text", "text": text, "emoji": False}
