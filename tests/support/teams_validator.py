"""Validates Teams messages: limits of Teams, and no text that Markdown or a date macro reads.

The element names are those of Adaptive Cards 1.5 that the renderer uses.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from markdown_it import MarkdownIt

Faults = Iterator[str]

MOST_OCTETS = 25_000
STYLES = {"default", "emphasis", "good", "attention", "warning", "accent"}
COLOURS = {"default", "dark", "light", "accent", "good", "warning", "attention"}
SPACINGS = {"default", "none", "small", "medium", "large", "extraLarge", "padding"}
MOVES_TEXT = re.compile("[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
MARKDOWN = MarkdownIt("commonmark").enable(["strikethrough", "table"])
CARD = "application/vnd.microsoft.card.adaptive"


def faults(payload: Mapping[str, Any]) -> list[str]:
    """Every fault of a message; empty for a valid one."""
    return list(_message(payload))


def formats(text: str) -> bool:
    """Whether Markdown would format anything in the text."""
    tokens = [inner for token in MARKDOWN.parse(text) for inner in (token, *(token.children or ()))]
    return bool({token.type for token in tokens} - {"paragraph_open", "paragraph_close", "inline", "text"})


def _message(payload: Mapping[str, Any]) -> Faults:
    yield from _keys(payload, "message", {"type"}, {"summary", "attachments", "text", "textFormat", "id"})
    if payload.get("type") != "message":
        yield "not a message"
    if ("text" in payload) == ("attachments" in payload):
        yield "a message is a card or words"
    if "text" in payload:
        yield from _words(payload)
    for attached in payload.get("attachments", []):
        if attached.get("contentType") == "image/png":
            yield from _picture(attached)
            continue
        yield from _keys(attached, "attachment", {"contentType", "content"}, set())
        if attached.get("contentType") != CARD:
            yield "not an Adaptive Card"
        yield from _card(attached.get("content", {}))
    without = payload | {"attachments": [a for a in payload.get("attachments", ()) if "content" in a]}
    if (size := len(json.dumps(without, ensure_ascii=False, separators=(",", ":")).encode())) > MOST_OCTETS:
        yield f"{size} octets"
    yield from _one_line("summary", payload.get("summary", "")) if "summary" in payload else ()


def _picture(attached: Mapping[str, Any]) -> Faults:
    """Inline images do not count toward the message size ("Format your bot messages")."""
    yield from _keys(attached, "picture", {"contentType", "contentUrl", "name"}, set())
    start, _, drawn = attached.get("contentUrl", "").partition(",")
    if start != "data:image/png;base64" or not b64decode(drawn, validate=True).startswith(b"\x89PNG"):
        yield "not a picture"
    if len(drawn) > 1_000_000:
        yield "a picture of more than a megabyte"
    yield from _one_line("name", attached.get("name", ""))


def _words(payload: Mapping[str, Any]) -> Faults:
    text = payload["text"]
    if payload.get("textFormat") != "plain" or not text:
        yield "words that are not plain, or none"
    if formats(text) or re.search(r"<|://", text):
        yield f"live markup in {text!r:.60}"


def _card(card: Mapping[str, Any]) -> Faults:
    yield from _keys(card, "card", {"type", "$schema", "version", "body", "fallbackText"}, {"actions", "msteams"})
    if (card.get("type"), card.get("version")) != ("AdaptiveCard", "1.5"):
        yield "not a card of version 1.5"
    if card.get("msteams", {"width": "Full"}) != {"width": "Full"}:
        yield "unknown msteams key"
    if formats(card.get("fallbackText", "")):
        yield "live markup in the fallback"
    if not card.get("body"):
        yield "an empty card"
    for element in card.get("body", ()):
        yield from _element(element)
    yield from _actions(card)


def _actions(card: Mapping[str, Any]) -> Faults:
    if not 0 < len(card.get("actions", (1,))) <= 6:
        yield "no action, or more than Teams shows"
    for action in card.get("actions", ()):
        yield from _action(action)


def _element(element: Any) -> Faults:
    check = ELEMENTS.get(element.get("type") if isinstance(element, dict) else "")
    yield from check(element) if check else [f"unknown element {element!r:.60}"]
    if isinstance(element, dict) and element.get("spacing", "default") not in SPACINGS:
        yield "unknown spacing"


def _container(element: dict[str, Any]) -> Faults:
    yield from _keys(element, "Container", {"type", "items"}, {"style", "bleed", "spacing"})
    yield from _one_of("style", element.get("style", "default"), STYLES)
    for inner in element["items"]:
        yield from _element(inner)


def _rich_text(element: dict[str, Any]) -> Faults:
    yield from _keys(element, "RichTextBlock", {"type", "inlines"}, {"spacing"})
    if not element["inlines"]:
        yield "no words"
    for run in element["inlines"]:
        yield from _run({"type": "TextRun", "text": run} if isinstance(run, str) else run)


def _run(run: Mapping[str, Any]) -> Faults:
    styles = {"weight", "size", "color", "isSubtle", "fontType"}
    yield from _keys(run, "TextRun", {"type", "text"}, {*styles, "selectAction"})
    if action := run.get("selectAction"):
        yield from _keys(action, "link", {"type", "title", "url"}, set())
        if action.get("type") != "Action.OpenUrl" or not str(action.get("url")).startswith(("https://", "http://")):
            yield "a link that opens no page"
    yield from _one_line("run", run.get("text"))
    yield from _one_of("weight", run.get("weight", "default"), {"default", "bolder"})
    yield from _one_of("size", run.get("size", "default"), {"default", "small", "medium", "large"})
    yield from _one_of("color", run.get("color", "default"), COLOURS)
    yield from _one_of("fontType", run.get("fontType", "default"), {"default", "monospace"})


def _table(element: dict[str, Any]) -> Faults:
    yield from _keys(element, "Table", {"type", "columns", "rows"}, set())
    for column in element["columns"]:
        yield from _keys(column, "column", {"width"}, set())
    for row in element["rows"]:
        yield from _keys(row, "TableRow", {"type", "cells"}, set())
        if len(row["cells"]) != len(element["columns"]):
            yield "a row that is not as long as the heading"
        for cell in row["cells"]:
            yield from _keys(cell, "TableCell", {"type", "items"}, set())
            for inner in cell["items"]:
                yield from _element(inner)


ELEMENTS: dict[Any, Callable[[dict[str, Any]], Faults]] = {
    "Container": _container,
    "RichTextBlock": _rich_text,
    "Table": _table,
}


ACTIONS = {"Action.OpenUrl": {"url"}, "Action.Execute": {"verb", "data"}, "Action.ShowCard": {"card"}}


def _action(action: dict[str, Any]) -> Faults:
    needed = ACTIONS.get(action.get("type", ""))
    if needed is None:
        yield f"unknown action {action!r:.60}"
        return
    yield from _keys(action, "action", {"type", "title"} | needed, {"style"})
    yield from _one_line("title", action.get("title"))
    if "url" in action and not re.fullmatch(r"https?://[!-~]{1,2000}", action["url"]):
        yield "url is not a web page"
    if "data" in action:
        yield from _keys(action["data"], "data", {"command"}, {"in_place"})
    if "data" in action and not (action["data"].get("command") and action["data"].get("in_place", True) is True):
        yield "data is not a command"
    if "card" in action:
        yield from _folded(action["card"])


def _folded(card: Mapping[str, Any]) -> Faults:
    """A ShowCard: one select and one action; Teams shows no nested ShowCards."""
    yield from _keys(card, "folded card", {"type", "body", "actions"}, set())
    for element in card["body"]:
        yield from _choice(element)
    for action in card["actions"]:
        if action.get("type") != "Action.Execute":
            yield "a folded card that does nothing, or folds again"
    yield from _actions(card)


def _choice(element: Mapping[str, Any]) -> Faults:
    yield from _keys(element, "choice", {"type", "id", "label", "value", "choices"}, set())
    if (element.get("type"), element.get("id")) != ("Input.ChoiceSet", "choice"):
        yield f"unknown input {element!r:.60}"
    yield from _one_line("label", element.get("label"))
    for option in element["choices"]:
        yield from _keys(option, "option", {"title", "value"}, set())
        yield from _one_line("title", option.get("title"))
    if element["value"] not in [option["value"] for option in element["choices"]]:
        yield "nothing is chosen from the start"


def _one_line(what: str, text: Any) -> Faults:
    if not isinstance(text, str) or not text:
        yield f"{what} is no text"
    elif MOVES_TEXT.search(text) or "{{" in text:
        yield f"{what} has a control, zero-width or direction character, or a formula: {text!r:.40}"


def _one_of(what: str, value: Any, allowed: set[str]) -> Faults:
    if value not in allowed:
        yield f"unknown {what} {value!r}"


def _keys(part: Mapping[str, Any], what: str, needed: set[str], allowed: set[str]) -> Faults:
    if missing := needed - set(part):
        yield f"{what} without {sorted(missing)}"
    if unknown := set(part) - needed - allowed:
        yield f"{what} with {sorted(unknown)}"
