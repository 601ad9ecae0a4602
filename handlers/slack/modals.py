"""Forms in Slack: to add a watch, to say how long a mute lasts, to paste a bounce or a header. What is filled in becomes
the command that could be typed. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from handlers.commands.parser import PASTED
from handlers.messages.formatting import MUTE_FOR
from handlers.sanitize import inert
from handlers.slack.requests import Errand, Sent, files_of

View = dict[str, Any]

WATCH, MUTE = "watch", "mute"
FORMS = (WATCH, MUTE, *PASTED)
TARGETS, EVERY, ROLE, NAME, LENGTH, TEXT, FILE = "targets", "every", "role", "name", "length", "text", "file"
CHANNEL = "channel"
FIRST = {WATCH: TARGETS, MUTE: LENGTH}
USUAL = ""  # the interval of those who say nothing
EVERY_CHOICES = ((USUAL, "the usual"), ("15m", "15 minutes"), ("1h", "1 hour"), ("6h", "6 hours"), ("24h", "24 hours"))
ROLES = (("mta", "It sends mail to the world itself"), ("client", "It submits mail with a password"))
NO_VALUE = "usual"  # an option of Slack's may not be empty
LONGEST_INPUT = 3_000  # characters, the most that Slack allows
REPLY = "550 5.7.1 Service unavailable; client [203.0.113.5] blocked using …"
HEADER = "Received: from mail.example.com (mail.example.com [203.0.113.5]) by …"
TOO_LONG = f"Slack takes up to {LONGEST_INPUT:,} characters here; attach what is longer as a file."


def form_for(errand: Errand) -> View | None:
    """The form that asks for what the command leaves out; None where it says all."""
    match errand.text.lower().split():
        case ["watch"]:
            return _view(WATCH, "Watch", errand, "", _watch_blocks())
        case ["mute", watch]:
            return _view(MUTE, "Mute", errand, watch, [_choice(LENGTH, MUTE_FOR.question, MUTE_FOR.options, 2)])
        case ["bounce"] if not errand.files:
            return _view(
                "bounce", "Explain a bounce", errand, "", _pasted_blocks("The bounce, or lines of a log", REPLY)
            )
        case ["headers"] if not errand.files:
            return _view("headers", "Follow a message", errand, "", _pasted_blocks("The header of the message", HEADER))
    return None


def watch_form_at_home(body: Sent, now: float) -> View:
    """The form to add a watch, asked for on the App Home: it also asks for the channel."""
    asked = Errand(id=body["trigger_id"], team="", channel="", user=body["user"]["id"], text="watch", asked=now)
    return _view(WATCH, "Watch", asked, "", [*_watch_blocks(), _channel()])


def from_form(body: Sent, now: float) -> Errand:
    """What was filled in, as the command; it is answered where the form was asked for."""
    view = body["view"]
    asked = json.loads(view["private_metadata"])
    inputs = {block: next(iter(elements.values())) for block, elements in view["state"]["values"].items()}
    filled = {block: _value(element) for block, element in inputs.items()}
    user = body["user"]
    return Errand(
        id=body["trigger_id"],
        team=body["team"]["id"],
        channel=asked["channel"] or filled[CHANNEL],
        user=user["id"],
        text=_command(view["callback_id"], asked["watch"], filled),
        asked=min(now, float(asked["asked"])),
        thread=asked["thread"],
        response_url=asked["response_url"],
        name=user.get("name") or user.get("username") or "",
        stranger=user.get("team_id", body["team"]["id"]) != body["team"]["id"],
        files=files_of(inputs.get(FILE, {})),
        at_home=not asked["channel"],
    )


def first_input(body: Sent) -> str:
    """Where a form shows what is wrong."""
    return FIRST.get(body["view"]["callback_id"], TEXT)


def _command(form: str, watch: str, filled: dict[str, str]) -> str:
    if form == MUTE:
        return f"mute {watch} {filled[LENGTH]}"
    if form in PASTED:
        return f"{form} {filled[TEXT]}".strip()
    every = f" every {filled[EVERY]}" if filled.get(EVERY) not in (None, "", NO_VALUE) else ""
    name = inert(filled.get(NAME, "")).replace('"', "")
    named = f' name "{name}"' if name else ""
    return f"watch {filled[TARGETS]}{every} as {filled[ROLE]}{named}"


def _value(element: Sent) -> str:
    chosen = element.get("selected_option")
    return str(chosen["value"] if chosen else element.get("selected_conversation") or element.get("value") or "")


def _view(form: str, title: str, errand: Errand, watch: str, blocks: list[View]) -> View:
    asked = {"channel": errand.channel, "thread": errand.thread, "watch": watch}
    asked |= {"response_url": errand.response_url, "asked": str(errand.asked)}
    return {
        "type": "modal",
        "callback_id": form,
        "private_metadata": json.dumps(asked),
        "title": _plain(title),
        "submit": _plain(title.partition(" ")[0]),
        "close": _plain("Cancel"),
        "blocks": blocks,
    }


def _watch_blocks() -> list[View]:
    return [
        _text(TARGETS, "Addresses, a range, a domain", "203.0.113.0/28 example.com"),
        _choice(EVERY, "Look every", EVERY_CHOICES, 0),
        _choice(ROLE, "What is the address to mail?", ROLES, 0),
        {**_text(NAME, "Name", "HQ egress", 60), "optional": True},
    ]


def _channel() -> View:
    """Channels that people share; a direct message with a bot is none to alert."""
    shared = {"include": ["public", "private"], "exclude_bot_users": True}
    element = {"type": "conversations_select", "action_id": CHANNEL, "placeholder": _plain("Channel"), "filter": shared}
    return {"type": "input", "block_id": CHANNEL, "label": _plain("Which channel is alerted?"), "element": element}


def _pasted_blocks(label: str, example: str) -> list[View]:
    pasted = _text(TEXT, label, example, LONGEST_INPUT)
    pasted["element"]["multiline"] = True
    file = {"type": "file_input", "action_id": FILE, "max_files": 1}
    return [
        {**pasted, "optional": True, "hint": _plain(TOO_LONG)},
        {"type": "input", "block_id": FILE, "label": _plain("Or a file"), "element": file, "optional": True},
    ]


def _text(block: str, label: str, example: str, most: int = 1_500) -> View:
    element = {"type": "plain_text_input", "action_id": block, "placeholder": _plain(example), "max_length": most}
    return {"type": "input", "block_id": block, "label": _plain(label), "element": element}


def _choice(block: str, label: str, choices: Sequence[tuple[str, str]], first: int) -> View:
    options = [{"text": _plain(said), "value": value or NO_VALUE} for value, said in choices]
    element = {"type": "static_select", "action_id": block, "options": options, "initial_option": options[first]}
    return {"type": "input", "block_id": block, "label": _plain(label), "element": element}


def _plain(text: str) -> View:
    return {"type": "plain_text", "text": text, "emoji": False}
